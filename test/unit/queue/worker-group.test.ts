/** Workers over the real thing: a queue of a store. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { LeaseLostError } from '../../../src/core/ownership-errors.ts';
import { Reject, RetryAfter } from '../../../src/queue/handler-errors.ts';
import { exponential, fixed, linear } from '../../../src/queue/retry-policy.ts';
import { aborted, quiet } from '../../support/fake-queue.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const values = (from: number, to: number): { value: string }[] =>
  Array.from({ length: to - from }, (_, at) => ({ value: `v${from + at}` }));

describe('a worker of a queue', () => {
  test('handles every record once, as many at a time as it was told, and acks them', async () => {
    const bench = new StoreBench();
    let store = await bench.open();
    let queue = await store.queue('q', { codec: utf8, partitions: 3 });
    await queue.sendBatch(values(0, 100));
    const handled: (string | null)[] = [];
    let running = 0;
    let runningMax = 0;
    const worker = queue.work(
      async ({ value }) => {
        runningMax = Math.max(runningMax, ++running);
        await Promise.resolve();
        handled.push(value);
        running--;
      },
      { concurrency: 7 },
    );
    await quiet(100);
    await queue.sendBatch(values(100, 150));
    await quiet(100);
    expect(await worker.drain()).toBe(0);
    expect(new Set(handled)).toEqual(new Set(values(0, 150).map(({ value }) => value)));
    expect(handled).toHaveLength(150);
    expect(runningMax).toBe(7);
    expect(worker.stats()).toMatchObject({ handled: 150, failed: 0, lostLeases: 0 });
    store = await bench.reopen(store);
    queue = await store.queue('q', { codec: utf8 });
    const figures = { readyCount: 0, leasedCount: 0, settled: { acked: 150 } };
    expect(await queue.stats()).toMatchObject(figures);
    await store.close();
  });

  test('has failures come back, and what is beyond help die', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, failuresMax: 3, deadLetter: 'dead' });
    await queue.sendBatch([
      { value: 'good' },
      { value: 'bad' },
      { value: 'late' },
      { value: 'never' },
    ]);
    const attempts: string[] = [];
    const worker = queue.work(
      ({ value, attempt }) => {
        attempts.push(`${value} ${attempt}`);
        if (value === 'bad') throw new Error(`attempt ${attempt}`);
        if (value === 'late' && attempt === 1) throw new RetryAfter(500);
        if (value === 'never') throw new Reject('no such customer');
      },
      { concurrency: 4, retry: () => 1000 },
    );
    for (let half = 0; half < 10; half++) {
      await quiet(20);
      bench.clock.advance(500);
    }
    await worker.drain();
    expect(attempts.sort()).toEqual(
      ['bad 1', 'bad 2', 'bad 3', 'good 1', 'late 1', 'late 2', 'never 1'].sort(),
    );
    const dead = await store.queue('dead', { codec: utf8 });
    const letters = await dead.acquire({ max: 10 });
    expect(new Set(letters.map(({ value }) => value))).toEqual(new Set(['bad', 'never']));
    expect(letters).toHaveLength(2);
    expect(await queue.stats()).toMatchObject({ readyCount: 0, leasedCount: 0 });
    await store.close();
  });

  test.each([
    ['fixed', fixed(200), [200, 200, 200]],
    ['linear', linear({ stepMs: 200, maxMs: 500 }), [200, 400, 500]],
    ['exponential', exponential({ initialMs: 100, jitter: 'none' }), [100, 200, 400]],
  ])('tries failures again when the policy says: %s', async (_name, retry, delays) => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, failuresMax: 4 });
    await queue.send('bad');
    const calledMs: number[] = [];
    const handler = (): never => {
      calledMs.push(bench.clock.now());
      throw new Error('no');
    };
    const worker = queue.work(handler, { retry });
    for (let step = 0; step < 150; step++) {
      await quiet(4);
      bench.clock.advance(10);
    }
    await worker.drain();
    expect(calledMs).toHaveLength(4);
    for (const [at, delayMs] of delays.entries()) {
      const waitedMs = (calledMs[at + 1] ?? 0) - (calledMs[at] ?? 0);
      expect(waitedMs, `delay ${at}`).toBeGreaterThanOrEqual(delayMs);
      expect(waitedMs, `delay ${at}`).toBeLessThan(delayMs + 60);
    }
    expect(await queue.stats()).toMatchObject({ deadCount: 1, settled: { failures: 1 } });
    await store.close();
  });

  test('gets batches by count or time', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8 });
    await queue.sendBatch(values(0, 25));
    const sizes: number[] = [];
    const worker = queue.work((batch) => void sizes.push(batch.length), {
      batch: { max: 10, waitMs: 100 },
    });
    await quiet(60);
    expect(sizes).toEqual([10, 10]);
    bench.clock.advance(100);
    await quiet(20);
    expect(sizes).toEqual([10, 10, 5]);
    await worker.drain();
    expect(await queue.stats()).toMatchObject({ settled: { acked: 25 } });
    await store.close();
  });

  test('keeps leases while it handles, as long as it was not told otherwise', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 2000 });
    await queue.send('slow');
    let end: () => void = () => undefined;
    const worker = queue.work(() => new Promise<void>((resolve) => (end = resolve)));
    await quiet(20);
    for (let step = 0; step < 100; step++) {
      bench.clock.advance(100);
      await quiet(2);
    }
    end();
    await worker.drain();
    expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 0 });
    expect(await queue.stats()).toMatchObject({ settled: { acked: 1 } });
    await store.close();
  });

  test('awaits past its lease with renewal off: told, of no effect, once more', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 2000 });
    await queue.send('slow');
    const seen: unknown[] = [];
    const worker = queue.work(
      async ({ attempt, expiries, failures }, { signal }) => {
        seen.push([attempt, expiries, failures]);
        if (attempt === 1) seen.push(await aborted(signal));
      },
      { renew: 'off', concurrency: 2 },
    );
    await quiet(20);
    for (let step = 0; step < 30; step++) {
      bench.clock.advance(100);
      await quiet(4);
    }
    await worker.drain();
    expect(seen).toHaveLength(3);
    expect(seen).toContainEqual([1, 0, 0]);
    expect(seen).toContainEqual([2, 1, 0]);
    expect(seen).toContainEqual(expect.any(LeaseLostError));
    expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 1, failed: 0 });
    await store.close();
  });

  test('a batch of which one lease is lost acks the others', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 2000 });
    await queue.sendBatch(values(0, 3));
    let end: () => void = () => undefined;
    const worker = queue.work(
      async (batch) => {
        if (batch.length < 3) return;
        batch[0]?.renew(60_000);
        batch[2]?.renew(60_000);
        await new Promise<void>((resolve) => (end = resolve));
      },
      { renew: 'off', batch: { max: 3, waitMs: 0 } },
    );
    await quiet(20);
    bench.clock.advance(2500);
    await quiet(20);
    end();
    await quiet(20);
    await worker.drain();
    expect(worker.stats()).toMatchObject({ handled: 3, lostLeases: 1 });
    expect(await queue.stats()).toMatchObject({ settled: { acked: 3 } });
    await store.close();
  });

  test('ends with its handle also when no handler is free and none ends', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8 });
    await queue.sendBatch(values(0, 2));
    const worker = queue.work(() => new Promise(() => undefined));
    await quiet(20);
    expect(worker.stats().running).toBe(1);
    await queue.close();
    await worker.done;
    expect(worker.stats()).toMatchObject({ running: 0, abandoned: 1, lostLeases: 0 });
    await store.close();
  });

  test.each(['queue', 'store'] as const)(
    'ends with its %s: what runs is given back, what has ended is acked',
    async (what) => {
      const bench = new StoreBench();
      let store = await bench.open();
      let queue = await store.queue('q', { codec: utf8 });
      await queue.sendBatch(values(0, 3));
      const reasons: unknown[] = [];
      const worker = queue.work(
        async ({ value }, { signal }) => {
          if (value === 'v1') reasons.push(await aborted(signal));
        },
        { concurrency: 2 },
      );
      await quiet(20);
      await (what === 'queue' ? queue : store).close();
      await worker.done;
      await quiet();
      expect(reasons).toEqual([expect.objectContaining({ code: 'ERR_VARVE_CLOSED' })]);
      expect(() => queue.work(() => undefined)).toThrow('closed');
      if (what === 'queue') await store.close();
      store = await bench.open();
      queue = await store.queue('q', { codec: utf8 });
      const again = await queue.acquire({ max: 10 });
      expect(
        again.map(({ value, attempt, failures, crashes }) => [value, attempt, failures, crashes]),
      ).toEqual([['v1', 2, 0, 0]]);
      await store.close();
    },
  );
});

test('a worker keeps its leases over a stall, whenever that begins', async () => {
  for (let beganMs = 380; beganMs <= 580; beganMs += 10) {
    const bench = new StoreBench();
    const store = await bench.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    await queue.send('a');
    let end = (): void => undefined;
    const worker = queue.work(() => new Promise<void>((resolve) => (end = resolve)));
    await quiet(100);
    bench.clock.advance(beganMs);
    bench.clock.stall(3000);
    bench.clock.advance(5000);
    end();
    await worker.drain();
    expect([beganMs, worker.stats()]).toMatchObject([beganMs, { handled: 1, lostLeases: 0 }]);
    await store.close();
  }
});
