/** Leases, signals and time limits of what a worker handles. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { LeaseLostError } from '../../../src/core/ownership-errors.ts';
import { work } from '../../../src/queue/worker.ts';
import type { HandlerContext } from '../../../src/queue/worker-options.ts';
import { aborted, FakeQueue, pass, quiet, type FakeDelivery } from '../../support/fake-queue.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

/** Its timers are late by what the event loop stood still. */
class StallingClock extends ManualClock {
  stalledMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.stalledMs;
  }
}

const renewals = (queue: FakeQueue): string[] =>
  queue.calls.filter((call) => call.startsWith('renew'));

describe('renewal', () => {
  test('keeps leases while handlers run: at half of their time, and not more often', async () => {
    const queue = new FakeQueue();
    const ends: (() => void)[] = [];
    queue.send('a');
    const worker = work(queue, () => new Promise<void>((resolve) => ends.push(resolve)));
    await quiet();
    await pass(queue, 14_000);
    expect(renewals(queue)).toEqual([]);
    await pass(queue, 1000);
    expect(renewals(queue)).toEqual(['renew 0']);
    await pass(queue, 600_000);
    expect(renewals(queue)).toHaveLength(41);
    expect(queue.records[0]).toMatchObject({ state: 'leased', expiries: 0 });
    for (const end of ends) end();
    await quiet();
    expect(queue.records[0]).toMatchObject({ state: 'acked', attempts: 1 });
    const count = renewals(queue).length;
    await pass(queue, 60_000);
    expect(renewals(queue)).toHaveLength(count);
    await worker.close();
  });

  test('renews for as long as it has leased', async () => {
    const queue = new FakeQueue();
    queue.send('a');
    const worker = work(queue, forever, { leaseMs: 2000 });
    await quiet();
    await pass(queue, 10_000, 100);
    expect(queue.records[0]).toMatchObject({ state: 'leased', expiries: 0 });
    expect(renewals(queue).length).toBeGreaterThanOrEqual(9);
    expect(renewals(queue).length).toBeLessThanOrEqual(12);
    await worker.close();
  });

  test('needs one timer, however many handlers run, and none when none does', async () => {
    const queue = new FakeQueue();
    queue.sendMany(500);
    const ends: (() => void)[] = [];
    const worker = work(
      queue,
      (_delivery, { signal }) =>
        new Promise<void>((resolve) => {
          if (signal.aborted) return;
          ends.push(resolve);
        }),
      { concurrency: 500, handlerTimeoutMs: 100_000 },
    );
    await quiet();
    // One for each lease of the queue in memory, one for renewals, one for the time limit.
    expect(queue.clock.pendingTimerCount).toBe(500 + 2);
    for (const end of ends) end();
    await quiet();
    await pass(queue, 200_000, 10_000);
    expect(queue.clock.pendingTimerCount).toBe(1); // Of the acquire that waits.
    await worker.close();
    expect(queue.clock.pendingTimerCount).toBe(0);
  });

  test('keeps a batch that waits for more, and one that is handled, but not what is settled', async () => {
    const queue = new FakeQueue();
    queue.send('a', 'b');
    const worker = work(
      queue,
      async ([first]) => {
        await first?.ack();
        await forever();
      },
      { batch: { max: 3, waitMs: 40_000 } },
    );
    await quiet();
    await pass(queue, 39_000);
    expect(renewals(queue)).toEqual(['renew 0', 'renew 1', 'renew 0', 'renew 1']);
    await pass(queue, 20_000);
    expect(queue.states()).toEqual(['acked', 'leased']);
    expect(renewals(queue).slice(4)).toEqual(['renew 1']);
    expect(queue.records.map(({ expiries }) => expiries)).toEqual([0, 0]);
    await worker.close();
  });

  test('leaves a lease that the handler made longer', async () => {
    const queue = new FakeQueue();
    queue.send('a');
    const worker = work(queue, async (_delivery, { renew }) => {
      renew(300_000);
      await forever();
    });
    await quiet();
    await pass(queue, 280_000, 5000);
    expect(renewals(queue)).toEqual(['renew 0']);
    await pass(queue, 100_000, 1000);
    expect(queue.records[0]).toMatchObject({ state: 'leased', expiries: 0 });
    await worker.close();
  });

  test('that fails is told, and tried again', async () => {
    const queue = new FakeQueue();
    const told: unknown[] = [];
    const failure = new Error('renew');
    queue.send('a');
    const worker = work(queue, forever, { onError: (error) => told.push(error) });
    await quiet();
    queue.refuse('renew', failure, 2);
    await pass(queue, 60_000);
    expect(told).toEqual([failure, failure]);
    expect(queue.records[0]).toMatchObject({ state: 'leased', expiries: 0 });
    await worker.close();
  });
});

