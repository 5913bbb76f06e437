/** Batches by count or time. */
import { describe, expect, test } from 'vitest';

import { DiskFullError } from '../../../src/core/errors.ts';
import { work } from '../../../src/queue/worker.ts';
import type { BatchHandler } from '../../../src/queue/worker-options.ts';
import { FakeQueue, quiet, type FakeDelivery } from '../../support/fake-queue.ts';

const details = { path: 'p', operation: 'write', position: 0, errno: 'ENOSPC' };
const diskFull = new DiskFullError(details);

describe('batches', () => {
  const values = (batch: readonly FakeDelivery[]): string => batch.map(({ value }) => value).join();

  test('are handled when they are full', async () => {
    const queue = new FakeQueue();
    const batches: string[] = [];
    queue.sendMany(2);
    const handler: BatchHandler<FakeDelivery> = (batch) => void batches.push(values(batch));
    const worker = work(queue, handler, { batch: { max: 3, waitMs: 1000 } });
    await quiet();
    expect(batches).toEqual([]);
    expect(queue.acquires.map(({ max, waitMs }) => [max, waitMs])).toEqual([
      [3, expect.any(Number)],
      [1, 1000],
    ]);
    queue.send('c', 'd');
    await quiet();
    expect(batches).toEqual(['v0,v1,c']);
    expect(worker.stats()).toMatchObject({ handled: 3, handlerCalls: 1 });
    queue.clock.advance(1000);
    await quiet();
    expect(batches).toEqual(['v0,v1,c', 'd']);
    await worker.close();
  });

  test('are handled so long after their first record', async () => {
    const queue = new FakeQueue();
    const batches: string[] = [];
    const worker = work(queue, (batch) => void batches.push(values(batch)), {
      batch: { max: 100, waitMs: 50 },
    });
    queue.clock.advance(500);
    queue.send('a');
    await quiet();
    queue.clock.advance(30);
    queue.send('b');
    await quiet();
    queue.clock.advance(19);
    await quiet();
    expect(batches).toEqual([]);
    queue.clock.advance(1);
    await quiet();
    expect(batches).toEqual(['a,b']);
    await worker.close();
  });

  test('that wait for nothing take what there is', async () => {
    const queue = new FakeQueue();
    const batches: string[] = [];
    const worker = work(queue, (batch) => void batches.push(values(batch)), {
      batch: { max: 100, waitMs: 0 },
    });
    queue.send('a', 'b');
    await quiet();
    expect(batches).toEqual(['a,b']);
    await worker.close();
  });

  test('run as many at a time as there are handlers, and no more is leased', async () => {
    const queue = new FakeQueue();
    const batches: string[] = [];
    const ends: (() => void)[] = [];
    queue.sendMany(20);
    const worker = work(
      queue,
      (batch) => {
        batches.push(values(batch));
        return new Promise<void>((resolve) => ends.push(resolve));
      },
      { concurrency: 2, batch: { max: 4, waitMs: 1000 } },
    );
    await quiet();
    expect(batches).toEqual(['v0,v1,v2,v3', 'v4,v5,v6,v7']);
    expect(queue.leasedMax).toBe(8);
    expect(worker.stats().running).toBe(2);
    for (const end of ends.splice(0, 1)) end();
    await quiet();
    expect(batches).toHaveLength(3);
    expect(queue.leasedMax).toBe(8);
    await worker.close();
  });

  test('share one fate, but for what their handler settled itself', async () => {
    const queue = new FakeQueue();
    queue.sendMany(4);
    const told: (number | undefined)[] = [];
    const worker = work(
      queue,
      async ([first, second]) => {
        await first?.ack();
        await second?.reject('bad');
        throw new Error('the others');
      },
      {
        batch: { max: 4, waitMs: 10 },
        retry: () => 700,
        onError: (_error, delivery) => told.push(delivery?.offset),
      },
    );
    await quiet();
    expect(queue.states()).toEqual(['acked', 'rejected', 'delayed', 'delayed']);
    expect(queue.records.map(({ failures }) => failures)).toEqual([0, 0, 1, 1]);
    expect(worker.stats()).toMatchObject({ handled: 2, failed: 2, retried: 2 });
    expect(told).toEqual([2, 3]);
    await worker.close();
  });

  test('are acked with one call, but for what their handler settled itself', async () => {
    const queue = new FakeQueue();
    queue.sendMany(4);
    const worker = work(queue, ([first]) => first?.release({ delayMs: 5 }), {
      batch: { max: 4, waitMs: 10 },
    });
    await quiet();
    expect(queue.states()).toEqual(['delayed', 'acked', 'acked', 'acked']);
    expect(queue.calls.filter((call) => call.startsWith('ackAll'))).toEqual(['ackAll of 3']);
    expect(worker.stats().handled).toBe(4);
    await worker.close();
  });

  test('know the highest attempt of their records', async () => {
    const queue = new FakeQueue();
    const attempts: number[] = [];
    queue.send('a');
    const worker = work(
      queue,
      (batch, { attempt }) => {
        attempts.push(attempt);
        if (batch.length === 1) throw new Error('once');
      },
      { batch: { max: 2, waitMs: 0 }, retry: () => 10 },
    );
    await quiet();
    queue.clock.advance(9);
    worker.pause();
    await quiet();
    queue.clock.advance(1);
    queue.send('b');
    worker.resume();
    await quiet();
    expect(attempts).toEqual([1, 2]);
    await worker.close();
  });

  test.each(['drain', 'close', 'pause'] as const)(
    'that are not full are given back on %s: no handler had them',
    async (how) => {
      const queue = new FakeQueue();
      queue.sendMany(2);
      const worker = work(queue, () => undefined, { batch: { max: 3, waitMs: 60_000 } });
      await quiet();
      expect(queue.states()).toEqual(['leased', 'leased']);
      await worker[how]();
      await quiet();
      expect(queue.states()).toEqual(['ready', 'ready']);
      expect(queue.records.map(({ attempts }) => attempts)).toEqual([0, 0]);
      expect(worker.stats()).toMatchObject({ handled: 0, abandoned: 0, running: 0, settling: 0 });
      await worker.close();
    },
  );

  test("whose leases are lost before any handler had them are nobody's loss", async () => {
    const queue = new FakeQueue();
    const told: unknown[] = [];
    queue.sendMany(2);
    const worker = work(queue, () => undefined, {
      batch: { max: 3, waitMs: 60_000 },
      onError: (error) => told.push(error),
    });
    await quiet();
    queue.deliveries[0]?.expire();
    worker.pause();
    await quiet();
    expect(queue.records.map(({ attempts }) => attempts)).toEqual([1, 0]);
    expect(told).toEqual([]);
    expect(worker.stats()).toMatchObject({ lostLeases: 0, unsettled: 0 });
    await worker.close();
  });

  test('go on although an acquire fails while they gather', async () => {
    const queue = new FakeQueue();
    const batches: string[] = [];
    queue.send('a');
    const worker = work(queue, (batch) => void batches.push(values(batch)), {
      batch: { max: 3, waitMs: 40 },
    });
    await quiet();
    queue.refuse('acquire', diskFull, 100);
    queue.wake();
    await quiet();
    queue.clock.advance(40);
    await quiet();
    expect(batches).toEqual(['a']);
    expect(queue.states()).toEqual(['acked']);
    await worker.close();
  });
});
