/** What becomes of a record, by how its handler ends. */
import { describe, expect, test } from 'vitest';

import { Reject, RetryAfter } from '../../../src/queue/handler-errors.ts';
import { fixed, type RetryPolicy } from '../../../src/queue/retry-policy.ts';
import { work } from '../../../src/queue/worker.ts';
import type { Handler, HandlerContext } from '../../../src/queue/worker-options.ts';
import { FakeQueue, quiet, type FakeDelivery } from '../../support/fake-queue.ts';

interface Told {
  readonly error: unknown;
  readonly offset: number | null;
}

/** Hands one record to `handler`, and waits until everything is quiet. */
async function handle(handler: Handler<FakeDelivery>, retry: RetryPolicy = fixed(1000)) {
  const queue = new FakeQueue();
  const told: Told[] = [];
  const worker = work(queue, handler, {
    retry,
    onError: (error, delivery) => told.push({ error, offset: delivery?.offset ?? null }),
  });
  queue.send('a');
  await quiet();
  const [record] = queue.records;
  await worker.drain();
  return { queue, record, told, stats: worker.stats() };
}

/** As query builders are: no promise, but it can be awaited. */
function thenable(then: (resolve: () => void) => void): object {
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
  return { then };
}

function throwingThenable(failure: Error): object {
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
  return Object.defineProperty({}, 'then', {
    get: () => {
      throw failure;
    },
  });
}

describe('a handler that ends well', () => {
  test.each([
    ['a promise', async () => undefined],
    ['nothing', () => undefined],
    ['false', () => false],
    ['null', () => null],
    ['a function', () => () => 1],
    ['a thenable that is no promise', () => thenable((resolve) => resolve())],
  ])('and returns %s acks its record', async (_name, handler) => {
    const { record, stats, told, queue } = await handle(handler);
    expect(record).toMatchObject({ state: 'acked', attempts: 1, failures: 0 });
    expect(stats).toMatchObject({ handled: 1, failed: 0, handlerCalls: 1 });
    expect(told).toEqual([]);
    expect(queue.calls).toEqual(['ackAll of 1', 'ack 0']);
  });

  test('is given the delivery, the attempt and the means to renew it', async () => {
    const seen: unknown[] = [];
    await handle((delivery, { attempt, renew }) => {
      renew();
      seen.push(delivery.value, attempt, typeof renew);
    });
    expect(seen).toEqual(['a', 1, 'function']);
  });

  test('makes no signal unless it asks for one', async () => {
    const without = await handle(() => undefined);
    expect(without.queue.deliveries[0]?.isSignalMade).toBe(false);
    const contexts: HandlerContext[] = [];
    const asked = await handle((_delivery, context) => {
      contexts.push(context);
      return context.signal.aborted;
    });
    expect(asked.queue.deliveries[0]?.isSignalMade).toBe(true);
    expect(contexts[0]?.signal).toBe(contexts[0]?.signal);
    expect(contexts[0]?.signal.aborted).toBe(false);
  });

  test('shares its ack with those that end in the same turn', async () => {
    const queue = new FakeQueue();
    queue.sendMany(50);
    const worker = work(queue, async () => undefined, { concurrency: 50 });
    await quiet();
    expect(queue.calls[0]).toBe('ackAll of 50');
    expect(queue.calls).toHaveLength(51);
    expect(worker.stats()).toMatchObject({ handled: 50, running: 0, settling: 0 });
    await worker.close();
  });
});

