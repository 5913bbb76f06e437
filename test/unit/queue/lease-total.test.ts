/** No lease lasts longer than 12 hours in all, however often it is renewed. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { LeaseLostError } from '../../../src/core/ownership-errors.ts';
import { aborted, quiet } from '../../support/fake-queue.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const HOUR_MS = 3_600_000;

async function queueOfOne(leaseMs: number) {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, leaseMs });
  await queue.send('long');
  return { bench, store, queue };
}

describe('a lease lasts 12 hours at most', () => {
  test('whatever it is renewed for', async () => {
    const { bench, store, queue } = await queueOfOne(2 * HOUR_MS);
    const [delivery] = await queue.acquire();
    const held = present(delivery, 'it was sent');
    for (let hour = 1; hour <= 11; hour++) {
      bench.clock.advance(HOUR_MS);
      held.renew();
      expect(held.leaseLeftMs).toBe(Math.min(2, 12 - hour) * HOUR_MS);
    }
    held.renew(12 * HOUR_MS);
    expect(held.leaseLeftMs).toBe(HOUR_MS);
    bench.clock.advance(HOUR_MS - 1000);
    held.renew(12 * HOUR_MS);
    expect([held.leaseLeftMs, held.signal.aborted]).toEqual([1000, false]);
    bench.clock.advance(1100);
    expect(held.signal.reason).toMatchObject({ details: { reason: 'expired' } });
    expect(() => held.renew()).toThrow(LeaseLostError);
    const [again] = await queue.acquire({ waitMs: 1 });
    expect(again).toMatchObject({ attempt: 2, expiries: 1, failures: 0 });
    // Those of the next lease begin anew.
    again?.renew(12 * HOUR_MS);
    expect(again?.leaseLeftMs).toBe(12 * HOUR_MS);
    await store.close();
  });

  test('also of a worker that renews it by itself', async () => {
    const { bench, store, queue } = await queueOfOne(HOUR_MS);
    const reasons: unknown[] = [];
    const worker = queue.work(
      async ({ attempt }, { signal }) => {
        if (attempt === 1) reasons.push(await aborted(signal));
      },
      { concurrency: 2 },
    );
    await quiet(20);
    for (let quarter = 1; quarter < 48; quarter++) {
      bench.clock.advance(HOUR_MS / 4);
      await quiet(2);
    }
    expect(reasons).toEqual([]);
    expect(worker.stats()).toMatchObject({ running: 1, lostLeases: 0 });
    bench.clock.advance(HOUR_MS / 4 + 100);
    await quiet(50);
    expect(reasons).toEqual([expect.any(LeaseLostError)]);
    await worker.drain();
    expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 1, failed: 0 });
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });
});
