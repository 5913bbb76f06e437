/** Workers on the clock of the system and a store on disk: handlers that outlast their leases. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  LeaseLostError,
  openStore,
  utf8,
  type Delivery,
  type Queue,
  type Store,
} from '../../src/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const LEASE_MS = 300;
const BLOCKED_MS = 3 * LEASE_MS;
/** A stall is counted from the moment at which the loop would have looked. */
const LATE_MS = 100;

interface Bench {
  readonly store: Store;
  readonly queue: Queue<string>;
  /** How long the stalls took that were reported. */
  readonly stallsMs: number[];
  /** Offsets whose leases expired. */
  readonly expired: number[];
}

async function openBench(directory: string): Promise<Bench> {
  const store = await openStore(directory);
  const stallsMs: number[] = [];
  const expired: number[] = [];
  store.on('loop-stalled', ({ stallMs }) => stallsMs.push(stallMs));
  store.on('lease-expired', ({ offset }) => expired.push(offset));
  const queue = await store.queue('jobs', { codec: utf8, leaseMs: LEASE_MS });
  return { store, queue, stallsMs, expired };
}

async function settledIn(directory: string): Promise<object> {
  const { store, queue } = await openBench(directory);
  const { settled, unsettledCount } = await queue.stats();
  await store.close();
  return { ...settled, unsettledCount };
}

/** Nothing else runs meanwhile. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Resolves with what the signal was aborted with. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}

function trialsOf({ value, attempt, failures, expiries }: Delivery<string>): object {
  return { value, attempt, failures, expiries };
}

test('a handler that blocks the loop for three leases: its ack counts, nothing comes twice', async () => {
  const directory = join(await temporaryDirectory(), 'store');
  const { store, queue, stallsMs, expired } = await openBench(directory);
  await queue.sendBatch([{ value: 'beside' }, { value: 'blocks' }, { value: 'later' }]);
  const handled: object[] = [];
  let leftMs = Number.NaN;
  const stalled = new Promise<void>((resolve) => {
    store.on('loop-stalled', () => resolve());
  });
  const all = new Promise<void>((resolve) => {
    // A handler is free all the time: it would get what came back.
    queue.work(
      async (delivery) => {
        handled.push(trialsOf(delivery));
        if (delivery.value === 'later') resolve();
        if (delivery.value === 'blocks') block(BLOCKED_MS);
        if (delivery.value !== 'beside') return;
        await stalled;
        leftMs = delivery.leaseLeftMs;
      },
      { concurrency: 4, renew: 'off' },
    );
  });
  await all;
  await stalled;
  // No lease is as long: what would come twice has come.
  await expect(queue.acquire({ waitMs: LEASE_MS + 100 })).resolves.toEqual([]);
  // A busy machine may have had others, which are shorter.
  expect(stallsMs.filter((ms) => ms > BLOCKED_MS - LATE_MS)).toHaveLength(1);
  // Extended by the stall, and by no more.
  expect(leftMs).toBeGreaterThan(0);
  expect(leftMs).toBeLessThanOrEqual(LEASE_MS);
  expect(expired).toEqual([]);
  await store.close();
  const fresh = { attempt: 1, failures: 0, expiries: 0 };
  expect(handled).toEqual(['beside', 'blocks', 'later'].map((value) => ({ value, ...fresh })));
  expect(await settledIn(directory)).toMatchObject({ acked: 3, unsettledCount: 0 });
});

test('a handler that awaits past its lease is told, of no effect, and the record comes once more', async () => {
  const directory = join(await temporaryDirectory(), 'store');
  const { store, queue, expired } = await openBench(directory);
  await queue.send('slow');
  const handled: object[] = [];
  const outcomes: unknown[] = [];
  let isAgain: () => void = () => undefined;
  const again = new Promise<void>((resolve) => (isAgain = resolve));
  const worker = queue.work(
    async (delivery, { signal }) => {
      handled.push(trialsOf(delivery));
      if (delivery.attempt > 1) {
        isAgain();
        return;
      }
      outcomes.push(await aborted(signal));
      await again; // The other one has it now.
      outcomes.push(await delivery.ack().catch((error: unknown) => error));
    },
    { concurrency: 2, renew: 'off' },
  );
  await again;
  await worker.drain();
  await expect(queue.acquire({ waitMs: LEASE_MS + 100 })).resolves.toEqual([]);
  expect(outcomes).toEqual([expect.any(LeaseLostError), expect.any(LeaseLostError)]);
  expect(outcomes[0]).toMatchObject({ details: { offset: 0, reason: 'expired' } });
  expect(handled).toEqual([
    { value: 'slow', attempt: 1, failures: 0, expiries: 0 },
    { value: 'slow', attempt: 2, failures: 0, expiries: 1 },
  ]);
  expect(worker.stats()).toMatchObject({ handled: 1, lostLeases: 1, failed: 0 });
  expect(expired).toEqual([0]);
  await store.close();
  expect(await settledIn(directory)).toMatchObject({
    acked: 1,
    failures: 0,
    'lease-expired': 0,
    unsettledCount: 0,
  });
});
