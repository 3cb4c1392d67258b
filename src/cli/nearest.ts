/**
 * The word that somebody probably meant: the nearest of the known ones by edit distance.
 *
 * Source: optimal string alignment distance (Damerau 1964, with each pair swapped at most once).
 *
 * @module
 */

/** Longest word that is compared: the work grows with the square. */
const WORD_CHARS_MAX = 40;

/**
 * The nearest of `words`, or `undefined` where none is near: at most one change in a short word,
 * one in three letters of a longer one. A word of which `text` is the beginning is near, too.
 */
export function nearest(text: string, words: Iterable<string>): string | undefined {
  if (text.length > WORD_CHARS_MAX) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const word of words) {
    const distance = word.startsWith(text) && text.length > 1 ? 1 : editDistance(text, word);
    if (distance < least) [best, least] = [word, distance];
  }
  return best;
}

/** How many letters must be put in, left out, replaced, or swapped with the next. */
export function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped ? (older[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [older, previous] = [previous, row];
  }
  return previous[b.length] ?? 0;
}
