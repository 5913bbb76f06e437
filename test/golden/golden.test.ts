/**
 * The golden directories: can we still read every byte that was ever written, and do we write the
 * same bytes for the same content?
 *
 * `segments/README.md` says what they are, `test/support/golden/make-golden.ts` makes them.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

import { FORMAT_VERSION, SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { GOLDEN_CASES } from '../support/golden/golden-cases.ts';
import { fingerprintOf, type Expected } from '../support/golden/make-golden.ts';
import { observe } from '../support/golden/observe.ts';
import { reencode, type Reencoded } from '../support/golden/reencode.ts';

const root = join(import.meta.dirname, '..', '..', 'segments');
const temporary = mkdtempSync(join(tmpdir(), 'varve-golden-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

/** Cases without damage: there every byte of every segment is decoded and encoded again. */
const WHOLE: ReadonlySet<string> = new Set([
  'empty',
  'one-batch',
  'many',
  'several-segments',
  'gap',
]);

const versions = readdirSync(root).filter((name) => /^v\d+$/.test(name));
const directories = versions.flatMap((version) =>
  readdirSync(join(root, version)).map((name) => ({
    name,
    title: `${version}/${name}`,
    folder: join(root, version, name),
  })),
);

function filesOf(folder: string): Map<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => path !== 'expected.json')
    .sort();
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path))]));
}

function expectedOf(folder: string): Expected {
  return JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;
}

function fingerprintsOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    [...filesOf(folder)].map(([name, bytes]) => [name, fingerprintOf(bytes)]),
  );
}

let copyCount = 0;
/** A copy in a temporary directory, without `expected.json`. */
async function copyOf(folder: string) {
  const path = join(temporary, String(copyCount++));
  cpSync(folder, path, {
    recursive: true,
    filter: (source) => !source.endsWith('expected.json'),
  });
  return { fileSystem: nodeFileSystem, path };
}

test('every case of this version is there, and nothing else', () => {
  const current = directories.filter(({ title }) => title.startsWith(`v${FORMAT_VERSION}/`));
  expect(current.map(({ name }) => name).sort()).toEqual(
    GOLDEN_CASES.map(({ name }) => name).sort(),
  );
});

describe.each(directories)('$title', ({ name, folder }) => {
  test('holds the bytes that were committed', () => {
    expect(fingerprintsOf(folder)).toEqual(expectedOf(folder).files);
  });

  test('is read, recovered, verified and dumped as expected', async () => {
    const { what: _what, formatVersion: _version, files: _files, ...expected } = expectedOf(folder);
    expect(await observe(() => copyOf(folder))).toEqual(expected);
    expect(fingerprintsOf(folder)).toEqual(expectedOf(folder).files); // Not touched by it.
  });

  test('is encoded again to equal bytes', async () => {
    const files = filesOf(folder);
    const pieces = await reencode(files);
    for (const { what, file, position, before, after } of pieces) {
      const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
      expect(hexOf(after), `${what} at ${position} of ${file}`).toBe(hexOf(before));
    }
    expect(pieces.filter(({ what }) => what === 'slot').length).toBe(2);
    if (WHOLE.has(name)) expectWhole(files, pieces);
  });
});

/** Every byte of every segment was part of a piece. */
function expectWhole(files: ReadonlyMap<string, Buffer>, pieces: readonly Reencoded[]): void {
  for (const [name, bytes] of files) {
    if (!/^\d+\.log$/.test(name)) continue;
    const own = pieces.filter(({ file }) => file === name);
    const covered = own.reduce((sum, { before }) => sum + before.length, 0);
    expect(covered, `bytes of ${name}`).toBe(bytes.length);
  }
}

describe('all directories together', () => {
  test('hold every kind of piece, and an index with an entry', async () => {
    const counts = new Map<string, number>();
    let indexEntries = 0;
    for (const { folder } of directories) {
      for (const { what, before } of await reencode(filesOf(folder))) {
        counts.set(what, (counts.get(what) ?? 0) + 1);
        if (what === 'index' && before.length > SEGMENT_HEADER_BYTES) indexEntries++;
      }
    }
    expect([...counts.keys()].sort()).toEqual(['data', 'gap', 'header', 'index', 'slot']);
    expect(counts.get('data')).toBeGreaterThan(100);
    expect(counts.get('index')).toBeGreaterThan(4);
    expect(indexEntries).toBeGreaterThan(2);
  });

  test('hold every kind of record', () => {
    const records = directories.flatMap(({ folder }) => expectedOf(folder).records);
    expect(records.some(({ value }) => value === null)).toBe(true);
    expect(records.some(({ value }) => value === '')).toBe(true);
    expect(records.some(({ key }) => key === '')).toBe(true);
    expect(records.some(({ key }) => key === null)).toBe(true);
    expect(records.some(({ key }) => key !== null && typeof key === 'object')).toBe(true);
    expect(records.some(({ headers }) => Object.keys(headers).length > 1)).toBe(true);
    expect(new Set(records.map(({ epoch }) => epoch)).size).toBeGreaterThan(2);
  });
});
