/**
 * What one record costs on the JavaScript heap, for each shape of append and scan.
 *
 * `retainedBytesPerRecord`: heap in use after a forced collection, after the run less before it,
 * on a log that stays open: what appending or reading `records` records leaves behind for good.
 * `bytesPerRecord`: all that the run takes from the heap, garbage included.
 * `objectsPerRecord`: objects made, counted one by one on shorter runs, and
 * `boxedNumbersPerRecord`, those of them that are numbers which are no small integers.
 *
 * All runs are warm: a first one, on the same log, is not counted. The caller's own loop is in it:
 * it makes nothing per record but, for `append`, the promise that it awaits. Values are visited by
 * no scan: a view that a caller takes of a value is an object of the caller's.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type DurabilityLevel } from '../../src/index.ts';
import type { Job, Sample } from '../core/job.ts';
import { allocatedBytes, countObjects, settledHeapBytes } from '../profile/heap.ts';
import {
  appendAll,
  isReadShape,
  recordsOfCall,
  scanAll,
  type AppendShape,
  type BytesLog,
  type ReadShape,
  type Shape,
} from '../profile/workloads.ts';
import { writeLog } from './records.ts';

export type AllocationParameters = {
  readonly shape: Shape;
  readonly durability: DurabilityLevel;
  readonly valueBytes: number;
  /** Appended or read while bytes are counted; a multiple of 1000. */
  readonly records: number;
  /** Appended or read while objects are counted: far slower. A multiple of 2000. */
  readonly countedRecords: number;
  readonly callsInFlight: number;
};

const WARM_UPS = 10;

/** Of the shorter of the two runs whose objects are counted. */
function fewerOf(countedRecords: number): number {
  return Math.floor(countedRecords / 2000) * 1000;
}

/** Objects that the check of the counter makes. */
const CHECKED_OBJECTS = 10_000;

export async function openJob(directory: string, parameters: AllocationParameters): Promise<Job> {
  await checkCounter();
  return isReadShape(parameters.shape)
    ? openScan(directory, parameters, parameters.shape)
    : openAppend(directory, parameters, parameters.shape);
}

function openAppend(directory: string, parameters: AllocationParameters, shape: AppendShape): Job {
  const { durability, valueBytes, callsInFlight } = parameters;
  const path = join(directory, 'log');
  const input = recordsOfCall(valueBytes);
  return {
    async run() {
      const log = await openLog(path, { durability });
      const append = (records: number) => appendAll(log, { shape, input, records, callsInFlight });
      try {
        return await measure(append, parameters);
      } finally {
        await log.close();
        rmSync(path, { recursive: true });
      }
    },
    close: () => Promise.resolve(),
  };
}

/** Objects are counted over logs of their own, as long as they are to be counted. */
async function openScan(
  directory: string,
  parameters: AllocationParameters,
  shape: ReadShape,
): Promise<Job> {
  const { valueBytes, records, countedRecords } = parameters;
  const logs = new Map<number, BytesLog>();
  for (const count of new Set([records, countedRecords, fewerOf(countedRecords)])) {
    const path = join(directory, `log-${count}`);
    await writeLog(path, count, { valueBytes });
    logs.set(count, await openLog(path, { readOnly: true }));
  }
  return {
    run: () => measure((count) => scanAll(logs.get(count) as BytesLog, shape), parameters),
    async close() {
      for (const log of logs.values()) await log.close();
    },
  };
}

async function measure(
  run: (records: number) => Promise<unknown>,
  { records, countedRecords }: AllocationParameters,
): Promise<Sample> {
  await run(records);
  const fewer = fewerOf(countedRecords);
  for (let time = 0; time < WARM_UPS; time++) await run(fewer);
  const beforeBytes = await settledHeapBytes();
  const { bytes, ms } = await allocatedBytes(() => run(records));
  const retainedBytes = (await settledHeapBytes()) - beforeBytes;
  const { objects, boxedNumbers } = await countObjects({
    long: () => run(countedRecords),
    short: () => run(fewer),
  });
  const more = countedRecords - fewer;
  return {
    bytes: 0, // Of bytes per second nothing is said here, nor is the time to be trusted.
    records,
    ms,
    extra: {
      bytesPerRecord: bytes / records,
      retainedBytesPerRecord: retainedBytes / records,
      objectsPerRecord: objects / more,
      boxedNumbersPerRecord: boxedNumbers / more,
    },
  };
}

/** The counter must count: a run that makes a known number of objects. */
async function checkCounter(): Promise<void> {
  const kept: object[] = [];
  const make = (objects: number) => {
    kept.length = 0;
    for (let at = 0; at < objects; at++) kept.push({ at, name: 'one', rest: null });
    return Promise.resolve();
  };
  const { objects } = await countObjects({
    long: () => make(2 * CHECKED_OBJECTS),
    short: () => make(CHECKED_OBJECTS),
  });
  // What the profiler makes itself, between the two runs and behind them, is some 40.
  const isRight = Math.abs(objects - CHECKED_OBJECTS) < CHECKED_OBJECTS / 100;
  if (!isRight) throw new Error(`${CHECKED_OBJECTS} objects were made, ${objects} counted`);
}
