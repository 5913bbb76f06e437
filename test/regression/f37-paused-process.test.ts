/**
 * F37. Elsewhere: a process was paused for longer than its leases, and crashed after that; then two views of
 * who had which message lived side by side (NATS#7567).
 *
 * Here one process has the store. A pause of all of it, or of its event loop, is not held against the
 * leases: they last so much longer, once, so that nothing is handed out twice. A process that crashed in
 * its pause is gone with all its leases; the next one says so durably before it leases anything, and
 * counts the crash.
 *
 * Red when leases run on the wall clock or on monotonic time alone, or when a new process hands out what
 * the old one had leased without a new owner epoch.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { Delivery } from '../../src/queue/delivery.ts';
import type { Queue } from '../../src/queue/queue.ts';
import { turns } from '../support/log-fixture.ts';
import { StallingClock } from '../support/stalling-clock.ts';
import { StoreDisk } from '../support/store-disk.ts';

const LEASE_MS = 1000;

async function acquireOne(queue: Queue<string>): Promise<Delivery<string>> {
  const [delivery] = await queue.acquire({ waitMs: LEASE_MS });
  return present(delivery, 'one is ready');
}

/** A record that somebody has, in a process that is paused for 20 leases. */
async function pausedHolder() {
  const disk = await StoreDisk.make();
  const clock = new StallingClock();
  const store = await disk.open({ clock });
  const stalls: number[] = [];
  store.on('loop-stalled', ({ stallMs }) => stalls.push(stallMs));
  const queue = await store.queue('q', { codec: utf8, leaseMs: LEASE_MS });
  await queue.send('job');
  const delivery = await acquireOne(queue);
  clock.advance(500);
  clock.stall(20 * LEASE_MS);
  return { disk, clock, store, stalls, queue, delivery };
}

describe('F37: a process that was paused for longer than its leases', () => {
  test('still has them: its acks count, and nothing is handed out twice', async () => {
    const { clock, store, stalls, queue, delivery } = await pausedHolder();
    clock.advance(100); // All timers that were due come now, late.
    await turns(1);
    expect(stalls).toHaveLength(1);
    expect(stalls[0]).toBeGreaterThanOrEqual(20 * LEASE_MS - 100);
    expect(delivery.signal.aborted).toBe(false);
    expect(await queue.acquire()).toEqual([]);
    await delivery.ack();
    expect(await queue.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
    await store.close();
  });

  test('has what was left of them, not more', async () => {
    const { clock, store, queue, delivery } = await pausedHolder();
    clock.advance(100);
    clock.advance(600);
    expect(delivery.signal.aborted).toBe(true);
    expect(await acquireOne(queue)).toMatchObject({ attempt: 2, expiries: 1, failures: 0 });
    await store.close();
  });

  test.each(['power cut', 'kill'])(
    'and ends by a %s in its pause: one view is left',
    async (how) => {
      const { disk, delivery } = await pausedHolder();
      if (how === 'kill') disk.kill();
      else disk.cutPower();
      const store = await disk.open();
      const queue = await store.queue('q', { codec: utf8, leaseMs: LEASE_MS });
      const again = await acquireOne(queue);
      // Its attempt was journaled, but at `os`: a power cut may take it.
      expect(again).toMatchObject(
        how === 'kill' ? { attempt: 2, crashes: 1, failures: 0 } : { failures: 0, expiries: 0 },
      );
      expect(again.ownerEpoch).toBeGreaterThan(delivery.ownerEpoch);
      expect(await queue.acquire()).toEqual([]);
      await again.ack();
      await store.close();
      const last = await disk.open();
      const rest = await last.queue('q', { codec: utf8 });
      expect(await rest.acquire()).toEqual([]);
      expect(await rest.stats()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
      await last.close();
    },
  );
});
