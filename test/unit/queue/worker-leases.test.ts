/** Leases, signals and time limits of what a worker handles. */
import { describe, expect, test } from 'vitest';

import { LeaseLostError } from '../../../src/core/ownership-errors.ts';
import { work } from '../../../src/queue/worker.ts';
import type { HandlerContext } from '../../../src/queue/worker-options.ts';
import {
  aborted,
  FakeQueue,
  pass,
  quiet,
  thrownBy,
  type FakeDelivery,
} from '../../support/fake-queue.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

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

  test('comes earlier when leases become shorter', async () => {
    const queue = new FakeQueue({ leaseMs: 600_000 });
    queue.send('a');
    const worker = work(queue, forever, { concurrency: 2 });
    await quiet();
    queue.leaseMs = 4000;
    queue.send('b');
    await pass(queue, 60_000, 500);
    expect(queue.records.map(({ expiries }) => expiries)).toEqual([0, 0]);
    await worker.close();
  });

  test('leaves alone what is on its way to be settled', async () => {
    const queue = new FakeQueue({ leaseMs: 100_000 });
    let open: () => void = () => undefined;
    queue.gate = new Promise((resolve) => (open = resolve));
    queue.send('a');
    const worker = work(queue, () => undefined);
    await quiet();
    await pass(queue, 90_000, 10_000);
    expect(renewals(queue)).toEqual([]);
    open();
    await worker.drain();
    expect(queue.states()).toEqual(['acked']);
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
        seen.push(thrownBy(context.renew), context.signal.aborted, context.signal.reason);
        seen.push(thrownBy(context.renew));
      },
      { concurrency: 2 },
    );
    await quiet();
    const lost: unknown = expect.any(LeaseLostError);
    expect(seen).toEqual([lost, true, lost, lost]);
    expect(worker.stats()).toMatchObject({ lostLeases: 1, handled: 1 });
    await worker.close();
  });

  test('in a batch: the signal waits until nothing of the batch is held', async () => {
    const queue = new FakeQueue();
    queue.sendMany(3);
    const contexts: HandlerContext[] = [];
    const seen: boolean[] = [];
    let given: readonly FakeDelivery[] = [];
    let end: () => void = () => undefined;
    const worker = work(
      queue,
      (batch, own) => {
        contexts.push(own);
        given = batch;
        seen.push(own.signal.aborted);
        return new Promise<void>((resolve) => (end = resolve));
      },
      { batch: { max: 3, waitMs: 10 }, renew: 'off' },
    );
    await quiet();
    expect(seen).toEqual([false]);
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
