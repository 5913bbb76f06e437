/**
 * Whole cycles of a durable queue: `sendBatch`, `acquire` and `ackAll` by a number of workers, each of
 * which sends as many records as it then acquires and acknowledges; whose they are does not matter.
 *
 * At level `sync`: a send and an acknowledgement are on the disk before they resolve; an attempt is in
 * the journal before the payload is handed over, written and not synced. A byte of each payload is
 * looked at. Opening, checking and deleting are outside of the time.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Queue } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { checkQueue, makePayloads, QUEUE_OPTIONS, WAIT_MS } from './queue-filled.ts';
import { VALUE_BYTE } from './records.ts';

export type QueueCycleParameters = {
  readonly valueBytes: number;
  /** Sent and acknowledged per run; a multiple of `recordsPerCall`. */
  readonly records: number;
  readonly recordsPerCall: number;
  readonly workers: number;
};

export async function openJob(directory: string, plan: QueueCycleParameters): Promise<Job> {
  const { records, valueBytes } = plan;
  const path = join(directory, 'store');
  return {
    async run() {
      const store = await openStore(path);
      const queue = await store.queue('queue', QUEUE_OPTIONS);
      const startMs = performance.now();
      const touched = await runCycles(queue, plan);
      const ms = performance.now() - startMs;
      assert(touched === records * VALUE_BYTE, 'every payload was looked at once');
      await checkQueue(queue, 0);
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes: records * valueBytes, records, ms };
    },
    close: () => Promise.resolve(),
  };
}

/** @returns the sum of the bytes that were looked at */
async function runCycles(
  queue: Queue<Uint8Array>,
  { records, recordsPerCall, valueBytes, workers }: QueueCycleParameters,
): Promise<number> {
  assert(records % recordsPerCall === 0, 'records is a multiple of recordsPerCall');
  const input = makePayloads(recordsPerCall, valueBytes);
  let unsent = records;
  let touched = 0;
  const worker = async () => {
    while (unsent > 0) {
      unsent -= recordsPerCall;
      await queue.sendBatch(input);
      let wanted = recordsPerCall; // Never more, over all workers, than was sent.
      while (wanted > 0) {
        const deliveries = await queue.acquire({ max: wanted, waitMs: WAIT_MS });
        assert(deliveries.length > 0, 'what was sent is acquired by somebody');
        wanted -= deliveries.length;
        for (const { value } of deliveries) touched += value?.[0] ?? 0;
        await queue.ackAll(deliveries);
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return touched;
}
