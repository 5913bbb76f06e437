/** What counts as an attempt, a failure, an expiry or a crash, and what of it ends a record. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import { Reject, RetryAfter } from '../../../src/queue/handler-errors.ts';
import type { Queue } from '../../../src/queue/queue.ts';
import { quiet } from '../../support/fake-queue.ts';
import { headerTexts, QueueBench } from '../../support/queue-bench.ts';

const LEASE_MS = 1000;
/** Those of a queue that says nothing. */
const FAILURES_MAX = 5;
const EXPIRIES_MAX = 20;
const FRESH = { attempt: 1, failures: 0, expiries: 0, crashes: 0 };

async function queueOfOne() {
  const bench = new QueueBench();
  const { store, queue } = await bench.open({ deadLetter: 'dead', leaseMs: LEASE_MS });
  await queue.send('job');
  return { bench, store, queue };
}

async function acquireOne(queue: Queue<string>): Promise<Delivery<string>> {
  const [delivery] = await queue.acquire({ waitMs: Number.POSITIVE_INFINITY });
  return present(delivery, 'one is ready');
}

function trialsOf({ attempt, failures, expiries, crashes }: Delivery<string>) {
  return { attempt, failures, expiries, crashes };
}

/** What the one dead letter says. */
async function deathIn({ store }: Awaited<ReturnType<typeof queueOfOne>>) {
  const dead = await store.queue('dead');
  const [letter, ...others] = await dead.acquire({ max: 2, waitMs: 1000 });
  expect(others).toEqual([]);
  const texts = headerTexts(present(letter, 'it is dead').headers);
  const numberOf = (name: string) => Number(texts[`varve-death-${name}`]);
  return {
    reason: texts['varve-death-reason'],
    attempts: numberOf('attempts'),
    failures: numberOf('failures'),
    expiries: numberOf('expiries'),
    crashes: numberOf('crashes'),
  };
}

describe('an attempt', () => {
  test('that is released stays one, and is no failure, however often', async () => {
    const { queue, store } = await queueOfOne();
    for (let attempt = 1; attempt <= 3 * FAILURES_MAX; attempt++) {
      const delivery = await acquireOne(queue);
      expect(trialsOf(delivery)).toEqual({ ...FRESH, attempt });
      await delivery.release();
    }
    expect(await queue.stats()).toMatchObject({ readyCount: 1, settled: { failures: 0 } });
    await store.close();
  });

  test('that is given back was none', async () => {
    const { queue, store } = await queueOfOne();
    for (let count = 0; count < 3; count++) {
      const delivery = await acquireOne(queue);
      expect(trialsOf(delivery)).toEqual(FRESH);
      await delivery.giveBack();
    }
    await store.close();
  });

  test.each(['drain', 'close', 'pause'] as const)(
    'that no handler began was none: %s',
    async (end) => {
      const { queue, store } = await queueOfOne();
      let handledCount = 0;
      const worker = queue.work(() => void handledCount++, { batch: { max: 2, waitMs: 60_000 } });
      await quiet(20);
      expect(await queue.stats()).toMatchObject({ leasedCount: 1 });
      await worker[end]();
      await quiet(20);
      expect(handledCount).toBe(0);
      expect(trialsOf(await acquireOne(queue))).toEqual(FRESH);
      await store.close();
    },
  );

  test('that failed is a failure: at five the record is dead', async () => {
    const opened = await queueOfOne();
    const { queue, store } = opened;
    for (let failures = 0; failures < FAILURES_MAX; failures++) {
      const delivery = await acquireOne(queue);
      expect(trialsOf(delivery)).toEqual({ ...FRESH, attempt: failures + 1, failures });
      await delivery.release({ failed: true });
    }
    expect(await queue.acquire()).toEqual([]);
    expect(await deathIn(opened)).toEqual({
      reason: 'failures',
      attempts: FAILURES_MAX,
      failures: FAILURES_MAX,
      expiries: 0,
      crashes: 0,
    });
    await store.close();
  });

  test('whose lease ran out is an expiry and no failure: at twenty the record is dead', async () => {
    const opened = await queueOfOne();
    const { bench, queue, store } = opened;
    for (let expiries = 0; expiries < EXPIRIES_MAX; expiries++) {
      const delivery = await acquireOne(queue);
      expect(trialsOf(delivery)).toEqual({ ...FRESH, attempt: expiries + 1, expiries });
      bench.clock.advance(LEASE_MS + 100);
    }
    expect(await deathIn(opened)).toEqual({
      reason: 'lease-expired',
      attempts: EXPIRIES_MAX,
      failures: 0,
      expiries: EXPIRIES_MAX,
      crashes: 0,
    });
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0 });
    await store.close();
  });

  test('whose lease ran out is journaled as that at once: a kill behind it is no crash of it', async () => {
    const { bench, queue } = await queueOfOne();
    await acquireOne(queue);
    bench.clock.advance(LEASE_MS + 100);
    await quiet(20);
    const { queue: next } = await bench.next();
    expect(trialsOf(await acquireOne(next))).toEqual({ ...FRESH, attempt: 2, expiries: 1 });
  });

  test('that is rejected ends the record at once', async () => {
    const opened = await queueOfOne();
    await (await acquireOne(opened.queue)).reject('no');
    const once = { reason: 'rejected', attempts: 1, failures: 0, expiries: 0, crashes: 0 };
    expect(await deathIn(opened)).toEqual(once);
    await opened.store.close();
  });
});

describe('of a worker', () => {
  /** Handles until nothing is left, or so often. */
  async function handledBy(trouble: () => Error, timesMax: number) {
    const opened = await queueOfOne();
    const { bench, queue } = opened;
    const seen: object[] = [];
    const handled = (delivery: Delivery<string>): void => {
      seen.push(trialsOf(delivery));
      if (seen.length <= timesMax) throw trouble();
    };
    const worker = queue.work(handled, { retry: () => 100, concurrency: 2 });
    for (let step = 0; step < 2 * timesMax + 10; step++) {
      await quiet(20);
      bench.clock.advance(100);
    }
    await worker.drain();
    return { ...opened, seen };
  }

  test('a handler that throws is a failure', async () => {
    const opened = await handledBy(() => new Error('no'), 100);
    expect(opened.seen).toEqual(
      Array.from({ length: FAILURES_MAX }, (_, failures) => {
        return { ...FRESH, attempt: failures + 1, failures };
      }),
    );
    expect(await deathIn(opened)).toMatchObject({ reason: 'failures', failures: FAILURES_MAX });
    await opened.store.close();
  });

  test('RetryAfter is none, however often', async () => {
    const { queue, store, seen } = await handledBy(() => new RetryAfter(100), 12);
    expect(seen).toEqual(
      Array.from({ length: 13 }, (_, before) => ({ ...FRESH, attempt: before + 1 })),
    );
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });

  test('Reject ends the record at once', async () => {
    const opened = await handledBy(() => new Reject('no'), 100);
    expect(opened.seen).toEqual([FRESH]);
    expect(await deathIn(opened)).toMatchObject({ reason: 'rejected', attempts: 1, failures: 0 });
    await opened.store.close();
  });
});
