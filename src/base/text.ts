/**
 * Text for people that may hold a stranger's words: one class of characters that must not reach a
 * terminal or a log as they are, and the few ways to deal with them.
 *
 * @example
 * ```ts
 * printable("a\u001b[2Jb"); // "a\\x1b[2Jb"     for a terminal
 * oneLine("a\nb"); // "a\\u000ab"               for a log: stays valid inside JSON
 * hasControls("a\u202eb"); // true              for what is refused
 * quoted("a\u0007", 60); // '"a\\u0007"'        for a word in a sentence
 * sentence("no room"); // "No room."
 * ```
 *
 * @module
 */

/** C0, DEL, C1, line separators, and marks that reorder what is read (Unicode Bidi_Control). */
// deno-lint-ignore no-control-regex -- they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Whether the text holds characters that move a cursor, end a line or reorder what is read. */
export function hasControls(text: string): boolean {
  return text.search(CONTROLS) >= 0;
}

/** The text with control characters as `\x1b` or `\u202e`, harmless to a terminal. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** The text with control characters as `\u001b`: one line, and inside JSON's quotes still JSON. */
export function oneLine(text: string): string {
  return text.replace(CONTROLS, (character) => `\\u${hex(character.charCodeAt(0), 4)}`);
}

/** The text in quotes, cut to `charsMax` characters, to stand in a sentence. */
export function quoted(text: string, charsMax: number): string {
  const short = text.length > charsMax ? `${text.slice(0, charsMax - 3)}…` : text;
  return JSON.stringify(short.toWellFormed()).replace(CONTROLS, "?");
}

/** The text as a sentence begins. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The text as a sentence: first letter large, and an end. */
export function sentence(text: string): string {
  const whole = capital(text);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
