/** What is decided about a share group as a whole: where it begins, its settings, pause, purge, cancel. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { ShareGroup } from '../../../src/queue/share-group.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function valuesOf(group: ShareGroup<string>): Promise<(string | null)[]> {
  const deliveries = await group.acquire({ max: 100 });
  await group.ackAll(deliveries);
  return deliveries.map(({ value }) => value);
}

describe('a new share group', () => {
  test('begins where it is told, once', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8 });
    const startMs = bench.clock.now();
    for (const value of ['a', 'b', 'c']) {
      await topic.append({ value });
      bench.clock.advance(1000);
    }
    const groups = {
      first: await topic.shareGroup('first'),
      latest: await topic.shareGroup('latest', { from: 'latest' }),
      offset: await topic.shareGroup('offset', { from: { offset: 2 } }),
      time: await topic.shareGroup('time', { from: { timestamp: startMs + 1000 } }),
      age: await topic.shareGroup('age', { from: { ageMs: 1500 } }),
    };
    await topic.append({ value: 'd' });
    expect(await valuesOf(groups.first)).toEqual(['a', 'b', 'c', 'd']);
    expect(await valuesOf(groups.latest)).toEqual(['d']);
    expect(await valuesOf(groups.offset)).toEqual(['c', 'd']);
    expect(await valuesOf(groups.time)).toEqual(['b', 'c', 'd']);
    expect(await valuesOf(groups.age)).toEqual(['c', 'd']);
    const again = await topic.shareGroup('latest', { from: 'earliest' });
    expect(await valuesOf(again)).toEqual([]);
    await store.close();
  });

  test('of more partitions takes those that come later from their begin', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const topic = await store.topic('t', { codec: utf8 });
    await topic.append({ value: 'old' });
    const group = await topic.shareGroup('g', { from: 'latest' });
    expect(await valuesOf(group)).toEqual([]);
    await store.addPartitions('t', 2);
    await topic.append({ value: 'new' }, { partition: 1 });
    const [delivery] = await group.acquire({ waitMs: Number.POSITIVE_INFINITY });
    expect(delivery).toMatchObject({ value: 'new', partition: 1 });
    await store.close();
  });

  test('keeps its settings, and refuses others by name', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.queue('q', { leaseMs: 5000 });
    const next = await bench.reopen(store);
    await expect(next.queue('q', { leaseMs: 6000 })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'leaseMs 5000', requested: 'leaseMs 6000' },
    });
    const queue = await next.queue('q');
    expect(queue.settings).toMatchObject({ leaseMs: 5000, failuresMax: 5, retention: 'settled' });
    await expect(next.queue('other', { create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    await expect(next.queue('own', { deadLetter: 'own' })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
    await next.close();
  });
});

describe('a queue as a whole', () => {
  test('paused hands nothing out, also in the next process, until it is resumed', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8 });
    await queue.send('a');
    await queue.pause();
    expect(await valuesOf(queue)).toEqual([]);
    const next = await (await bench.reopen(store)).queue('q', { codec: utf8 });
    expect(await next.stats()).toMatchObject({ isPaused: true, readyCount: 1 });
    expect(await valuesOf(next)).toEqual([]);
    const waiting = next.acquire({ waitMs: Number.POSITIVE_INFINITY });
    await next.resume();
    expect(await waiting).toMatchObject([{ value: 'a' }]);
  });

  test('purged has nothing ready, and what is leased goes on; undone it has all again', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8 });
    await queue.sendBatch(['a', 'b', 'c', 'd'].map((value) => ({ value })));
    const [leased, back] = await queue.acquire({ max: 2 });
    await back?.release();
    expect(await queue.purge()).toBe(3);
    expect(await queue.stats()).toMatchObject({ readyCount: 0, leasedCount: 1 });
    expect(await valuesOf(queue)).toEqual([]);
    await queue.send('e');
    expect(await queue.undoPurge()).toBe(3);
    await leased?.ack();
    expect(await valuesOf(queue)).toEqual(['b', 'c', 'd', 'e']);
    expect(await queue.undoPurge()).toBe(0);
    expect(await queue.stats()).toMatchObject({
      unsettledCount: 0,
      settled: { acked: 5, purged: 0 },
    });
    await store.close();
  });

  test('purged and undone is so also behind power cuts, with all that was known', async () => {
    const disk = await StoreDisk.make();
    const reopen = async () => {
      disk.cutPower();
      const opened = await disk.open();
      return { store: opened, queue: await opened.queue('q', { codec: utf8 }) };
    };
    const first = await (await disk.open()).queue('q', { codec: utf8 });
    await first.sendBatch(['a', 'b', 'c', 'd'].map((value) => ({ value })));
    const [failed, delayed] = await first.acquire({ max: 2 });
    await failed?.release({ failed: true, error: 'no' });
    await delayed?.release({ delayMs: 100_000 });
    expect(await first.purge()).toBe(4);
    let { store, queue } = await reopen();
    const purged = { unsettledCount: 0, settled: { purged: 4 } };
    expect(await queue.stats()).toMatchObject(purged);
    await store.snapshot();
    ({ queue } = await reopen());
    expect(await queue.stats()).toMatchObject(purged);
    expect(await queue.undoPurge()).toBe(4);
    ({ store, queue } = await reopen());
    expect(await queue.stats()).toMatchObject({
      readyCount: 3,
      delayedCount: 1,
      settled: { purged: 0 },
    });
    const again = await queue.acquire({ max: 9 });
    expect(again.map(({ value, attempt, failures }) => [value, attempt, failures])).toEqual([
      ['a', 2, 1],
      ['c', 1, 0],
      ['d', 1, 0],
    ]);
    await store.close();
  });

  test('paused answers who waits with nothing, and leaves what is leased alone', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    await queue.sendBatch([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
    const [one, two] = await queue.acquire({ max: 2 });
    await queue.pause();
    const waiting = queue.acquire({ waitMs: 500 });
    const ending = new AbortController();
    const aborted = queue.acquire({ waitMs: Number.POSITIVE_INFINITY, signal: ending.signal });
    const reason = new Error('enough');
    ending.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    bench.clock.advance(500);
    expect(await waiting).toEqual([]);
    one?.renew();
    expect(one?.leaseLeftMs).toBe(1000);
    await one?.ack();
    bench.clock.advance(600); // The other lease runs out.
    expect(two?.signal.aborted).toBe(true);
    await turns(20);
    expect(await queue.acquire({ max: 3 })).toEqual([]);
    expect(await queue.stats()).toMatchObject({ readyCount: 2, leasedCount: 0 });
    await queue.resume();
    expect(await queue.acquire({ max: 3 })).toMatchObject([{ expiries: 1 }, { attempt: 1 }]);
    await store.close();
  });

  test('lets a record be cancelled that nobody has, once', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8 });
    const { placements } = await queue.sendBatch(['a', 'b', 'c'].map((value) => ({ value })));
    expect(placements[0]?.baseOffset).toBe(0);
    const [leased] = await queue.acquire();
    expect(await queue.cancel({ offset: 0 })).toBe(false);
    expect(await queue.cancel({ offset: 1 })).toBe(true);
    expect(await queue.cancel({ offset: 1 })).toBe(false);
    expect(await queue.cancel({ offset: 3 })).toBe(false);
    await leased?.ack();
    expect(await valuesOf(queue)).toEqual(['c']);
    expect(await queue.stats()).toMatchObject({ settled: { acked: 2, cancelled: 1 } });
    await store.close();
  });

  test('lets go of segments whose records are settled, and of no other', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const options = { codec: utf8, segmentBytesMax: 4096, leaseMs: 600_000 };
    const queue = await store.queue('q', options);
    for (let count = 0; count < 20; count++) await queue.send('x'.repeat(1000));
    const deliveries = await queue.acquire({ max: 20 });
    const deleted = new Promise<{ startOffset: number; reasons: readonly string[] }>((resolve) => {
      store.on('segments-deleted', resolve);
    });
    await queue.ackAll(deliveries.filter(({ offset }) => offset !== 10));
    bench.clock.advance(30_000);
    const { startOffset, reasons } = await deleted;
    expect(startOffset).toBeGreaterThan(5);
    expect(startOffset).toBeLessThanOrEqual(10);
    expect(new Set(reasons)).toEqual(new Set(['settled']));
    expect(await queue.topic.read({ partition: 0, offset: 10 })).not.toBeNull();
    await deliveries[10]?.ack();
    await store.close();
  });
});
