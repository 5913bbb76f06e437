/**
 * A process whose handler calls `process.abort()` on one record of its queue, and acknowledges all the
 * others. Started again after each abort, it ends by itself when everything is settled.
 *
 * Each hand-over goes to stdout before the handler looks at the record.
 *
 * `node dist/test/crash/poison-child.js DIRECTORY POISONED_OFFSET`
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { openStore, utf8 } from '../../src/index.ts';
import { poisonedQueue } from './poisoned-queue.ts';

const [directory = '', poisoned = ''] = process.argv.slice(2);
/** Other batches are handled meanwhile, so each crash catches neighbours. */
const HANDLER_MS = 1;
const LOOK_MS = 10;

const store = await openStore(directory, { create: false });
const queue = await poisonedQueue(store, utf8);
const worker = queue.work(
  async (deliveries) => {
    for (const { offset, attempt, failures, expiries, crashes, value } of deliveries) {
      const handed = { offset, attempt, failures, expiries, crashes };
      writeSync(1, `${JSON.stringify(handed)}\n`);
      if (value === poisoned) process.abort();
    }
    await pause(HANDLER_MS);
  },
  { batch: { max: 50, waitMs: 2 }, concurrency: 8 },
);
while ((await queue.stats()).unsettledCount > 0) await pause(LOOK_MS);
await worker.drain();
await store.close();
