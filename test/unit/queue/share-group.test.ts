/** Leasing records one by one: acquire, settle, expire, come back. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';

describe('a queue', () => {
  test('hands out what was sent, and never again once it is acknowledged', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    let queue = await store.queue('q', { codec: utf8 });
    await queue.send('a');
    await queue.sendBatch([{ value: 'b' }, { value: 'c' }]);
    const [first, ...others] = await queue.acquire({ max: 10 });
    expect([first?.value, ...others.map(({ value }) => value)]).toEqual(['a', 'b', 'c']);
    expect(first?.attempt).toBe(1);
    await first?.ack();
    await queue.ackAll(others);
    expect(await queue.acquire({ max: 10 })).toEqual([]);
    expect(await queue.stats()).toMatchObject({ readyCount: 0, leasedCount: 0 });
    store = await bench.reopen(store);
    queue = await store.queue('q', { codec: utf8 });
    expect(await queue.acquire({ max: 10 })).toEqual([]);
    expect(await queue.stats()).toMatchObject({ readyCount: 0, settled: { acked: 3 } });
    await store.close();
  });

  test('a consumer never has more than its prefetch, however often it asks at once', async () => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', { codec: utf8, prefetch: 3 });
    await queue.sendBatch(['a', 'b', 'c', 'd', 'e', 'f'].map((value) => ({ value })));
    const answers = await Promise.all([1, 3, 2].map((max) => queue.acquire({ max })));
    expect(answers.map(({ length }) => length)).toEqual([1, 2, 0]);
    await queue.ackAll(answers.flat());
    expect(await queue.acquire({ max: 6 })).toHaveLength(3);
    await store.close();
  });

  test('a lease that runs out comes back, and its ack changes nothing', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    await queue.send('a');
    const [late] = await queue.acquire();
    bench.clock.advance(1100);
    const [again] = await queue.acquire({ waitMs: 1 });
    expect(again).toMatchObject({ attempt: 2, expiries: 1, failures: 0 });
    await expect(late?.ack()).rejects.toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
    await again?.ack();
    await store.close();
  });

  test('failures come back until the limit, then are dead in the dead-letter queue', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, failuresMax: 2, deadLetter: 'dead' });
    await queue.send('a');
    for (const failures of [0, 1]) {
      const [delivery] = await queue.acquire();
      expect(delivery).toMatchObject({ failures, attempt: failures + 1 });
      await delivery?.release({ failed: true, error: new Error(`no ${failures}`) });
    }
    expect(await queue.acquire()).toEqual([]);
    const dead = await store.queue('dead', { codec: utf8 });
    const [letter] = await dead.acquire();
    expect(letter?.value).toBe('a');
    const headers = [...(letter?.headers ?? [])].map(([name, value]) => [
      name,
      String(Buffer.from(value)),
    ]);
    expect(Object.fromEntries(headers)).toMatchObject({
      'varve-death-reason': 'failures',
      'varve-death-topic': 'q',
      'varve-death-offset': '0',
      'varve-death-failures': '2',
      'varve-death-first-error': 'Error: no 0',
      'varve-death-last-error': 'Error: no 1',
    });
    await store.close();
  });

  test('a lease does not know the wall clock, whatever is done to it', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    await queue.send('a');
    const [delivery] = await queue.acquire();
    bench.clock.jumpTo(bench.clock.now() + 86_400_000);
    bench.clock.advance(500);
    expect(delivery?.leaseLeftMs).toBe(500);
    bench.clock.jumpTo(0);
    bench.clock.advance(400);
    expect(delivery?.leaseLeftMs).toBe(100);
    await delivery?.ack();
    await store.close();
  });

  test('a stall of the event loop moves the end of a lease, once, and is told', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const stalls: number[] = [];
    store.on('loop-stalled', ({ stallMs }) => stalls.push(stallMs));
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    await queue.send('a');
    const [delivery] = await queue.acquire();
    bench.clock.stall(5000);
    expect(delivery?.leaseLeftMs).toBeGreaterThan(900);
    bench.clock.advance(900);
    await delivery?.ack();
    expect(stalls).toHaveLength(1);
    expect(await queue.stats()).toMatchObject({ readyCount: 0, settled: { acked: 1 } });
    await store.close();
  });
});
