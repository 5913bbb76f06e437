/** Records one by one: `deliveries()`. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { Queue, QueueOptions } from '../../../src/queue/queue.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LEASE_MS = 1000;

async function queueOf(count: number, options: QueueOptions<string> = {}) {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, leaseMs: LEASE_MS, ...options });
  if (count > 0) {
    await queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: `${at}` })));
  }
  return { bench, store, queue };
}

/** What another consumer gets now: value, attempt and expiries of each. */
async function leftIn(queue: Queue<string>): Promise<readonly unknown[]> {
  const deliveries = await queue.acquire({ max: 100 });
  return deliveries.map(({ value, attempt, expiries }) => [value, attempt, expiries]);
}

async function next(given: AsyncGenerator<Delivery<string>, void, void>) {
  const { value, done } = await given.next();
  if (done === true) throw new Error('it has ended');
  return value;
}

describe('deliveries', () => {
  test('come in order, also those that are sent later, until the handle is closed', async () => {
    const { store, queue } = await queueOf(2);
    const seen: (string | null)[] = [];
    const reading = (async () => {
      for await (const delivery of queue.deliveries()) {
        seen.push(delivery.value);
        await delivery.ack();
      }
    })();
    await turns(50);
    expect(seen).toEqual(['0', '1']);
    await queue.sendBatch([{ value: '2' }, { value: '3' }]);
    await turns(50);
    expect(seen).toEqual(['0', '1', '2', '3']);
    await queue.close();
    await reading;
    const again = await store.queue('q', { codec: utf8 });
    expect(await again.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 4 } });
    await store.close();
  });

  test('leave one at a time leased, unless a prefetch says more', async () => {
    for (const prefetch of [undefined, 3]) {
      const { store, queue } = await queueOf(5, { prefetch });
      const given = queue.deliveries();
      await next(given);
      expect(await queue.stats()).toMatchObject({ leasedCount: prefetch ?? 1 });
      await given.return();
      await store.close();
    }
  });

  test('that were read ahead and not handed out were never acquired, when the loop is left', async () => {
    const { store, queue } = await queueOf(4, { prefetch: 3 });
    for await (const { value } of queue.deliveries()) {
      expect(value).toBe('0');
      break; // Without settling it: it stays leased.
    }
    const other = await store.queue('q', { codec: utf8 });
    expect(await leftIn(other)).toEqual([
      ['1', 1, 0],
      ['2', 1, 0],
      ['3', 1, 0],
    ]);
    expect(await queue.stats()).toMatchObject({ leasedCount: 4 });
    await store.close();
  });

  test('have a lease that begins when they are handed out', async () => {
    const { bench, store, queue } = await queueOf(2, { prefetch: 2 });
    const given = queue.deliveries();
    const first = await next(given);
    bench.clock.advance(LEASE_MS - 100);
    await first.ack();
    const second = await next(given);
    expect([second.value, second.attempt, second.leaseLeftMs]).toEqual(['1', 1, LEASE_MS]);
    await given.return();
    await store.close();
  });

  test('whose lease ran out before their turn came count neither attempt nor expiry', async () => {
    const { bench, store, queue } = await queueOf(3, { prefetch: 3 });
    const given = queue.deliveries();
    const late = await next(given);
    bench.clock.advance(LEASE_MS + 100);
    expect(late.signal.aborted).toBe(true);
    const seen: unknown[] = [];
    for (let count = 0; count < 3; count++) {
      const { value, attempt, expiries } = await next(given);
      seen.push([value, attempt, expiries]);
    }
    expect(seen).toEqual([
      ['0', 2, 1],
      ['1', 1, 0],
      ['2', 1, 0],
    ]);
    await given.return();
    await store.close();
  });

  test('end with the reason of the signal, while they wait and between two', async () => {
    const reason = new Error('enough');
    for (const isWaiting of [true, false]) {
      const { store, queue } = await queueOf(isWaiting ? 0 : 3, { prefetch: 3 });
      const ending = new AbortController();
      const given = queue.deliveries({ signal: ending.signal });
      if (!isWaiting) await (await next(given)).ack();
      const following = given.next();
      if (!isWaiting) await following;
      ending.abort(reason);
      await expect(isWaiting ? following : given.next()).rejects.toBe(reason);
      const other = await store.queue('q', { codec: utf8 });
      // The second is with who got it.
      expect(await leftIn(other)).toEqual(isWaiting ? [] : [['2', 1, 0]]);
      await store.close();
    }
  });

  test('are refused options that they do not know, and by a handle that is closed', async () => {
    const { store, queue } = await queueOf(1);
    await expect(queue.deliveries({ leaseMs: 1 }).next()).rejects.toThrow(RangeError);
    const unknown: object = { max: 3 };
    await expect(queue.deliveries(unknown).next()).rejects.toThrow(TypeError);
    await queue.close();
    expect(await queue.deliveries().next()).toEqual({ value: undefined, done: true });
    await store.close();
  });
});