describe('a handler that fails', () => {
  const failure = new Error('boom');

  test.each([
    ['rejects', async () => Promise.reject(failure), failure],
    [
      'throws at once',
      () => {
        throw failure;
      },
      failure,
    ],
    ['rejects with a text', async () => Promise.reject('text'), 'text'],
    ['has a `then` that throws', () => throwingThenable(failure), failure],
  ])('as it %s is released as failed, after the delay', async (_name, handler, error) => {
    const { record, stats, told } = await handle(handler);
    expect(record).toMatchObject({ state: 'delayed', failures: 1, delayMs: 1000, error });
    expect(stats).toMatchObject({ handled: 0, failed: 1, retried: 1, rejected: 0 });
    expect(told).toEqual([{ error, offset: 0 }]);
  });

  test.each([
    ['undefined', undefined, 'the handler threw undefined'],
    ['null', null, 'the handler threw null'],
    ['an empty text', '', 'the handler threw an empty text'],
  ])('with %s leaves words with the record', async (_name, nothing, words) => {
    const rejecting = async (): Promise<never> => Promise.reject(nothing);
    const released = await handle(rejecting);
    expect(released.record).toMatchObject({ state: 'delayed', error: words });
    expect(released.told).toEqual([{ error: nothing, offset: 0 }]);
    const rejected = await handle(rejecting, () => null);
    expect(rejected.record).toMatchObject({ state: 'rejected', error: words });
    const thrown = await handle(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- that is what is tested
      throw nothing as unknown;
    });
    expect(thrown.record).toMatchObject({ state: 'delayed', error: words });
  });

  test('is called again when the delay is over, and the policy hears of each failure', async () => {
    const queue = new FakeQueue();
    const asked: unknown[] = [];
    const attempts: number[] = [];
    const worker = work(
      queue,
      (_delivery, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 4) throw new Error(`number ${attempt}`);
      },
      {
        retry: (failures, error) => {
          asked.push([failures, error instanceof Error ? error.message : null]);
          return 10 * failures;
        },
      },
    );
    queue.send('a');
    for (const delayMs of [0, 9, 1, 20, 30]) {
      queue.clock.advance(delayMs);
      await quiet();
    }
    expect(asked).toEqual([
      [1, 'number 1'],
      [2, 'number 2'],
      [3, 'number 3'],
    ]);
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(queue.states()).toEqual(['acked']);
    expect(worker.stats()).toMatchObject({ failed: 3, retried: 3, handled: 1 });
    await worker.close();
  });

  test('waits from nothing to a second the first time, unless a policy is given', async () => {
    const queue = new FakeQueue();
    queue.sendMany(200);
    const worker = work(queue, () => Promise.reject(failure), { concurrency: 200 });
    await quiet();
    const delays = queue.records.map(({ delayMs }) => delayMs);
    expect(Math.max(...delays)).toBeGreaterThan(900);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
    expect(Math.min(...delays)).toBeLessThan(100);
    await worker.close();
  });

  test('is rejected when the policy says that there is no use', async () => {
    const { record, stats, told } = await handle(
      () => Promise.reject(failure),
      () => null,
    );
    expect(record).toMatchObject({ state: 'rejected', error: failure, failures: 0 });
    expect(stats).toMatchObject({ failed: 1, retried: 0, rejected: 0, handled: 0 });
    expect(told).toEqual([{ error: failure, offset: 0 }]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new RangeError('policy');
      },
    ],
    ['returns NaN', () => Number.NaN],
    ['returns less than 0', () => -1],
  ] satisfies [string, RetryPolicy][])(
    'waits as by default when the policy %s, which is told',
    async (_name, retry) => {
      const { record, told } = await handle(() => Promise.reject(failure), retry);
      expect(record?.failures).toBe(1);
      expect(record?.delayMs).toBeGreaterThan(0);
      expect(record?.delayMs).toBeLessThanOrEqual(1000);
      expect(told).toHaveLength(2);
      expect(told[0]).toEqual({ error: failure, offset: 0 });
      expect(told[1]?.error).toBeInstanceOf(Error);
    },
  );

  test.each([
    [1e99, 365 * 24 * 60 * 60 * 1000],
    [1.4, 1],
  ])('a delay of %s is taken as %s', async (delayMs, taken) => {
    const { record } = await handle(
      () => Promise.reject(failure),
      () => delayMs,
    );
    expect(record?.delayMs).toBe(taken);
  });
});

