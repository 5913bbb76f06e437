/** A small log in which every kind of byte occurs, and where each of them stands. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { utf8 } from '../../../src/codec/codec.ts';
import {
  compressionOf,
  emptyBatchHeader,
  nextOffsetOf,
  readBatchHeader,
} from '../../../src/format/batch-header.ts';
import type { CompressionName } from '../../../src/format/compression.ts';
import { BatchKind, SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogRecord } from '../../../src/log/record.ts';
import { contentOf, damage } from '../disk-damage.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { LOG_PATH, type Options } from './life.ts';

export const SOUND_OPTIONS: Options = {
  durability: 'sync',
  batchBytesMax: 1024,
  segmentAgeMsMax: 1000,
};

/** A batch and where it stands; an index batch holds no offsets. */
export interface SoundBatch {
  readonly position: number;
  readonly sizeBytes: number;
  readonly isIndex: boolean;
  readonly isCompressed: boolean;
  readonly firstOffset: number;
  readonly nextOffset: number;
}

export interface SoundSegment {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly baseOffset: number;
  readonly batches: readonly SoundBatch[];
}

export interface SoundLog {
  readonly fileSystem: FaultyFileSystem;
  readonly segments: readonly SoundSegment[];
  readonly checkpointPath: string;
  /** By offset, from 0; null = it was compacted away. */
  readonly records: readonly (SoundRecord | null)[];
}

export interface SoundRecord {
  readonly createTimeMs: number;
  /** All that a reader gets of the record. */
  readonly text: string;
}

/** Writes the log: four segments, one with an index of several entries. */
export async function makeSoundLog(options: {
  readonly seed: number;
  readonly isClosed: boolean;
  readonly compression?: CompressionName;
}): Promise<SoundLog> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(options.seed) });
  const clock = new ManualClock();
  const random = new SeededRandom(options.seed);
  const { compression } = options;
  const seams = { fileSystem, clock, random };
  const log = await openLog(LOG_PATH, { ...SOUND_OPTIONS, ...seams, codec: utf8, compression });
  for (const batchCount of [6, 2, 1, 2]) {
    for (let batch = 0; batch < batchCount; batch++)
      await appendBatch(log, clock, `${options.seed}`);
    clock.advance(2000);
  }
  const records = await recordsOf(log);
  if (log.stats().segmentCount !== 4) throw new Error('the log has not four segments');
  if (options.isClosed) await log.close();
  damage(fileSystem, `${LOG_PATH}/reserve`, () => new Uint8Array(1));
  const image = options.isClosed ? fileSystem.crashImage() : fileSystem.killImage();
  return soundLog(image, records);
}

/** A directory of `segments/`, copied into memory. */
export async function loadSoundLog(folder: string): Promise<SoundLog> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  await fileSystem.makeDirectory(LOG_PATH);
  for (const name of readdirSync(folder)) {
    if (name === 'expected.json') continue;
    const file = await fileSystem.open(`${LOG_PATH}/${name}`, 'create');
    await file.write(readFileSync(join(folder, name)), 0);
    await file.close();
  }
  // As a writer leaves it; a reserve of full size in thousands of copies would take minutes.
  for (const name of ['LOCK', 'reserve']) {
    await (await fileSystem.open(`${LOG_PATH}/${name}`, 'create')).close();
  }
  const log = await openLog(LOG_PATH, { codec: utf8, fileSystem, readOnly: true });
  const records = await recordsOf(log);
  await log.close();
  return soundLog(fileSystem, records);
}

async function soundLog(
  fileSystem: FaultyFileSystem,
  records: SoundLog['records'],
): Promise<SoundLog> {
  const names = (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.log'));
  const segments = names.toSorted().map((name) => describe(fileSystem, `${LOG_PATH}/${name}`));
  return { fileSystem, segments, checkpointPath: `${LOG_PATH}/checkpoint`, records };
}

async function recordsOf(log: Log<string>): Promise<(SoundRecord | null)[]> {
  const records = Array.from({ length: log.visibleOffset }, (): SoundRecord | null => null);
  for await (const record of log.records()) {
    records[record.offset] = { createTimeMs: record.createTimeMs, text: textOf(record) };
  }
  return records;
}

/** A batch of three records: with key and headers, a tombstone, and a plain one. */
async function appendBatch(log: Log<string>, clock: ManualClock, seed: string): Promise<void> {
  // The first segment is long enough for an entry in its index, the others are short.
  const valueBytes = log.endOffset < 15 ? 650 : 40;
  const number = log.endOffset;
  const nowMs = clock.now();
  await log.appendBatch([
    { key: `key ${number % 5}`, value: `value ${number}`.padEnd(valueBytes), headers: { seed } },
    { key: `key ${number % 3}`, value: null, createTimeMs: nowMs - 5000 },
    { value: `plain ${seed} ${number}` },
  ]);
  clock.advance(10);
}

export function textOf(record: LogRecord<string>): string {
  const { offset, key, value, createTimeMs, appendTimeMs, epoch, headers } = record;
  let text = `${offset} ${createTimeMs} ${appendTimeMs} ${epoch}${sized(key)}${sized(value)}`;
  for (const [name, { buffer, byteOffset, length }] of headers) {
    text += sized(name) + sized(Buffer.from(buffer, byteOffset, length).toString('latin1'));
  }
  return text;
}

/** With its length, so that no two lists of texts are one. */
function sized(text: string | null): string {
  return text === null ? ' -' : ` ${text.length}:${text}`;
}

function describe(fileSystem: FaultyFileSystem, path: string): SoundSegment {
  const bytes = contentOf(fileSystem, path);
  const batches: SoundBatch[] = [];
  let position = SEGMENT_HEADER_BYTES;
  while (position < bytes.length) {
    const header = emptyBatchHeader();
    readBatchHeader(viewOf(bytes), position, header);
    const { sizeBytes, kind, baseOffset } = header;
    const isIndex = kind === BatchKind.index;
    const nextOffset = nextOffsetOf(header);
    const isCompressed = compressionOf(header) !== 0;
    const firstOffset = baseOffset;
    batches.push({ position, sizeBytes, isIndex, isCompressed, firstOffset, nextOffset });
    position += sizeBytes;
  }
  if (position !== bytes.length) throw new Error(`${path} does not end with a batch`);
  return { path, bytes, baseOffset: batches[0]?.firstOffset ?? 0, batches };
}

/** Offsets of the batches that a range of a segment's bytes touches. */
export function offsetsIn(
  segment: SoundSegment,
  range: { readonly from: number; readonly to: number },
): Set<number> {
  const offsets = new Set<number>();
  for (const { position, sizeBytes, firstOffset, nextOffset } of segment.batches) {
    if (position >= range.to || position + sizeBytes <= range.from) continue;
    for (let offset = firstOffset; offset < nextOffset; offset++) offsets.add(offset);
  }
  return offsets;
}

/** Whether a byte is of an index batch, which is never evidence of anything. */
export function isInIndex(segment: SoundSegment, at: number): boolean {
  return segment.batches.some(
    ({ isIndex, position, sizeBytes }) => isIndex && at >= position && at < position + sizeBytes,
  );
}
