/**
 * A log that is to be compacted by key, made once for all sides of a contest, and handed out as often as
 * wanted: three records for two keys, so every third one supersedes one before it.
 *
 * Who compacts it gets links to its sealed segments in a directory of his own. A segment is rewritten by
 * renaming another file over its name, which leaves what is linked as it was: so each run compacts the
 * same, and only what it writes takes room.
 */
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { openLog, SeededRandom, type LogOptions, type RecordInput } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { SEGMENT_BYTES_MIN } from '../../src/core/limits.ts';
import { randomBelow } from '../../src/core/random.ts';
import { UnavailableError } from '../core/job.ts';
import { segmentFiles } from './raw-read.ts';
import { sharedDirectory } from './shared-directory.ts';

export type KeyedLogParameters = {
  /** Distinct; a multiple of 2000. */
  readonly keys: number;
  readonly valueBytes: number;
  readonly compression: 'none' | 'gzip';
};

export const COMPACTED: LogOptions<Uint8Array> = {
  compaction: 'key',
  retentionCheckMs: 2 ** 31 - 1, // No pass begins by itself, unless a segment is sealed.
};

const SEED = 20_261_123;
const RECORDS_PER_CALL = 1000;
const CALLS_IN_FLIGHT = 16;
/** Of three records the last one is of a key that is there. */
const GROUP = 3;
const KEYS_PER_GROUP = 2;
/** A prime that divides no number of keys: neighbours in the log are none in the order of keys. */
const STRIDE = 7_368_787;
const VALUES = 256;
const WORDS = 1000;
/** What a run needs beside the input, for each byte of it: what it writes, and some room. */
const FREE_SHARE = 1.8;

export function recordsOfKeys(keys: number): number {
  return (keys / KEYS_PER_GROUP) * GROUP;
}

/**
 * @param directory  the job's own
 * @returns of the log that nobody may open: see `linkLog`
 * @throws UnavailableError where the disk has too little room
 */
export function keyedLog(directory: string, parameters: KeyedLogParameters): Promise<string> {
  const { keys, valueBytes, compression } = parameters;
  const name = `keyed-${keys}-of-${valueBytes}-${compression}`;
  return sharedDirectory(directory, name, async (path) => {
    const { bavail, bsize } = fs.statfsSync(path);
    const wantedBytes = recordsOfKeys(keys) * valueBytes * FREE_SHARE;
    if (bavail * bsize < wantedBytes) {
      throw new UnavailableError(`it takes ${Math.ceil(wantedBytes / 2 ** 30)} GiB of disk`);
    }
    await writeKeyed(join(path, 'log'), parameters);
  }).then((path) => join(path, 'log'));
}

/** Makes a log of the same content at `to`, whose sealed segments are the same files. */
export function linkLog(from: string, to: string): void {
  fs.mkdirSync(to);
  const sealed = new Set(segmentFiles(from).slice(0, -1));
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(from, entry.name);
    if (sealed.has(file)) fs.linkSync(file, join(to, entry.name));
    else fs.copyFileSync(file, join(to, entry.name));
  }
}

/** When the segments were written last: to be the same after a run. */
export function writtenAt(path: string): string {
  const times = segmentFiles(path).map((file) => `${basename(file)} ${fs.statSync(file).mtimeMs}`);
  return times.join('\n');
}

async function writeKeyed(path: string, parameters: KeyedLogParameters): Promise<void> {
  const { keys, compression } = parameters;
  const shared = { durability: 'os', compression } as const;
  const log = await openLog(path, shared);
  const calls = keyedCalls(parameters);
  const caller = async () => {
    for (const records of calls) await log.appendBatch(records);
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, caller));
  assert(log.endOffset === recordsOfKeys(keys), 'the log holds every record');
  await log.close();
  // Nothing of the last segment is compacted, so all keys are to be in those before.
  const last = await openLog(path, { ...shared, segmentBytesMax: SEGMENT_BYTES_MIN });
  await last.append({ value: new Uint8Array(1) });
  await last.sync();
  await last.close();
}

function* keyedCalls({ keys, valueBytes }: KeyedLogParameters) {
  const random = new SeededRandom(SEED);
  const values = Array.from({ length: VALUES }, () => textOf(random, valueBytes));
  const keyOf = (number: number) => `key-${String((number * STRIDE) % keys).padStart(12, '0')}`;
  let written = 0;
  let call: RecordInput<Uint8Array>[] = [];
  for (let at = 0; at < recordsOfKeys(keys); at++) {
    const isNew = at % GROUP !== GROUP - 1;
    const key = keyOf(isNew ? written++ : randomBelow(random, written));
    call.push({ key, value: values[randomBelow(random, VALUES)] ?? null });
    if (call.length < RECORDS_PER_CALL) continue;
    yield call;
    call = [];
  }
}

/** Of words by chance: text as gzip makes it about a third. */
function textOf(random: SeededRandom, bytes: number): Uint8Array {
  let text = '';
  while (text.length < bytes) text += `word-${randomBelow(random, WORDS)} `;
  return Buffer.from(text.slice(0, bytes));
}
