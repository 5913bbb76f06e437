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
import type { LogOptions } from '../../src/log/log-options.ts';
import { openLog } from '../../src/log/open-log.ts';
import { HAS_ZSTD } from '../support/compressions.ts';
import { GOLDEN_CASES } from '../support/golden/golden-cases.ts';
import { fingerprintOf, type Expected } from '../support/golden/make-golden.ts';
import { dumpView, observe, verifyView } from '../support/golden/observe.ts';
import { offsetsOf, rejectionOf } from '../support/log-fixture.ts';
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
  'tagged',
  'compacted',
  'compacted-empty',
  'gzip',
  'zstd',
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

/** Node 20 has no zstd: what must hold then has a test of its own. */
const readable = directories.filter(({ name }) => name !== 'zstd' || HAS_ZSTD);

test.each(directories)('$title holds the bytes that were committed', ({ folder }) => {
  expect(fingerprintsOf(folder)).toEqual(expectedOf(folder).files);
});

describe.each(readable)('$title', ({ name, folder }) => {
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

describe.skipIf(HAS_ZSTD)('v1/zstd, on a Node without zstd', () => {
  const folder = join(root, 'v1', 'zstd');
  const compressed = expectedOf(folder).records.filter(({ offset }) => offset < 60 || offset > 62);
  const plain = [60, 61, 62];

  test.each(['readOnly', 'writer', 'skip'] as const)(
    'a handle (%s) opens it clean, and refuses by name to read what it cannot',
    async (kind) => {
      const copy = await copyOf(folder);
      const options = { readOnly: { readOnly: true }, writer: {}, skip: { onCorruption: 'skip' } };
      const log = await openLog(copy.path, options[kind] as LogOptions<Uint8Array>);
      expect(log.recovery).toMatchObject({ damage: null, cutBytes: 0, gaps: [] });
      for (const { offset } of compressed) {
        const error = await rejectionOf(log.read(offset));
        expect(error).toMatchObject({ code: 'ERR_VARVE_CODEC_UNAVAILABLE' });
        expect((error as Error).message).toMatch(/byte \d+ of .*\.log: zstd needs Node/);
      }
      for (const offset of plain) expect((await log.read(offset))?.offset).toBe(offset);
      const skipping = rejectionOf(offsetsOf(log, { onCorruption: 'skip' }));
      expect(await skipping).toMatchObject({ code: 'ERR_VARVE_CODEC_UNAVAILABLE' });
      await log.close();
      const segments = (of: string) =>
        Object.entries(fingerprintsOf(of)).filter(([file]) => /\.log$|quarantine/.test(file));
      expect(segments(copy.path)).toEqual(segments(folder)); // Nothing cut, nothing moved.
    },
  );

  test('verify finds it sound, and dump shows every batch', async () => {
    const copy = await copyOf(folder);
    const verify = await verifyView(copy);
    const dump = await dumpView(copy);
    expect(verify.filter((line) => line.startsWith('damage'))).toEqual([]);
    expect(verify.filter((line) => line === 'note')).toHaveLength(3); // One for each segment.
    const withoutCounts = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/\d+ records/, ''));
    for (const [file, lines] of Object.entries(expectedOf(folder).dump)) {
      expect(withoutCounts(dump[file] ?? [])).toEqual(withoutCounts(lines));
    }
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
    for (const { folder } of readable) {
      for (const { what, before } of await reencode(filesOf(folder))) {
        counts.set(what, (counts.get(what) ?? 0) + 1);
        if (what === 'index' && before.length > SEGMENT_HEADER_BYTES) indexEntries++;
      }
    }
    expect([...counts.keys()].sort()).toEqual(['data', 'gap', 'header', 'index', 'slot', 'table']);
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
