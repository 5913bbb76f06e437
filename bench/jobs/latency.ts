/**
 * Latencies of an open loop at a fixed mean rate: see `load/open-loop.ts`.
 *
 * A call is due at its time of a Poisson schedule and is measured from there to its answer, or, with
 * `follows`, to when a reader with `follow` in the same process stepped over its last record. Each
 * run has the same schedule and a new log. A rate given as a share is one of what 1,000 callers,
 * each awaiting its own call, reach here in a moment before the first run.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type DurabilityLevel, type Log, type RecordInput } from '../../src/index.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Job } from '../core/job.ts';
import { poissonArrivals } from '../load/arrivals.ts';
import { LatencyHistogram } from '../load/latency-histogram.ts';
import { runOpenLoop } from '../load/open-loop.ts';
import { makeRecords } from './records.ts';

export type LatencyParameters = {
  readonly call: 'append' | 'appendBatch';
  readonly durability: DurabilityLevel;
  readonly valueBytes: number;
  readonly recordsPerCall: number;
  /** Calls per second; null: by `shareOfPossible`. */
  readonly ratePerSecond: number | null;
  readonly shareOfPossible: number | null;
  readonly seconds: number;
  readonly follows: boolean;
};

const SEED = 1;
const CALIBRATION_CALLERS = 1000;
const CALIBRATION_MS = 500;

export async function openJob(directory: string, parameters: LatencyParameters): Promise<Job> {
  const { durability, seconds, follows, recordsPerCall } = parameters;
  const path = join(directory, 'log');
  const append = appender(parameters);
  const offeredPerSecond = parameters.ratePerSecond ?? (await shareOfPossible(path, parameters));
  const calls = Math.max(1, Math.round(offeredPerSecond * seconds));
  const arrivals = poissonArrivals(calls, offeredPerSecond, new SeededRandom(SEED));
  return {
    async run() {
      const log = await openLog(path, { durability });
      const histogram = new LatencyHistogram();
      let startMs = 0;
      const note = (call: number) => {
        histogram.record(performance.now() - startMs - (arrivals[call] as number));
      };
      const isSeen = follows ? follow(log, calls, recordsPerCall, note) : null;
      const call = async (n: number) => {
        await append(log);
        if (!follows) note(n);
      };
      const loop = runOpenLoop({ arrivals, call }, (atMs) => (startMs = atMs));
      const { elapsedMs, lateCount, lateMaxMs } = await loop;
      await isSeen;
      const records = calls * recordsPerCall;
      if (log.endOffset !== records || histogram.count !== calls) {
        throw new Error(`${log.endOffset} records, ${histogram.count} latencies, ${calls} calls`);
      }
      const bytes = log.stats().sizeBytes;
      await log.close();
      rmSync(path, { recursive: true });
      const extra = {
        ...histogram.figures(),
        offeredPerSecond,
        achievedPerSecond: calls / (elapsedMs / 1e3),
        latePerSecond: lateCount / (elapsedMs / 1e3),
        lateMaxMs,
        samples: calls,
      };
      return { bytes, records, ms: elapsedMs, extra };
    },
    close: () => Promise.resolve(),
  };
}

function appender({ call, valueBytes, recordsPerCall }: LatencyParameters) {
  const input = makeRecords(recordsPerCall, { valueBytes });
  const first = input[0] as RecordInput<Uint8Array>;
  return call === 'append'
    ? (log: Log<Uint8Array>): Promise<unknown> => log.append(first)
    : (log: Log<Uint8Array>): Promise<unknown> => log.appendBatch(input);
}

/** Calls per second: the share of a closed loop's rate. */
async function shareOfPossible(path: string, parameters: LatencyParameters): Promise<number> {
  const log = await openLog(path, { durability: parameters.durability });
  const append = appender(parameters);
  let calls = 0;
  const startMs = performance.now();
  const caller = async () => {
    while (performance.now() - startMs < CALIBRATION_MS) {
      await append(log);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: CALIBRATION_CALLERS }, caller));
  const perSecond = calls / ((performance.now() - startMs) / 1e3);
  await log.close();
  rmSync(path, { recursive: true });
  return perSecond * (parameters.shareOfPossible ?? 1);
}

/** Steps over all records as they appear, and notes each call at its last one. */
async function follow(
  log: Log<Uint8Array>,
  calls: number,
  recordsPerCall: number,
  note: (call: number) => void,
): Promise<void> {
  const cursor = log.cursor({ follow: true, limit: calls * recordsPerCall });
  while (await cursor.nextBatch()) {
    while (cursor.next()) {
      if ((cursor.offset + 1) % recordsPerCall === 0)
        note(Math.floor(cursor.offset / recordsPerCall));
    }
  }
  await cursor.close();
}
