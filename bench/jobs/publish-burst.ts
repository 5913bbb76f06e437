/**
 * A burst of publishes, one promise each, by callers that await: timed from the first call to the last
 * answer. Until when all copies are synced in their queues is told, too: `drainedMs`, from the first call.
 *
 * Making the exchange, its queues and its bindings is not timed.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { drained, makeExchange, nextKey, type ExchangeShape } from './exchange-load.ts';
import { VALUE_BYTE } from './records.ts';

export type PublishBurstParameters = ExchangeShape & {
  readonly valueBytes: number;
  /** Published per run. */
  readonly records: number;
  readonly callers: number;
};

export async function openJob(directory: string, plan: PublishBurstParameters): Promise<Job> {
  const { valueBytes, records, callers } = plan;
  const path = join(directory, 'store');
  const value = Buffer.alloc(valueBytes, VALUE_BYTE);
  return {
    async run() {
      const store = await openStore(path);
      const { exchange, queues, keys } = await makeExchange(store, plan);
      let left = records;
      let destinationCount = 0;
      const caller = async () => {
        while (left > 0) {
          const routingKey = nextKey(keys, --left);
          const { destinations } = await exchange.publish(value, { routingKey });
          destinationCount += destinations.length;
        }
      };
      const startMs = performance.now();
      await Promise.all(Array.from({ length: callers }, caller));
      const ms = performance.now() - startMs;
      await drained(queues, records);
      const drainedMs = performance.now() - startMs;
      assert(destinationCount === records * queues.length, 'every record goes to every queue');
      await store.close();
      rmSync(path, { recursive: true });
      const copiesPerSecond = destinationCount / (drainedMs / 1e3);
      return { bytes: records * valueBytes, records, ms, extra: { drainedMs, copiesPerSecond } };
    },
    close: () => Promise.resolve(),
  };
}