describe('a lease that is lost', () => {
  test('with renewal off: the signal says so, the ack changes nothing, it is delivered again', async () => {
    const queue = new FakeQueue();
    const reasons: unknown[] = [];
    const told: unknown[] = [];
    const offsets: number[] = [];
    queue.send('a');
    const worker = work(
      queue,
      async ({ offset }, { signal, attempt }) => {
        offsets.push(offset);
        if (attempt === 1) reasons.push(await aborted(signal));
      },
      { renew: 'off', concurrency: 2, onError: (error) => told.push(error) },
    );
    await quiet();
    await pass(queue, 29_000);
    expect(queue.records[0]?.state).toBe('leased');
    await pass(queue, 1000);
    expect(renewals(queue)).toEqual([]);
    expect(reasons).toEqual([expect.any(LeaseLostError)]);
    expect(told).toEqual([expect.any(LeaseLostError)]);
    expect(offsets).toEqual([0, 0]);
    expect(queue.records[0]).toMatchObject({
      state: 'acked',
      attempts: 2,
      expiries: 1,
      failures: 0,
    });
    expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 1, failed: 0 });
    await worker.close();
  });

  test('and a handler that throws because of it: told once, and no failure', async () => {
    const queue = new FakeQueue();
    const told: unknown[] = [];
    queue.send('a');
    const worker = work(
      queue,
      async (_delivery, { signal, attempt }) => {
        if (attempt > 1) return;
        await aborted(signal);
        signal.throwIfAborted();
      },
      { renew: 'off', concurrency: 2, onError: (error) => told.push(error) },
    );
    await quiet();
    await pass(queue, 30_000);
    expect(told).toEqual([expect.any(LeaseLostError)]);
    expect(queue.records[0]).toMatchObject({ state: 'acked', attempts: 2, failures: 0 });
    expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 1, failed: 0 });
    await worker.close();
  });

  test('of another record: its error in a handler is a failure like any other', async () => {
    const queue = new FakeQueue();
    const other = { topic: 't', group: 'g', partition: 1, offset: 77, reason: 'expired' } as const;
    const error = new LeaseLostError(other);
    const told: unknown[] = [];
    queue.send('a');
    const worker = work(queue, () => Promise.reject(error), { onError: (e) => told.push(e) });
    await quiet();
    expect(told).toEqual([error]);
    expect(worker.stats()).toMatchObject({ failed: 1, lostLeases: 0 });
    await worker.close();
  });

  test('before the handler asked: its signal is aborted from the start, and renew throws', async () => {
    const queue = new FakeQueue();
    const seen: unknown[] = [];
    queue.send('a');
    const worker = work(
      queue,
      ({ attempt }, context) => {
        if (attempt > 1) return;
        queue.deliveries[0]?.expire();
        expect(() => context.renew()).toThrow(LeaseLostError);
        seen.push(context.signal.aborted, context.signal.reason);
        expect(() => context.renew()).toThrow(LeaseLostError);
      },
      { concurrency: 2 },
    );
    await quiet();
    expect(seen).toEqual([true, expect.any(LeaseLostError)]);
    expect(worker.stats()).toMatchObject({ lostLeases: 1, handled: 1 });
    await worker.close();
  });

  test('in a batch: the signal waits until nothing of the batch is held', async () => {
    const queue = new FakeQueue();
    queue.sendMany(3);
    const contexts: HandlerContext[] = [];
    let given: readonly FakeDelivery[] = [];
    let end: () => void = () => undefined;
    const worker = work(
      queue,
      (batch, own) => {
        contexts.push(own);
        given = batch;
        expect(own.signal.aborted).toBe(false);
        return new Promise<void>((resolve) => (end = resolve));
      },
      { batch: { max: 3, waitMs: 10 }, renew: 'off' },
    );
    await quiet();
    given[0]?.expire();
    contexts[0]?.renew();
    expect(contexts[0]?.signal.aborted).toBe(false);
    expect(renewals(queue)).toEqual(['renew 1', 'renew 2']);
    await given[1]?.ack();
    given[2]?.expire();
    expect(contexts[0]?.signal.aborted).toBe(true);
    worker.pause();
    end();
    await quiet();
    expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 2 });
    await worker.close();
  });

  test('in a batch: the others are acked', async () => {
    const queue = new FakeQueue();
    queue.sendMany(3);
    const worker = work(
      queue,
      (batch) => {
        if (batch.length === 3) batch[1]?.expire();
      },
      { batch: { max: 3, waitMs: 0 } },
    );
    await quiet();
    expect(queue.states()).toEqual(['acked', 'acked', 'acked']);
    expect(queue.records.map(({ attempts }) => attempts)).toEqual([1, 2, 1]);
    expect(worker.stats()).toMatchObject({ handled: 3, lostLeases: 1 });
    await worker.close();
  });
});

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
        expect(renew).toThrow('more than 5000 ms');
        await new Promise<void>((resolve) => (end = resolve));
        throw new Error('too late');
      },
      { handlerTimeoutMs: 5000, retry: () => 60_000, onError: (error) => told.push(error) },
    );
    await quiet();
    await pass(queue, 4000);
    expect(reasons).toEqual([]);
    await pass(queue, 1000);
    expect(reasons).toEqual([expect.objectContaining({ name: 'TimeoutError' })]);
    expect(queue.records[0]).toMatchObject({ state: 'delayed', failures: 1, delayMs: 60_000 });
    expect(queue.records[0]?.error).toBe(reasons[0]);
    end();
    await quiet();
    expect(told).toEqual(reasons);
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
