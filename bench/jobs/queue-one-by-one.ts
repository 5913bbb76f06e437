/**
 * One record at a time from a filled queue: `acquire({ max: 1 })`, a look at the payload, `ack`, by a
 * number of workers that each wait for the acknowledgement at level `sync`. Filling is not timed.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { checkQueue, fillQueue, QUEUE_OPTIONS, WAIT_MS } from './queue-filled.ts';
import { VALUE_BYTE } from './records.ts';

export type QueueOneByOneParameters = {
  readonly valueBytes: number;
  /** Per run; a multiple of 1,000. */
  readonly records: number;
  readonly workers: number;
};

export async function openJob(
  directory: string,
  { records, valueBytes, workers }: QueueOneByOneParameters,
): Promise<Job> {
  const path = join(directory, 'store');
  return {
    async run() {
      const store = await openStore(path);
      const queue = await store.queue('queue', QUEUE_OPTIONS);
      await fillQueue(queue, records, valueBytes);
      let left = records;
      let touched = 0;
      const worker = async () => {
        while (left-- > 0) {
          const [delivery] = await queue.acquire({ max: 1, waitMs: WAIT_MS });
          touched += delivery?.value?.[0] ?? 0;
          await delivery?.ack();
        }
      };
      const startMs = performance.now();
      await Promise.all(Array.from({ length: workers }, worker));
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
