/** Aligned columns for people: no borders, two spaces between, numbers to the right. */
import { escapeText } from './escape-text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Turns rows of cells into lines. Cells are escaped, so they may come from files. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map((row) => columns.map((_column, index) => escapeText(row[index] ?? '')));
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[index] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    columns
      .map((column, index) => pad(row[index] ?? '', widths[index] ?? 0, column.align ?? 'left'))
      .join('  ')
      .trimEnd();
  return [columns.map((column) => column.title), ...cells].map((row) => `${line(row)}\n`).join('');
}

/** Turns names and values into two columns without a title. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => displayWidth(name)));
  return pairs
    .map(([name, value]) => `${pad(name, width, 'left')}  ${escapeText(value)}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const gap = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + gap : gap + text;
}

/** `text`, escaped, in at most so many columns: what is longer ends with `…`. */
export function shorten(text: string, columnsMax: number): string {
  const escaped = escapeText(text);
  if (displayWidth(escaped) <= columnsMax) return escaped;
  let width = 0;
  let kept = '';
  for (const character of escaped) {
    width += displayWidth(character);
    if (width >= columnsMax) break;
    kept += character;
  }
  return `${kept}…`;
}

/** East Asian wide and emoji, roughly: a misjudged character costs alignment, nothing else. */
const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}/u;
const ZERO = /\p{Mark}|\u200B|\u200D/u;

/** Columns that `text` takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (!ZERO.test(character)) width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}
