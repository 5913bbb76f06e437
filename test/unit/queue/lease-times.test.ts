/** From when to when a lease lasts, whatever the disk does meanwhile. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { headerTexts } from '../../support/queue-bench.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const LEASE_MS = 1000;
const FULL = {
  operations: ['write'],
  path: /journal\/.*log$/,
  errno: 'ENOSPC',
  times: 100,
} as const;
/** A write of so many bytes is not made on the calling thread. */
const LARGE = 500_000;

async function queueOfOne(options: { readonly expiriesMax?: number } = {}) {
  const bench = new StoreBench();
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const writes = new HeldWrites(fileSystem);
  const store = await bench.open({ fileSystem });
  const limits = { leaseMs: LEASE_MS, deadLetter: 'dead', ...options };
  const queue = await store.queue('q', { codec: utf8, ...limits });
  await queue.send('a');
  await queue.cancel({ offset: 99 }); // Opens the group.
  const large = await store.queue('large', { codec: utf8, leaseMs: 3_600_000 });
  await large.send('a');
  const [blocking] = await large.acquire();
  /** Has everything that is journaled from now on wait until `release`. */
  const hold = async (): Promise<{ readonly release: () => Promise<void> }> => {
    writes.hold();
    const copied = blocking?.transaction((tx) => tx.send(large, 'x'.repeat(LARGE)));
    const written = Promise.allSettled([copied]);
    await turns(20);
    const release = async (): Promise<void> => {
      writes.release();
      await written;
    };
    return { release };
  };
  return { bench, fileSystem, hold, store, queue };
}

test('a lease begins when the record is handed out, not when it was chosen', async () => {
  const { bench, hold, store, queue } = await queueOfOne();
  const held = await hold();
  let isHandedOut = false;
  const acquired = queue.acquire().finally(() => (isHandedOut = true));
  await turns(20);
  bench.clock.advance(10 * LEASE_MS); // So long its attempt takes to be journaled.
  expect(isHandedOut).toBe(false);
  await held.release();
  const [delivery] = await acquired;
  expect(delivery?.leaseLeftMs).toBe(LEASE_MS);
  bench.clock.advance(LEASE_MS - 100);
  await delivery?.ack();
  expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
  await store.close();
});

describe('an ack that is on its way when the lease would end', () => {
  async function ackLate(options: { readonly expiriesMax?: number } = {}) {
    const opened = await queueOfOne(options);
    const delivery = present((await opened.queue.acquire())[0], 'it was sent');
    const held = await opened.hold();
    const acked = delivery.ack().then(
      () => null,
      (error: unknown) => error,
    );
    await turns(20);
    opened.bench.clock.advance(10 * LEASE_MS);
    await turns(20);
    expect(delivery.signal.aborted).toBe(false);
    return { ...opened, delivery, held, acked };
  }

  test('counts: the lease does not end before it is answered', async () => {
    const { held, acked, store, queue } = await ackLate();
    await held.release();
    expect(await acked).toBeNull();
    expect(await queue.acquire()).toEqual([]);
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });

  test.each([
    ['and is refused: the record comes back', 20],
    ['and is refused: the record is dead, when that was the last time', 1],
  ])('%s', async (_what, expiriesMax) => {
    const { bench, fileSystem, held, acked, delivery, store, queue } = await ackLate({
      expiriesMax,
    });
    fileSystem.addFault(FULL);
    await held.release();
    expect(await acked).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    fileSystem.clearFaults();
    bench.clock.advance(100);
    await turns(50);
    await expect(delivery.ack()).rejects.toMatchObject({ code: 'ERR_VARVE_LEASE_LOST' });
    const again = await queue.acquire();
    if (expiriesMax > 1) expect(again).toMatchObject([{ attempt: 2, expiries: 1, failures: 0 }]);
    else {
      expect(again).toEqual([]);
      const [letter] = await (await store.queue('dead')).acquire({ max: 2 });
      expect(headerTexts(present(letter, 'it is dead').headers)).toMatchObject({
        'varve-death-reason': 'lease-expired',
        'varve-death-expiries': '1',
      });
    }
    await store.close();
  });
});
