/** Segments of settled records go while somebody wants their records again. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Queue } from '../../../src/queue/queue.ts';
import type { Store } from '../../../src/store/store.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LOOK_MS = 30_000;
const VALUE = 'x'.repeat(1000);

interface Purged {
  readonly bench: StoreBench;
  readonly store: Store;
  readonly queue: Queue<string>;
  readonly syncs: HeldSyncs;
}

/**
 * A queue of several segments, all of it purged, and a record behind that somebody has leased. Who deletes
 * the segments waits for the journal, or for the queue's own log.
 */
async function withPurged(held: 'journal' | 'topics'): Promise<Purged> {
  const bench = new StoreBench();
  const syncs = new HeldSyncs(bench.fileSystem, `/${held}/`);
  const store = await bench.open();
  const queue = await store.queue('q', {
    codec: utf8,
    durability: 'os',
    segmentBytesMax: 4096,
    leaseMs: 600_000,
  });
  if (held === 'topics') syncs.hold();
  await queue.sendBatch(Array.from({ length: 20 }, () => ({ value: VALUE })));
  expect(await queue.purge()).toBe(20);
  await queue.send('last');
  expect(await queue.acquire()).toHaveLength(1);
  if (held === 'journal') syncs.hold();
  bench.clock.advance(LOOK_MS);
  await turns(20);
  expect(syncs.waiting).not.toEqual([]);
  return { bench, store, queue, syncs };
}

async function valuesOf(queue: Queue<string>): Promise<number> {
  const deliveries = await queue.acquire({ max: 100 });
  await queue.ackAll(deliveries);
  return deliveries.length;
}

describe('a purge that is undone', () => {
  test('before they go brings back all of it', async () => {
    const { queue, store, syncs } = await withPurged('journal');
    const undoing = queue.undoPurge();
    await turns(20);
    syncs.release();
    expect(await undoing).toBe(20);
    await turns(50);
    expect(await queue.topic.read({ partition: 0, offset: 0 })).not.toBeNull();
    expect(await valuesOf(queue)).toBe(20);
    await store.close();
  });

  test('while they go brings back what stays', async () => {
    const { queue, store, syncs } = await withPurged('topics');
    const undoing = queue.undoPurge();
    await turns(20);
    syncs.release();
    const count = await undoing;
    expect(count).toBeLessThan(20);
    await turns(50);
    expect(await queue.stats()).toMatchObject({ readyCount: count, settled: { trimmed: 0 } });
    expect(await valuesOf(queue)).toBe(count);
    await store.close();
  });
});

describe('a group', () => {
  test('that begins before they go gets all of it', async () => {
    const { store, syncs } = await withPurged('journal');
    const opening = (await store.topic('q')).shareGroup('late');
    await turns(20);
    syncs.release();
    const late = await opening;
    await turns(50);
    expect(await late.acquire({ max: 100 })).toHaveLength(21);
    await store.close();
  });

  test('that is to keep them, before they go, keeps all of it', async () => {
    const { queue, store, syncs } = await withPurged('journal');
    const topic = await store.topic('q');
    const altering = topic.alterShareGroup(queue.name, { retention: 'keep' });
    await turns(20);
    syncs.release();
    await altering;
    await turns(50);
    expect(await topic.read({ partition: 0, offset: 0 })).not.toBeNull();
    await store.close();
  });

  test('that was not there when its topic grew gets what is in the new partition', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    const config = { codec: utf8, segmentBytesMax: 4096 };
    await (await store.topic('q', config)).shareGroup('second');
    store = await bench.reopen(store);
    await store.addPartitions('q', 2);
    const queue = await store.queue('q', { codec: utf8, retention: 'settled' });
    for (let count = 0; count < 20; count++) await queue.send(VALUE, { partition: 1 });
    expect(await valuesOf(queue)).toBe(20);
    bench.clock.advance(LOOK_MS);
    await turns(50);
    const topic = await store.topic('q', config);
    const second = await topic.shareGroup('second');
    expect(await second.acquire({ max: 100 })).toHaveLength(20);
    await store.close();
  });
});
