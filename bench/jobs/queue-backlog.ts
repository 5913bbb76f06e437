/**
 * `acquire` and `ackAll` by 100 from a queue with a backlog, as fast with a long one as with a short one.
 *
 * A run is a number of slices: as many records are sent as the slice has, which is not timed, then
 * as many are acquired from the other end and acknowledged, which is. So each slice begins with a
 * backlog of `backlog` records, in either case one slice of them just sent. The queue is filled once,
 * closed and opened again, so what filling took from memory is not held against it.
 *
 * `heldBytes` is what the queue holds in memory at the end of the run, still with its backlog: heap and
 * what is outside of it, after a garbage collection, above what the process had before it opened
 * the store. Caches are part of it; both lengths have read as much.
 */
import { join } from 'node:path';
import { openStore, type Queue } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { heldMemoryBytes } from './held-memory.ts';
import { checkQueue, fillQueue, QUEUE_OPTIONS, WAIT_MS } from './queue-filled.ts';
import { VALUE_BYTE } from './records.ts';

export type QueueBacklogParameters = {
  readonly valueBytes: number;
  /** Ready at the beginning of each slice; at least a slice. */
  readonly backlog: number;
  readonly recordsPerSlice: number;
  /** Acquired per run; a multiple of `recordsPerSlice`. */
  readonly records: number;
  readonly recordsPerCall: number;
  readonly workers: number;
};

export async function openJob(directory: string, plan: QueueBacklogParameters): Promise<Job> {
  const { records, recordsPerSlice, backlog, valueBytes } = plan;
  const path = join(directory, 'store');
  const below = backlog - recordsPerSlice;
  const filling = await openQueue(path);
  await fillQueue(filling.queue, below, valueBytes);
  await filling.store.close();
  const bareBytes = heldMemoryBytes();
  const { store, queue } = await openQueue(path);
  return {
    async run() {
      let ms = 0;
      for (let done = 0; done < records; done += recordsPerSlice) {
        await fillQueue(queue, recordsPerSlice, valueBytes);
        const startMs = performance.now();
        await acquireSlice(queue, plan);
        ms += performance.now() - startMs;
      }
      await checkQueue(queue, below);
      const heldBytes = heldMemoryBytes() - bareBytes;
      const extra = { heldBytes, rssBytes: process.memoryUsage.rss() };
      return { bytes: records * valueBytes, records, ms, extra };
    },
    close: () => store.close(),
  };
}

async function openQueue(path: string) {
  const store = await openStore(path);
  return { store, queue: await store.queue('queue', QUEUE_OPTIONS) };
}

async function acquireSlice(
  queue: Queue<Uint8Array>,
  { recordsPerSlice, recordsPerCall, workers }: QueueBacklogParameters,
): Promise<void> {
  let left = recordsPerSlice;
  let touched = 0;
  const worker = async () => {
    while (left > 0) {
      let wanted = Math.min(left, recordsPerCall);
      left -= wanted;
      while (wanted > 0) {
        const deliveries = await queue.acquire({ max: wanted, waitMs: WAIT_MS });
        assert(deliveries.length > 0, 'the backlog is acquired by somebody');
        wanted -= deliveries.length;
        for (const { value } of deliveries) touched += value?.[0] ?? 0;
        await queue.ackAll(deliveries);
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  assert(touched === recordsPerSlice * VALUE_BYTE, 'every payload was looked at once');
}