describe('a handler that says what shall become of the record', () => {
  test('RetryAfter: later, and it is no failure', async () => {
    const { record, stats, told } = await handle(() => Promise.reject(new RetryAfter(5000)));
    expect(record).toMatchObject({ state: 'delayed', delayMs: 5000, failures: 0 });
    expect(record?.error).toBeInstanceOf(RetryAfter);
    expect(stats).toMatchObject({ postponed: 1, failed: 0, retried: 0 });
    expect(told).toEqual([]);
  });

  test('Reject: never again', async () => {
    const { record, stats, told } = await handle(() => {
      throw new Reject('no such customer');
    });
    expect(record).toMatchObject({ state: 'rejected', error: 'no such customer', failures: 0 });
    expect(stats).toMatchObject({ rejected: 1, failed: 0 });
    expect(told).toEqual([]);
  });

  test.each([
    ['acks', (delivery: FakeDelivery) => delivery.ack(), 'acked'],
    ['releases', (delivery: FakeDelivery) => delivery.release({ delayMs: 50 }), 'delayed'],
    ['rejects', (delivery: FakeDelivery) => delivery.reject('own'), 'rejected'],
  ])('it %s it itself: nothing more is done', async (_name, settle, state) => {
    const { record, stats, queue } = await handle(async (delivery) => settle(delivery));
    expect(record).toMatchObject({ state, attempts: 1, failures: 0 });
    expect(queue.calls).toHaveLength(1);
    expect(stats).toMatchObject({ handled: 1, failed: 0, lostLeases: 0 });
  });

  test('it acks without waiting for that: nothing more is done', async () => {
    const { queue, stats } = await handle((delivery) => void delivery.ack());
    expect(queue.calls).toEqual(['ack 0']);
    expect(stats.handled).toBe(1);
  });

  test('it settles and throws: the record stays settled, the error is told', async () => {
    const failure = new Error('afterwards');
    const { record, stats, told } = await handle(async (delivery) => {
      await delivery.ack();
      throw failure;
    });
    expect(record).toMatchObject({ state: 'acked', failures: 0 });
    expect(stats).toMatchObject({ handled: 1, failed: 0 });
    expect(told).toEqual([{ error: failure, offset: 0 }]);
  });

  test('it settles twice: the first counts, and acking twice is no mistake', async () => {
    const twice = await handle(async (delivery) => {
      await delivery.ack();
      await delivery.ack();
    });
    expect(twice.queue.calls).toEqual(['ack 0']);
    expect(twice.told).toEqual([]);
    const both = await handle(async (delivery) => {
      await delivery.ack();
      await delivery.reject();
    });
    expect(both.record?.state).toBe('acked');
    expect(both.told).toEqual([
      { error: expect.objectContaining({ code: 'ERR_VARVE_LEASE_LOST' }) as unknown, offset: 0 },
    ]);
  });
});

describe('onError', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('of onError');
      },
    ],
    ['rejects', () => Promise.reject(new Error('of onError'))],
  ])('that %s harms nobody: a warning says so', async (_name, onError) => {
    const queue = new FakeQueue();
    queue.send('a', 'b');
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const worker = work(queue, () => Promise.reject(new Error('boom')), { onError });
    await quiet();
    expect(queue.states()).toEqual(['delayed', 'delayed']);
    expect((await warned).message).toContain('of onError');
    await worker.close();
  });
});

describe('handler times', () => {
  test('are added up, and the longest is kept', async () => {
    const queue = new FakeQueue();
    queue.send('100', '300');
    const worker = work(queue, async ({ value }) => {
      await new Promise<void>((resolve) => queue.clock.setTimer(resolve, Number(value)));
    });
    await quiet();
    queue.clock.advance(100);
    await quiet();
    queue.clock.advance(300);
    await quiet();
    expect(worker.stats()).toMatchObject({ handlerCalls: 2, handlerMs: 400, handlerMsMax: 300 });
    await worker.close();
  });
});
