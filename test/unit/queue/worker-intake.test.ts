/** What a worker takes of its queue, and when. */
import { describe, expect, test } from 'vitest';

import { DiskFullError, FailedError } from '../../../src/core/errors.ts';
import { work } from '../../../src/queue/worker.ts';
import { FakeQueue, quiet, type FakeDelivery } from '../../support/fake-queue.ts';

const details = { path: 'p', operation: 'write', position: 0, errno: 'ENOSPC' };
const diskFull = new DiskFullError(details);

/** Handlers that end when told. */
class Handlers {
  readonly #ends: (() => void)[] = [];
  readonly started: string[] = [];
  runningMax = 0;
  #running = 0;

  readonly handle = async (delivery: FakeDelivery): Promise<void> => {
    this.started.push(delivery.value);
    this.#running++;
    this.runningMax = Math.max(this.runningMax, this.#running);
    await new Promise<void>((resolve) => this.#ends.push(resolve));
    this.#running--;
  };

  async end(count = 1): Promise<void> {
    for (const end of this.#ends.splice(0, count)) end();
    await quiet();
  }
}

describe('a worker', () => {
  test('leases no more than it has free handlers, in one acquire at a time', async () => {
    const queue = new FakeQueue();
    const handlers = new Handlers();
    queue.sendMany(20);
    const worker = work(queue, handlers.handle, { concurrency: 3 });
    await quiet();
    expect(handlers.started).toHaveLength(3);
    expect(queue.acquires.map(({ max }) => max)).toEqual([3]);
    expect(worker.stats()).toMatchObject({ running: 3, settling: 0 });
    await handlers.end(2);
    expect(handlers.started).toHaveLength(5);
    for (let round = 0; round < 10; round++) await handlers.end(2);
    expect(queue.states().every((state) => state === 'acked')).toBe(true);
    expect(handlers.runningMax).toBe(3);
    expect(queue.leasedMax).toBe(3);
    expect(queue.acquiringMax).toBe(1);
    await worker.close();
  });

  test('handles one record at a time unless told otherwise', async () => {
    const queue = new FakeQueue();
    const handlers = new Handlers();
    queue.sendMany(3);
    const worker = work(queue, handlers.handle);
    await quiet();
    expect(handlers.started).toEqual(['v0']);
    await handlers.end();
    expect(handlers.started).toEqual(['v0', 'v1']);
    await handlers.end(1);
    await handlers.end(1);
    await worker.drain();
  });

  test('waits long for the first record, and passes its lease on', async () => {
    const queue = new FakeQueue();
    const worker = work(queue, () => undefined, { leaseMs: 5000, keepsAlive: false });
    await quiet();
    expect(queue.acquires).toHaveLength(1);
    expect(queue.acquires[0]).toMatchObject({ max: 1, leaseMs: 5000, keepsAlive: false });
    expect(queue.acquires[0]?.waitMs).toBeGreaterThanOrEqual(10_000);
    queue.clock.advance(queue.acquires[0]?.waitMs ?? 0);
    await quiet();
    expect(queue.acquires).toHaveLength(2);
    queue.send('a');
    await quiet();
    expect(queue.states()).toEqual(['acked']);
    await worker.close();
  });

  test.each([
    ['up to as many again', 20, 40],
    ['of few handlers up to sixteen', 3, 16],
  ])('goes on while acks are on their way, %s', async (_name, concurrency, settling) => {
    const queue = new FakeQueue();
    let open: () => void = () => undefined;
    queue.gate = new Promise((resolve) => (open = resolve));
    const handled: number[] = [];
    queue.sendMany(50);
    const worker = work(queue, ({ offset }) => void handled.push(offset), { concurrency });
    await quiet();
    expect(handled).toEqual(Array.from({ length: settling }, (_, offset) => offset));
    expect(worker.stats()).toMatchObject({ running: 0, settling, handled: 0 });
    open();
    await quiet();
    expect(handled).toHaveLength(50);
    expect(queue.states().every((state) => state === 'acked')).toBe(true);
    await worker.close();
  });

  test('frees a handler when it returns, not when its ack is durable', async () => {
    const queue = new FakeQueue();
    const handlers = new Handlers();
    queue.gate = new Promise(() => undefined);
    queue.sendMany(20);
    const worker = work(queue, handlers.handle);
    await quiet();
    expect(handlers.started).toEqual(['v0']);
    await handlers.end();
    expect(handlers.started).toEqual(['v0', 'v1']);
    for (let ended = 1; ended < 16; ended++) await handlers.end();
    expect(handlers.started).toHaveLength(16);
    expect(worker.stats()).toMatchObject({ running: 0, settling: 16 });
  });

  test('does not ask again and again what answers at once with nothing', async () => {
    const queue = new FakeQueue();
    queue.acquire = async (options) => {
      queue.acquires.push(options);
      return [];
    };
    const worker = work(queue, () => undefined);
    await quiet();
    expect(queue.acquires).toHaveLength(1);
    for (let second = 0; second < 100; second++) {
      queue.clock.advance(1000);
      await quiet();
    }
    expect(queue.acquires.length).toBeGreaterThan(10);
    expect(queue.acquires.length).toBeLessThan(60);
    await worker.close();
  });

  test('waits and goes on when an acquire fails for a while', async () => {
    const queue = new FakeQueue();
    const told: unknown[] = [];
    queue.refuse('acquire', diskFull, 5);
    queue.send('a');
    const worker = work(queue, () => undefined, {
      onError: (error, delivery) => told.push([error, delivery]),
    });
    await quiet();
    expect(queue.acquires).toHaveLength(1);
    queue.clock.advance(24);
    await quiet();
    expect(queue.acquires).toHaveLength(1);
    for (const delayMs of [26, 100, 200, 400, 800]) {
      queue.clock.advance(delayMs);
      await quiet();
    }
    expect(queue.acquires.length).toBeGreaterThanOrEqual(6);
    expect(queue.states()).toEqual(['acked']);
    expect(told).toEqual(Array.from({ length: 5 }, () => [diskFull, null]));
    expect(worker.stats()).toMatchObject({ sourceFailures: 5, handled: 1 });
    // The next failure is the first one in a row again.
    queue.refuse('acquire', diskFull);
    queue.send('b');
    await quiet();
    queue.clock.advance(50);
    await quiet();
    expect(queue.states()).toEqual(['acked', 'acked']);
    await worker.close();
  });

  test('ends when the queue fails for good: done rejects, and it is told', async () => {
    const queue = new FakeQueue();
    const failed = new FailedError({ path: 'p', indeterminate: false });
    const told: unknown[] = [];
    const reasons: unknown[] = [];
    queue.send('a');
    const worker = work(
      queue,
      async (_delivery, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reasons.push(signal.reason);
      },
      { concurrency: 2, onError: (error, delivery) => told.push([error, delivery]) },
    );
    await quiet();
    queue.refuse('acquire', failed);
    queue.wake();
    await expect(worker.done).rejects.toBe(failed);
    expect(told).toEqual([[failed, null]]);
    expect(reasons).toEqual([failed]);
    expect(await worker.drain()).toBe(0);
    expect(worker.stats().running).toBe(0);
  });

  test('warns when the queue fails for good and there is no onError', async () => {
    const queue = new FakeQueue();
    queue.refuse('acquire', new TypeError('a mistake'));
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const worker = work(queue, () => undefined, { name: 'mailer' });
    expect((await warned).message).toBe('worker "mailer" stopped: a mistake');
    await expect(worker.done).rejects.toThrow('a mistake');
  });

  test('can be paused and resumed', async () => {
    const queue = new FakeQueue();
    const handlers = new Handlers();
    queue.send('a');
    const worker = work(queue, handlers.handle, { concurrency: 2 });
    await quiet();
    worker.pause();
    worker.pause();
    await quiet();
    expect(worker.stats()).toMatchObject({ isPaused: true, running: 1 });
    queue.send('b');
    await handlers.end();
    expect(queue.states()).toEqual(['acked', 'ready']);
    worker.resume();
    worker.resume();
    await quiet();
    expect(worker.stats()).toMatchObject({ isPaused: false, running: 1 });
    await handlers.end();
    expect(queue.states()).toEqual(['acked', 'acked']);
    expect(queue.acquiringMax).toBe(1);
    await worker.close();
  });

  test('paused and resumed at once goes on with what it was about to take', async () => {
    const queue = new FakeQueue();
    const worker = work(queue, () => undefined);
    await quiet();
    worker.pause();
    worker.resume();
    queue.send('a');
    await quiet();
    expect(queue.states()).toEqual(['acked']);
    expect(queue.acquiringMax).toBe(1);
    await worker.close();
  });

  test('gives back what came while it was paused, or was paused by a handler', async () => {
    const queue = new FakeQueue();
    queue.sendMany(5);
    const handled: number[] = [];
    const worker = work(
      queue,
      ({ offset }) => {
        handled.push(offset);
        if (offset === 1) worker.pause();
      },
      { concurrency: 5 },
    );
    await quiet();
    expect(handled).toEqual([0, 1]);
    expect(queue.states()).toEqual(['acked', 'acked', 'ready', 'ready', 'ready']);
    expect(queue.records.map(({ attempts }) => attempts)).toEqual([1, 1, 0, 0, 0]);
    worker.resume();
    await quiet();
    expect(handled).toEqual([0, 1, 2, 3, 4]);
    expect(queue.records.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 1]);
    await worker.close();
  });
});
