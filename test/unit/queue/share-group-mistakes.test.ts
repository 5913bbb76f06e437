/** What consumers of a share group get wrong, and what happens around them. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function queueOf(count: number, options = {}) {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, ...options });
  if (count > 0)
    await queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: `${at}` })));
  return { bench, store, queue };
}

describe('a share group', () => {
  test('gives back nothing when it is closed before it could acquire', async () => {
    const { store, queue } = await queueOf(3);
    const other = await store.queue('q', { codec: utf8 });
    const acquired = queue.acquire({ max: 2 });
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    const stats = await other.stats();
    expect(stats).toMatchObject({ readyCount: 3, leasedCount: 0 });
    await store.close();
  });

  test('gives back what an acquire under way brings after it was closed', async () => {
    const { store, queue } = await queueOf(3);
    const other = await store.queue('q', { codec: utf8 });
    const [one] = await queue.acquire();
    await one?.ack();
    const acquired = queue.acquire({ max: 2 });
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    const stats = await other.stats();
    expect(stats).toMatchObject({ readyCount: 2, leasedCount: 0 });
    await store.close();
  });

  test('its last handle, closed while it acquires, leaves no lease that would count as a crash', async () => {
    const { store, queue } = await queueOf(3);
    const [one] = await queue.acquire();
    await one?.ack();
    const acquired = queue.acquire({ max: 2 });
    const closing = queue.close();
    await expect(acquired).rejects.toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    await closing;
    const again = await store.queue('q', { codec: utf8 });
    const got = await again.acquire({ max: 5 });
    expect(got.map(({ crashes, attempt }) => [crashes, attempt])).toEqual([
      [0, 1],
      [0, 1],
    ]);
    await store.close();
  });

  test('holds a delay to the wall clock, which may go back and forth', async () => {
    const { bench, store, queue } = await queueOf(1);
    const [one] = await queue.acquire();
    await one?.release({ delayMs: 10_000 });
    const t = bench.clock.now();
    bench.clock.jumpTo(t - 3_600_000);
    bench.clock.advance(5000);
    expect(await queue.acquire()).toEqual([]);
    bench.clock.jumpTo(t + 10_001);
    bench.clock.advance(1100);
    expect((await queue.acquire()).length).toBe(1);
    await store.close();
  });
});
