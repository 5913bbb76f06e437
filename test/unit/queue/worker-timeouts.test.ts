/** Handlers that take too long. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { LeaseLostError } from '../../../src/core/ownership-errors.ts';
import { work } from '../../../src/queue/worker.ts';
import type { HandlerContext } from '../../../src/queue/worker-options.ts';
import { aborted, FakeQueue, pass, quiet, thrownBy } from '../../support/fake-queue.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

/** Its timers are late by what the event loop stood still. */
class StallingClock extends ManualClock {
  stalledMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.stalledMs;
  }
}

describe('a time limit', () => {
  test('aborts the signal and releases the record as failed; what comes later is ignored', async () => {
    const queue = new FakeQueue();
    const reasons: unknown[] = [];
    const told: unknown[] = [];
    let end: () => void = () => undefined;
    queue.send('a');
    const worker = work(
      queue,
      async (_delivery, { signal, renew }) => {
        reasons.push(await aborted(signal));
        reasons.push(thrownBy(renew));
        await new Promise<void>((resolve) => (end = resolve));
        throw new Error('too late');
      },
      { handlerTimeoutMs: 5000, retry: () => 60_000, onError: (error) => told.push(error) },
    );
    await quiet();
    await pass(queue, 4000);
    expect(reasons).toEqual([]);
    await pass(queue, 1000);
    expect(reasons).toEqual([expect.objectContaining({ name: 'TimeoutError' }), reasons[0]]);
    expect(queue.records[0]).toMatchObject({ state: 'delayed', failures: 1, delayMs: 60_000 });
    expect(queue.records[0]?.error).toBe(reasons[0]);
    end();
    await quiet();
    expect(told).toEqual([reasons[0]]);
    const counts = { timeouts: 1, failed: 1, retried: 1, handled: 0, running: 0, settling: 0 };
    expect(worker.stats()).toMatchObject(counts);
    await worker.close();
  });

  test('frees the handler: a hanging one does not stop the worker', async () => {
    const queue = new FakeQueue();
    queue.send('hang', 'b', 'hang', 'd');
    const worker = work(queue, ({ value }) => (value === 'hang' ? forever() : undefined), {
      handlerTimeoutMs: 2000,
      retry: () => null,
    });
    await quiet();
    expect(queue.states()).toEqual(['leased', 'ready', 'ready', 'ready']);
    await pass(queue, 5000);
    expect(queue.states()).toEqual(['rejected', 'acked', 'rejected', 'acked']);
    await worker.close();
  });

  test('is for the handler alone, not for the ack that follows', async () => {
    const queue = new FakeQueue();
    let open: () => void = () => undefined;
    queue.gate = new Promise((resolve) => (open = resolve));
    queue.send('a');
    const worker = work(queue, () => undefined, { handlerTimeoutMs: 1000 });
    await pass(queue, 5000);
    open();
    await worker.drain();
    expect(queue.states()).toEqual(['acked']);
    expect(worker.stats()).toMatchObject({ timeouts: 0, handled: 1, running: 0, settling: 0 });
  });

  test('after a lost lease: the first reason stays', async () => {
    const queue = new FakeQueue();
    const contexts: HandlerContext[] = [];
    queue.send('a');
    const worker = work(
      queue,
      async (_delivery, context) => {
        contexts.push(context);
        if (context.signal.aborted) return;
        await forever();
      },
      { handlerTimeoutMs: 5000 },
    );
    await quiet();
    worker.pause();
    queue.deliveries[0]?.expire();
    await pass(queue, 6000);
    expect(contexts).toHaveLength(1);
    expect(contexts[0]?.signal.reason).toBeInstanceOf(LeaseLostError);
    expect(thrownBy(contexts[0]?.renew ?? forever)).toBeInstanceOf(LeaseLostError);
    expect(worker.stats()).toMatchObject({ timeouts: 1, lostLeases: 1, failed: 0 });
    await worker.close();
  });

  test('counts from the start of each handler', async () => {
    const queue = new FakeQueue();
    const overdue: string[] = [];
    const worker = work(
      queue,
      async ({ value }, { signal }) => {
        await aborted(signal);
        overdue.push(`${value} at ${queue.clock.monotonic()}`);
      },
      { handlerTimeoutMs: 1000, concurrency: 10, retry: () => null },
    );
    for (const value of ['a', 'b', 'c']) {
      queue.send(value);
      await quiet();
      queue.clock.advance(300);
    }
    await pass(queue, 1000, 50);
    expect(overdue).toEqual(['a at 1000', 'b at 1300', 'c at 1600']);
    await worker.close();
  });

  test.each([true, false])(
    'is longer, once, after a stall of the event loop: %s',
    async (isInTime) => {
      const clock = new StallingClock();
      const queue = new FakeQueue({ clock });
      let end: () => void = () => undefined;
      queue.send('a');
      const worker = work(queue, () => new Promise<void>((resolve) => (end = resolve)), {
        handlerTimeoutMs: 1000,
        renew: 'off',
      });
      await quiet();
      clock.advance(500);
      clock.stalledMs = 3000;
      clock.advance(1400); // Due at 1000, fired 3000 late, and not a moment too early at 1000 + 1000.
      await quiet();
      expect(worker.stats().timeouts).toBe(0);
      if (isInTime) end();
      await quiet();
      clock.advance(100);
      await quiet();
      expect(worker.stats().timeouts).toBe(isInTime ? 0 : 1);
      expect(queue.states()).toEqual([isInTime ? 'acked' : 'delayed']);
      await worker.close();
    },
  );
});
