/** What the wildcards of a pattern stand for in a key that it matches. */
import { wordsOf } from './routing-key.ts';

/** Such as ``: `*` is AMS, `#` is nothing``; empty for a pattern without wildcards. */
export function explainPattern(pattern: string, key: string): string {
  const words = wordsOf(key);
  const said = partsOf(wordsOf(pattern), words)
    .filter(({ word }) => word === '*' || word === '#')
    .map(({ word, start, end }) => `\`${word}\` is ${say(words.slice(start, end))}`);
  return said.length === 0 ? '' : `: ${said.join(', ')}`;
}

interface Part {
  readonly word: string;
  /** Words of the key that it stands for. */
  readonly start: number;
  readonly end: number;
}

/** Each word of the pattern with what it stands for; a `#` for as little as it can. */
function partsOf(pattern: readonly string[], words: readonly string[]): Part[] {
  const fits = fitsOf(pattern, words);
  const parts: Part[] = [];
  let start = 0;
  for (const [at, word] of pattern.entries()) {
    const end = word === '#' ? (fits[at + 1] ?? []).indexOf(true, start) : start + 1;
    parts.push({ word, start, end });
    start = end;
  }
  return parts;
}

/** Whether the pattern from a word on matches the key from a word on: a table, so no way is tried twice. */
function fitsOf(pattern: readonly string[], words: readonly string[]): boolean[][] {
  const rows: boolean[][] = [];
  const last = words.map(() => false);
  rows[pattern.length] = [...last, true];
  for (let at = pattern.length - 1; at >= 0; at--) {
    const below = rows[at + 1] ?? [];
    const row: boolean[] = [];
    for (let word = words.length; word >= 0; word--) {
      row[word] =
        pattern[at] === '#'
          ? below[word] === true || row[word + 1] === true
          : word < words.length &&
            (pattern[at] === '*' || pattern[at] === words[word]) &&
            below[word + 1] === true;
    }
    rows[at] = row;
  }
  return rows;
}

function say(words: readonly string[]): string {
  if (words.length === 0) return 'nothing';
  return words.map((word) => (word === '' ? '(empty)' : word)).join('.');
}
