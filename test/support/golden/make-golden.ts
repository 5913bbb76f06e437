/**
 * Makes the golden directories under `segments/v1/`:
 *
 *     npm run build && node dist/test/support/golden/make-golden.js [--check | --force]
 *
 * It writes those that are missing. One that exists is never touched: the bytes of a version are
 * frozen once they were released. `--check` writes nothing and names what would differ; `--force`
 * replaces what differs, which is right only before a version is released.
 *
 * Clock, ids and damage come from constants, so a run makes the same bytes each time. Compressed
 * logs are the exception: each zlib has bytes of its own, so the directory that is there counts. To
 * make one again, delete it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { CodecUnavailableError } from '../../../src/core/errors.ts';
import { checksum } from '../../../src/format/checksum.ts';
import { FORMAT_VERSION } from '../../../src/format/layout.ts';
import { hex } from '../../../src/format/batch-header.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { GoldenCase, GoldenDirectory, GoldenFiles } from './golden-case.ts';
import { GOLDEN_CASES } from './golden-cases.ts';
import { keyView, observe, valueView, type Copy, type Observation } from './observe.ts';

const FLAGS = ['--check', '--force'] as const;
const DIRECTORY_BYTES_MAX = 20 * 1024;
const PATH = '/log';

/** What `expected.json` holds. */
export interface Expected extends Observation {
  readonly what: string;
  readonly formatVersion: number;
  /** Size and checksum of each file, to notice when the repository changed one. */
  readonly files: Readonly<Record<string, string>>;
}

/** A fresh file system in memory with these files in `/log`. */
export async function copyInMemory(files: GoldenFiles): Promise<Copy> {
  const fileSystem = new MemoryFileSystem();
  await fileSystem.makeDirectory(PATH);
  for (const [name, bytes] of files) {
    await fileSystem.makeDirectory(dirname(join(PATH, name)));
    const file = await fileSystem.open(join(PATH, name), 'create');
    if (bytes.length > 0) await file.write(bytes, 0);
    await file.close();
  }
  return { fileSystem, path: PATH };
}

/** `1234 bytes, 0x0badcafe`. */
export function fingerprintOf(bytes: Uint8Array): string {
  return `${bytes.length} bytes, ${hex(checksum(bytes, 0, bytes.length))}`;
}

async function expectedOf(golden: GoldenCase, made: GoldenDirectory): Promise<Expected> {
  const { files } = made;
  const observation = await observe(() => copyInMemory(files));
  checkRecords(golden, made, observation);
  const fingerprints = [...files].map(([name, bytes]) => [name, fingerprintOf(bytes)] as const);
  return {
    what: golden.what,
    formatVersion: FORMAT_VERSION,
    files: Object.fromEntries(fingerprints),
    ...observation,
  };
}

/** JSON with a line for each record. */
function textOf({ records, ...rest }: Expected): string {
  const lines = records.map((record) => `    ${JSON.stringify(record)}`).join(',\n');
  const text = JSON.stringify({ ...rest, records: [] }, null, 2);
  return `${text.replace('"records": []', () => `"records": [\n${lines}\n  ]`)}\n`;
}

/** What is expected must come from what was appended, not from what the engine read back. */
function checkRecords(golden: GoldenCase, made: GoldenDirectory, seen: Observation): void {
  const appended = made.records.map(({ offset, input: { key = null, value, createTimeMs } }) => {
    const bytes = typeof key === 'string' ? Buffer.from(key) : key;
    return { offset, key: keyView(bytes), value: valueView(value), createTimeMs };
  });
  const read = seen.records.map(({ offset, key, value, createTimeMs }) => {
    return { offset, key, value, createTimeMs };
  });
  if (JSON.stringify(appended) !== JSON.stringify(read)) {
    throw new Error(`${golden.name}: appended ${appended.length} and read ${read.length} differ`);
  }
}

/** Names of the files that differ from those on disk. */
function differencesOf(folder: string, files: GoldenFiles): string[] {
  return [...files].flatMap(([name, bytes]) => {
    const path = join(folder, name);
    return existsSync(path) && readFileSync(path).equals(bytes) ? [] : [name];
  });
}

function write(folder: string, files: GoldenFiles): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [name, bytes] of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}

/** The directory that is there, or else a fresh one; null when this Node cannot make it. */
async function frozen(golden: GoldenCase, folder: string): Promise<GoldenDirectory | null> {
  try {
    const made = await golden.make();
    if (!existsSync(folder)) return made;
    const names = readdirSync(folder).filter((name) => name !== 'expected.json');
    const files = names.map((name) => [name, readFileSync(join(folder, name))] as const);
    return { ...made, files: new Map(files) };
  } catch (error) {
    if (error instanceof CodecUnavailableError) return null;
    throw error;
  }
}

async function main(flags: readonly string[]): Promise<number> {
  const unknown = flags.filter((flag) => !FLAGS.some((known) => known === flag));
  if (unknown.length > 0 || !existsSync('segments')) {
    console.error('usage, in the root of the repository: make-golden.js [--check | --force]');
    return 2;
  }
  let differing = 0;
  for (const golden of GOLDEN_CASES) {
    const folder = join('segments', `v${FORMAT_VERSION}`, golden.name);
    const made = golden.isFrozen ? await frozen(golden, folder) : await golden.make();
    if (made === null) {
      console.log(`${golden.name}: NOT CHECKED, this Node cannot make it`);
      continue;
    }
    const expected = textOf(await expectedOf(golden, made));
    const all = new Map([...made.files, ['expected.json', Buffer.from(expected)]]);
    const sizeBytes = [...made.files.values()].reduce((sum, { length }) => sum + length, 0);
    if (sizeBytes > DIRECTORY_BYTES_MAX) throw new Error(`${golden.name}: ${sizeBytes} bytes`);
    const differences = differencesOf(folder, all);
    if (differences.length > 0) differing++;
    const mayWrite =
      !flags.includes('--check') && (flags.includes('--force') || !existsSync(folder));
    if (mayWrite && differences.length > 0) write(folder, all);
    const verdict = differences.length === 0 ? 'equal' : `differs: ${differences.join(', ')}`;
    console.log(
      `${golden.name}: ${sizeBytes} bytes, ${mayWrite && differences.length > 0 ? 'written' : verdict}`,
    );
  }
  return flags.includes('--check') && differing > 0 ? 1 : 0;
}

const isProgram = process.argv[1]?.endsWith(join('golden', 'make-golden.js')) === true;
if (isProgram) process.exitCode = await main(process.argv.slice(2));
