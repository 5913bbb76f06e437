/** The tables of the README say what the code says: error codes and exit codes. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

test("README's error codes are those of src/core/errors.ts", async () => {
  const rows = tableRows((first) => /^ERR_\w+$/.test(first));
  expectSameTable(rows, await codeTable('src/core/errors.ts', 'ERROR_CODES'));
});

test("README's exit codes are those of tools/exit-codes.ts", async () => {
  const rows = tableRows(
    (first, header) => /^\d+$/.test(first) && /\b(?:exit|code)\b/i.test(header),
  );
  expectSameTable(rows, await codeTable('tools/exit-codes.ts', 'EXIT_CODES'));
});

type Rows = ReadonlyMap<string, readonly string[]>;

/** The same codes on both sides, and each text of the code's table is a cell of README's row. */
function expectSameTable(readme: Rows, code: Rows): void {
  expect(readme.size, 'README.md has no such table').toBeGreaterThan(0);
  expect([...readme.keys()].toSorted()).toEqual([...code.keys()].toSorted());
  for (const [key, texts] of code) {
    for (const text of texts) expect(readme.get(key), `README's row of ${key}`).toContain(text);
  }
}

/** README's table rows, first cell -> the other cells, without backticks. */
function tableRows(isWanted: (first: string, header: string) => boolean): Rows {
  expect(existsSync(join(root, 'README.md')), 'README.md exists').toBe(true);
  const rows = new Map<string, readonly string[]>();
  let header: string | null = null;
  for (const line of readFileSync(join(root, 'README.md'), 'utf8').split('\n')) {
    const cells = cellsOf(line);
    if (cells.length === 0) header = null;
    else header ??= cells[0] ?? '';
    const [first = '', ...others] = cells;
    if (isWanted(first, header ?? '')) rows.set(first, others);
  }
  return rows;
}

function cellsOf(line: string): string[] {
  if (!line.startsWith('|')) return [];
  const cells = line
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/);
  return cells.map((cell) => plain(cell.replaceAll('\\|', '|')));
}

/**
 * The code's table: `{ CODE: 'text' }`, `{ name: 3 }`, `{ 3: 'text' }`, or objects as values,
 * whose `code` (or else key) is the code and whose strings are the texts.
 */
async function codeTable(file: string, name: string): Promise<Rows> {
  expect(existsSync(join(root, file)), `${file} exists`).toBe(true);
  // The path is computed so that this file compiles before the other one is written.
  const module = (await import(join(root, file))) as Record<string, unknown>;
  const table = module[name];
  expect(table, `${file} exports ${name}`).toBeTypeOf('object');
  return new Map(Object.entries(table as object).map(([key, value]) => codeRow(key, value)));
}

function codeRow(key: string, value: unknown): [string, string[]] {
  if (typeof value === 'number') return [String(value), []];
  if (typeof value === 'string') return [key, [plain(value)]];
  const fields = Object.entries((value ?? {}) as Record<string, unknown>);
  const code = fields.find(([field]) => field === 'code')?.[1] ?? key;
  const texts = fields.filter(([field, text]) => field !== 'code' && typeof text === 'string');
  return [
    typeof code === 'number' ? String(code) : key,
    texts.map(([, text]) => plain(String(text))),
  ];
}

function plain(cell: string): string {
  return cell.replaceAll('`', '').trim();
}
