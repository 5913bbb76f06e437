/**
 * Scans a whole log, in one of the ways that the API has. Every batch is verified by its CRC.
 *
 * The log was just written, once for all sides of a contest, and is read from the page cache. Timed from the call that begins the read
 * to its end, with every record visited: the offset, and what stands in `WALKS` of its value.
 */
import { openLog, type Log, type LogRecord } from '../../src/index.ts';
import { assert, present } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { KEY_BYTES, KEY_FIRST_BYTE, VALUE_BYTE } from './records.ts';
import { sharedLog } from './shared-log.ts';

export type ReadParameters = {
  readonly valueBytes: number;
  readonly records: number;
  readonly walk: WalkName;
};

export type WalkName = keyof typeof WALKS;

/** What a walk saw; the sums are checked, so nothing can be optimized away or left out. */
interface Seen {
  records: number;
  offsets: number;
  valueBytes: number;
  /** Of the first bytes of the values, in the walks that look at the value itself. */
  firstBytes: number;
  /** In the walks that look at keys: their lengths and first bytes. */
  keyBytes: number;
  keyFirstBytes: number;
}

type Walk = (log: Log<Uint8Array>, seen: Seen) => Promise<void>;

const WALKS = {
  /** `batches()`; offset, and the value's bytes in place: length and first byte. */
  batches: async (log, seen) => {
    for await (const batch of log.batches()) for (const record of batch) seeView(record, seen);
  },
  /** `batches()`; key and value in place. */
  'batches-entries': async (log, seen) => {
    for await (const batch of log.batches()) {
      for (const record of batch) {
        seeBytes(record.offset, record.valueView(), seen);
        seeKey(record.keyView(), seen);
      }
    }
  },
  /** `batches()`; only the offset. */
  'batches-offsets': async (log, seen) => {
    for await (const batch of log.batches()) {
      for (const record of batch) {
        seen.records++;
        seen.offsets += record.offset;
      }
    }
  },
  /** `batches()`; offset, and the value as the codec gives it. */
  'batches-values': async (log, seen) => {
    for await (const batch of log.batches()) {
      for (const record of batch) seeBytes(record.offset, record.value, seen);
    }
  },
  /** `records()`; as `batches`. */
  records: async (log, seen) => {
    for await (const record of log.records()) seeView(record, seen);
  },
  /** The cursor; offset and length of the value, which it has as numbers. */
  cursor: async (log, seen) => {
    const cursor = log.cursor();
    while (await cursor.nextBatch()) {
      while (cursor.next()) {
        seen.records++;
        seen.offsets += cursor.offset;
        seen.valueBytes += cursor.valueBytes;
      }
    }
    await cursor.close();
  },
  /** The cursor; offset, and the value's bytes in place: length and first byte. */
  'cursor-views': async (log, seen) => {
    const cursor = log.cursor();
    while (await cursor.nextBatch()) {
      while (cursor.next()) seeBytes(cursor.offset, cursor.valueView(), seen);
    }
    await cursor.close();
  },
  /** The cursor; key and value in place, by their positions: length and first byte of both. */
  'cursor-positions': async (log, seen) => {
    const cursor = log.cursor();
    while (await cursor.nextBatch()) {
      const { bytes } = cursor;
      while (cursor.next()) {
        seen.records++;
        seen.offsets += cursor.offset;
        seen.valueBytes += cursor.valueBytes;
        seen.firstBytes += bytes[cursor.valueStart] ?? 0;
        seen.keyBytes += cursor.keyBytes;
        seen.keyFirstBytes += bytes[cursor.keyStart] ?? 0;
      }
    }
    await cursor.close();
  },
  /** The cursor; key and value in place, as views. */
  'cursor-entries': async (log, seen) => {
    const cursor = log.cursor();
    while (await cursor.nextBatch()) {
      while (cursor.next()) {
        seeBytes(cursor.offset, cursor.valueView(), seen);
        seeKey(cursor.keyView(), seen);
      }
    }
    await cursor.close();
  },
} satisfies Record<string, Walk>;

/** Walks that do not look at the value at all, or not at its bytes. */
const WITHOUT_VALUE: readonly WalkName[] = ['batches-offsets'];
const WITHOUT_BYTES: readonly WalkName[] = ['batches-offsets', 'cursor'];
const WITH_KEY: readonly WalkName[] = ['batches-entries', 'cursor-entries', 'cursor-positions'];

function seeView(record: LogRecord<Uint8Array>, seen: Seen): void {
  seeBytes(record.offset, record.valueView(), seen);
}

function seeBytes(offset: number, value: Uint8Array | null, seen: Seen): void {
  if (value === null) throw new Error(`the record at offset ${offset} has lost its value`);
  seen.records++;
  seen.offsets += offset;
  seen.valueBytes += value.length;
  seen.firstBytes += value[0] ?? 0;
}

function seeKey(key: Uint8Array | null, seen: Seen): void {
  seen.keyBytes += key?.length ?? 0;
  seen.keyFirstBytes += key?.[0] ?? 0;
}

export async function openJob(directory: string, parameters: ReadParameters): Promise<Job> {
  const { records, walk } = parameters;
  const log = await openLog(await sharedLog(directory, parameters), { readOnly: true });
  const bytes = log.stats().sizeBytes;
  const scan: Walk = present(WALKS[walk], 'the walk is known');
  return {
    async run() {
      const seen = {
        records: 0,
        offsets: 0,
        valueBytes: 0,
        firstBytes: 0,
        keyBytes: 0,
        keyFirstBytes: 0,
      };
      const startMs = performance.now();
      await scan(log, seen);
      const ms = performance.now() - startMs;
      check(seen, parameters);
      return { bytes, records, ms };
    },
    close: () => log.close(),
  };
}

function check(seen: Seen, { valueBytes, records, walk }: ReadParameters): void {
  assert(seen.records === records, 'every record was read');
  assert(seen.offsets === (records * (records - 1)) / 2, 'every offset was read once');
  const isSized = !WITHOUT_VALUE.includes(walk);
  assert(!isSized || seen.valueBytes === records * valueBytes, 'every value has its length');
  const isTouched = !WITHOUT_BYTES.includes(walk);
  assert(!isTouched || seen.firstBytes === records * VALUE_BYTE, 'every value was looked at');
  const keys = WITH_KEY.includes(walk) ? records : 0;
  assert(seen.keyBytes === keys * KEY_BYTES, 'every key has its length');
  assert(seen.keyFirstBytes === keys * KEY_FIRST_BYTE, 'every key was looked at');
}
