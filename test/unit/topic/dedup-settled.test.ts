/** Ids that count until their records are settled: what is loaded of them, and what may come back. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreQueue } from '../../../src/store/store-queue.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const SEGMENTS = { segmentBytesMax: 4096, batchBytesMax: 1024 } as const;
const LIFE = ['live', 'reopened'] as const;

function queueOf(store: Store): Promise<StoreQueue<string>> {
  return store.queue('jobs', {
    codec: utf8,
    dedupWindowMs: 'settled',
    failuresMax: 1,
    deadLetter: null,
    ...SEGMENTS,
  });
}

function sendJob(queue: StoreQueue<string>, id: string) {
  return queue.send('x'.repeat(100), { dedupId: id });
}

/** Its handles, in another process if that is asked for. */
async function later(bench: StoreBench, store: Store, how: (typeof LIFE)[number]) {
  if (how === 'live') return { store, queue: await queueOf(store) };
  const reopened = await bench.reopen(store);
  return { store: reopened, queue: await queueOf(reopened) };
}

describe('ids of a queue', () => {
  test('that are settled are not loaded, from tables or from batches', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await queueOf(store);
    for (let id = 0; id < 100; id++) await sendJob(queue, `${id}`);
    const all = await queue.acquire({ max: 100 });
    expect(all).toHaveLength(100);
    for (const delivery of all) {
      if (delivery.offset < 30 || delivery.offset % 5 !== 0) await delivery.ack();
    }
    const again = await later(bench, store, 'reopened');
    expect(await sendJob(again.queue, '35')).toMatchObject({ duplicate: true, offset: 35 });
    expect(again.store.stats().dedup.idCount).toBe(14);
    expect(await sendJob(again.queue, '36')).toMatchObject({ duplicate: false, offset: 100 });
    await again.store.close();
  });

  test.each(LIFE)('that a purge was undone of count again, %s', async (how) => {
    const bench = new StoreBench();
    const first = await bench.open();
    const made = await queueOf(first);
    await sendJob(made, 'a');
    await sendJob(made, 'b');
    expect(await made.purge()).toBe(2);
    const { store, queue } = await later(bench, first, how);
    expect(await sendJob(queue, 'b')).toMatchObject({ duplicate: false, offset: 2 });
    expect(await queue.undoPurge()).toBe(2);
    expect(await sendJob(queue, 'a')).toMatchObject({ duplicate: true, offset: 0 });
    const back = await queue.acquire({ max: 3 });
    expect(back.map(({ offset }) => offset)).toEqual([0, 1, 2]);
    await back[2]?.ack();
    expect(await sendJob(queue, 'b')).toMatchObject({ duplicate: true, offset: 1 });
    await store.close();
  });

  test.each(LIFE)('that are dead count again when they are revived, %s', async (how) => {
    const bench = new StoreBench();
    const first = await bench.open();
    const made = await queueOf(first);
    await sendJob(made, 'a');
    const [failed] = await made.acquire();
    await failed?.release({ failed: true });
    const { store, queue } = await later(bench, first, how);
    expect(await sendJob(queue, 'a')).toMatchObject({ duplicate: false, offset: 1 });
    const [second] = await queue.acquire();
    await second?.ack();
    expect(await queue.redrive({ dryRun: false })).toMatchObject({ movedCount: 1 });
    expect(await sendJob(queue, 'a')).toMatchObject({ duplicate: true, offset: 0 });
    await store.close();
  });
});
