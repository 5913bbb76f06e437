/** Queues with dead records. */
import { utf8 } from '../../src/codec/codec.ts';
import type { Queue, QueueOptions } from '../../src/queue/queue.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';
import { StoreBench } from './store-fixture.ts';

/** One failure is enough, and a copy goes to `dead`. */
export const DEAD = { failuresMax: 1, deadLetter: 'dead' } as const;

/** Values of what is not settled, in order. */
export async function textsOf(store: Store, name: string): Promise<readonly (string | null)[]> {
  const queue = await store.queue(name, { codec: utf8 });
  const texts: (string | null)[] = [];
  for await (const { record } of queue.browse()) texts.push(record.value);
  await queue.close();
  return texts;
}

/** Has everything that is ready fail. */
export async function failAll(queue: Queue<string>): Promise<void> {
  for (;;) {
    const deliveries = await queue.acquire({ max: 1000 });
    if (deliveries.length === 0) return;
    const error = new Error('broken');
    await Promise.all(deliveries.map((delivery) => delivery.release({ failed: true, error })));
  }
}

/** Records that died in `q`: in its dead-letter queue, or kept with `deadLetter: null`. */
export async function withDead(
  letters: string,
  options: QueueOptions<string> = DEAD,
  storeOptions: StoreOptions = {},
) {
  const bench = new StoreBench();
  const store = await bench.open(storeOptions);
  const queue = await store.queue('q', { codec: utf8, failuresMax: 1, ...options });
  await queue.sendBatch(letters.split('').map((value) => ({ value, key: `key ${value}` })));
  await failAll(queue);
  const dead = await store.queue('dead', { codec: utf8 });
  return { bench, store, queue, dead };
}

/** Dead records stay where they are. */
export const KEPT = { deadLetter: null } as const;
