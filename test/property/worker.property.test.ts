/** A worker on whatever handlers do and a queue refuses: every record ends, and the counters add up. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { DiskFullError } from '../../src/core/errors.ts';
import { Reject, RetryAfter } from '../../src/queue/handler-errors.ts';
import { work, type Worker } from '../../src/queue/worker.ts';
import type { HandlerContext } from '../../src/queue/worker-options.ts';
import { FakeQueue, quiet, type FakeCall, type FakeDelivery } from '../support/fake-queue.ts';
import { asyncPropertyOptions } from '../support/property.ts';

const BEHAVIOURS = [
  'return',
  'wait',
  'throw',
  'later',
  'reject',
  'hang',
  'ack',
  'release',
  'expire',
] as const;
type Behaviour = (typeof BEHAVIOURS)[number];

const CALLS: readonly FakeCall[] = ['acquire', 'ackAll', 'ack', 'release', 'reject', 'giveBack'];

const scripts = fc.record({
  concurrency: fc.integer({ min: 1, max: 5 }),
  batchMax: fc.option(fc.integer({ min: 1, max: 4 }), { nil: 0 }),
  renew: fc.constantFrom('auto', 'off'),
  /** Of each record: what its handlers do, attempt by attempt; after that they return. */
  records: fc.array(fc.array(fc.constantFrom(...BEHAVIOURS), { maxLength: 4 }), { maxLength: 20 }),
  /** At which step the queue refuses what. */
  refusals: fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.constantFrom(...CALLS)), {
    maxLength: 15,
  }),
  /** At which steps the worker is paused; resumed at the next one. */
  pauses: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }),
  /** At which step it is closed and another one begins; none does when it comes late. */
  closedAt: fc.integer({ min: 0, max: 120 }),
});

type Script = typeof scripts extends fc.Arbitrary<infer S> ? S : never;

const STEP_MS = 500;
const STEPS_MAX = 2000;
const details = { path: 'p', operation: 'write', position: 0, errno: 'ENOSPC' };
const diskFull = new DiskFullError(details);

/** One queue, its worker, and what their handlers have seen. */
class Bench {
  readonly queue = new FakeQueue({ leaseMs: 4000 });
  readonly script: Script;
  /** Of each record: whether a handler was content with it, or said that it shall be rejected. */
  readonly answers: Set<Behaviour>[];
  handed = 0;

  constructor(script: Script) {
    this.script = script;
    this.answers = script.records.map(() => new Set());
    this.queue.sendMany(script.records.length);
  }

  start(): Worker<FakeDelivery> {
    const { concurrency, renew, batchMax } = this.script;
    const shared = { concurrency, renew, handlerTimeoutMs: 9000, retry: () => 300 } as const;
    if (batchMax === 0)
      return work(this.queue, (one, context) => this.#handle([one], context), shared);
    const batch = { max: batchMax, waitMs: 700 };
    return work(this.queue, (many, context) => this.#handle(many, context), { ...shared, batch });
  }

  /** A batch shares the behaviour of its first record. */
  async #handle(deliveries: readonly FakeDelivery[], { signal }: HandlerContext): Promise<void> {
    this.handed += deliveries.length;
    const [first] = deliveries;
    if (first === undefined) throw new Error('a batch without a record');
    const behaviour = this.script.records[first.offset]?.[first.attempt - 1] ?? 'return';
    for (const { offset } of deliveries) this.answers[offset]?.add(behaviour);
    switch (behaviour) {
      case 'return':
        return;
      case 'wait':
        return new Promise((resolve) => this.queue.clock.setTimer(resolve, 1500));
      case 'throw':
        throw new Error('boom');
      case 'later':
        throw new RetryAfter(1000);
      case 'reject':
        throw new Reject('never');
      case 'hang':
        return new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
      case 'ack':
        return first.ack();
      case 'release':
        return first.release({ delayMs: 200 });
      case 'expire':
        first.expire();
    }
  }
}

/** What a handler that says so makes of a record: nothing else may settle it. */
const ACKING: readonly Behaviour[] = ['return', 'wait', 'ack', 'release', 'expire'];

test('every record ends as a handler said, and the counters add up', async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const bench = new Bench(script);
      const { queue } = bench;
      const workers = [bench.start()];
      const isEnded = (): boolean =>
        queue.states().every((state) => state === 'acked' || state === 'rejected');
      let step = 0;
      for (; step < STEPS_MAX && !(isEnded() && step > script.closedAt); step++) {
        const worker = workers.at(-1);
        for (const [at, call] of script.refusals) if (at === step) queue.refuse(call, diskFull);
        worker?.resume();
        if (script.pauses.includes(step)) worker?.pause();
        if (step === script.closedAt) {
          await worker?.close();
          workers.push(bench.start());
        }
        queue.clock.advance(STEP_MS);
        await quiet(2);
        expect(worker?.stats().running).toBeLessThanOrEqual(script.concurrency);
      }
      for (const worker of workers) await worker.close();
      expect(isEnded(), `after ${step} steps: ${queue.states().join()}`).toBe(true);
      check(bench, workers);
    }),
    asyncPropertyOptions(),
  );
});

function check(
  { queue, script, answers, handed }: Bench,
  workers: readonly Worker<FakeDelivery>[],
): void {
  expect(queue.acquiringMax).toBeLessThanOrEqual(1);
  // What the first worker could not release stays leased beside what the second one takes.
  const workerCount = script.refusals.length > 0 ? 2 : 1;
  const leasedMax = workerCount * 2 * script.concurrency * Math.max(1, script.batchMax);
  expect(queue.leasedMax).toBeLessThanOrEqual(leasedMax);
  const all = workers.map((worker) => worker.stats());
  const sum = all.map((s) => s.handled + s.failed + s.postponed + s.rejected + s.lostLeases);
  const rest = all.map((s) => s.abandoned + s.unsettled);
  const total = [...sum, ...rest].reduce((left, right) => left + right, 0);
  expect(total).toBe(handed);
  const attempts = queue.records.reduce((count, record) => count + record.attempts, 0);
  // What could not be given back has an attempt that no handler saw.
  const isRefused = script.refusals.some(([, call]) => call === 'giveBack');
  if (!isRefused) expect(attempts).toBe(handed);
  expect(attempts).toBeGreaterThanOrEqual(handed);
  for (const { running, settling } of all)
    expect({ running, settling }).toEqual({ running: 0, settling: 0 });
  for (const { offset, state } of queue.records) {
    const said = answers[offset] ?? new Set();
    const isSaid = state === 'rejected' ? said.has('reject') : ACKING.some((one) => said.has(one));
    expect(isSaid, `${state} after ${[...said].join()}`).toBe(true);
  }
}
