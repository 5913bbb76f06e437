/**
 * One of the hot files (`@hot`) by itself, under tinybench: nanoseconds per record or look-up.
 *
 * Micro figures flatter: a change is confirmed by the suites that use the disk.
 */
import { BatchCursor } from '../../src/format/batch-cursor.ts';
import {
  BatchEncoder,
  encodedRecordBytes,
  textBytesGuess,
} from '../../src/format/batch-encoder.ts';
import { emptyBatchHeader } from '../../src/format/batch-header.ts';
import { recordsOf } from '../../src/format/batch-records.ts';
import { checksum } from '../../src/format/checksum.ts';
import { viewOf } from '../../src/format/u64.ts';
import { floorSlot } from '../../src/segment/index-search.ts';
import { assert, present } from '../../src/core/assert.ts';
import { UnavailableError, type Job } from '../core/job.ts';

export type MicroParameters = { readonly task: MicroName };

export type MicroName = 'batch-encoder' | 'batch-cursor' | 'checksum' | 'index-search';

/** What is timed; returns something to check. */
interface Task {
  /** Records or look-ups per call. */
  readonly units: number;
  /** What each call must return. */
  readonly expected: number;
  readonly call: () => number;
}

const RECORDS = 400;
const VALUE_BYTES = 100;
const LOOKUPS = 1000;
const KEYS = 16_384;
const KEY_DISTANCE = 500;
const RUN_MS = 300;

export async function openJob(_directory: string, { task: name }: MicroParameters): Promise<Job> {
  const { Bench } = await loadTinybench();
  const { units, expected, call } = present(makeTasks()[name], 'the task is known');
  return {
    async run() {
      assert(call() === expected, 'the task does what it should');
      const bench = new Bench({ time: RUN_MS, warmupTime: RUN_MS / 3 });
      bench.add(name, call);
      const [task] = await bench.run();
      const result = present(task, 'the task ran').result;
      if (!('latency' in result)) throw new Error(`${name} did not run: ${result.state}`);
      const { p50, samplesCount } = result.latency;
      return {
        bytes: 0,
        records: samplesCount * units,
        ms: result.totalTime,
        extra: { ns: (p50 * 1e6) / units },
      };
    },
    close: () => Promise.resolve(),
  };
}

/** A development dependency: an installed package has it not. */
async function loadTinybench() {
  try {
    return await import('tinybench');
  } catch {
    throw new UnavailableError('tinybench is not installed: npm install --no-save tinybench');
  }
}

function makeTasks(): Readonly<Record<MicroName, Task>> {
  const buffer = Buffer.alloc(128 * 1024);
  const view = viewOf(buffer);
  const header = { ...emptyBatchHeader(), logId: 1, segmentId: 2 };
  const encode = makeEncode(buffer, header);
  const batchBytes = encode();
  const cursor = new BatchCursor();
  const keys = Float64Array.from({ length: KEYS }, (_, slot) => slot * KEY_DISTANCE);
  const crc = checksum(buffer, 4, batchBytes);
  return {
    'batch-encoder': { units: RECORDS, expected: batchBytes, call: encode },
    'batch-cursor': {
      units: RECORDS,
      expected: RECORDS * VALUE_BYTES,
      call: () => {
        let sum = 0;
        cursor.reset(recordsOf({ bytes: buffer, view, at: 0, header, file: '' }));
        while (cursor.next()) sum += cursor.valueBytes;
        return sum;
      },
    },
    checksum: { units: RECORDS, expected: crc, call: () => checksum(buffer, 4, batchBytes) },
    'index-search': {
      units: LOOKUPS,
      expected: lookupSum((target) => Math.min(KEYS - 1, Math.floor(target / KEY_DISTANCE))),
      call: () => lookupSum((target) => floorSlot(keys, keys.length, target)),
    },
  };
}

function lookupSum(slotOf: (target: number) => number): number {
  let sum = 0;
  for (let at = 0; at < LOOKUPS; at++) sum += slotOf(at * 8000);
  return sum;
}

/** Encodes and seals one batch; returns its size. */
function makeEncode(buffer: Buffer, header: ReturnType<typeof emptyBatchHeader>): () => number {
  const encoder = new BatchEncoder();
  const value = Buffer.alloc(VALUE_BYTES, 0x61);
  const key = 'key-000000000042';
  const keyBytes = textBytesGuess(key);
  const sizeBytes = encodedRecordBytes(keyBytes, null, value);
  const createTimeMs = Date.UTC(2026, 0, 1);
  const record = {
    key,
    keyBytes,
    headers: null,
    value,
    createTimeMs,
    sizeBytes,
  };
  return () => {
    encoder.reset(buffer, 0);
    encoder.begin();
    for (let at = 0; at < RECORDS; at++) encoder.add(record);
    encoder.writeKeys();
    encoder.seal(header, null);
    return header.sizeBytes;
  };
}
