/**
 * What a command says. stdout carries data only: one JSON document, or text for people. Progress,
 * notes and errors go to stderr, progress only where a terminal reads it.
 *
 * Everything may hold strings of peers, so control characters are escaped on every way out.
 *
 * @module
 */
import { oneLine, printable } from "../base/text.ts";
import type { Terminal } from "../host/terminal.ts";

/** What decides how much is said. */
export interface OutputChoice {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** JSON on one line, with the controls escaped that JSON permits. */
export function jsonLine(value: unknown): string {
  return oneLine(JSON.stringify(value));
}

/** The ways out of a command. */
export class Output {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly #quiet: boolean;
  readonly #terminal: Terminal;
  #progressShown = false;
  #doing: string | null = null;
  #documents = 0;

  constructor(terminal: Terminal, { json, quiet, verbose }: OutputChoice) {
    this.#terminal = terminal;
    this.#quiet = quiet;
    this.json = json;
    this.verbose = verbose;
  }

  /** Whether secrets may be printed: to a person, or to a script that asked for the document. */
  get showsSecrets(): boolean {
    return this.json || this.#terminal.stdoutIsTerminal;
  }

  /** How many documents were printed. */
  get documents(): number {
    return this.#documents;
  }

  /** The command's document: with its schema under `--json`, as `lines` for people. */
  document(name: string, document: object, lines: () => readonly string[]): void {
    this.#documents++;
    if (this.json) this.#data(jsonLine({ schema: `omerta.${name}/1`, ...document }));
    else this.lines(lines());
  }

  /** Lines of data for people; nothing under `--json`. */
  lines(lines: readonly string[]): void {
    if (!this.json) { for (const line of lines) this.#data(printable(line)); }
  }

  /** Text that another program reads as it stands: a configuration file, an exported secret. */
  verbatim(text: string): void {
    this.clearProgress();
    this.#terminal.write(text);
  }

  /** What was said last to be going on; `null`: nothing, or it is over. */
  get doing(): string | null {
    return this.#doing;
  }

  /** What is going on, on one line that the next one replaces. */
  progress(text: string): void {
    this.#doing = text;
    if (this.#quiet || !this.#terminal.stderrIsTerminal) return;
    const line = printable(text).slice(0, this.#terminal.columns() - 1);
    this.#terminal.writeError(`\r\x1b[K${line}`);
    this.#progressShown = true;
  }

  /** Takes the progress line away. */
  clearProgress(): void {
    this.#doing = null;
    if (this.#progressShown) this.#terminal.writeError("\r\x1b[K");
    this.#progressShown = false;
  }

  /** Something worth knowing. */
  note(text: string): void {
    if (!this.#quiet) this.#error(printable(text));
  }

  /** Something that went wrong, though the command goes on: said under `--quiet`, too. */
  complaint(text: string): void {
    this.#error(printable(text));
  }

  /** Something for `--verbose`. */
  detail(text: string): void {
    if (this.verbose) this.#error(printable(text));
  }

  /** Why the command failed: always said. */
  failure(sentence: string, hint: string | null): void {
    const paints = this.#terminal.stderrIsTerminal && !this.#terminal.env.NO_COLOR;
    const label = paints ? "\x1b[1;31momerta:\x1b[0m" : "omerta:";
    this.#error(`${label} ${printable(sentence)}`);
    if (hint !== null) this.#error(`  ${printable(hint)}`);
  }

  #data(line: string): void {
    this.clearProgress();
    this.#terminal.write(`${line}\n`);
  }

  #error(line: string): void {
    this.clearProgress();
    this.#terminal.writeError(`${line}\n`);
  }
}
