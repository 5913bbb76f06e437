/**
 * F36. Elsewhere: a worker lost its lock, another one did the job again, and the first one, late, wrote its
 * result or finished the job of the other (Bull#308, #1416, #1310; BullMQ#439, #596).
 *
 * Here: each lease has a number of its own, and settling goes by it: what a stale holder does is refused
 * with `LeaseLostError` and changes nothing, its results included when they are in a transaction. Its
 * signal tells it. Tokens grow for ever, so another system can refuse a stale one, too.
 *
 * Red when settling goes by the record alone, when a lease number comes again after a restart, or when the
 * appends of a transaction do not depend on the lease.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { Delivery } from '../../src/queue/delivery.ts';
import type { Queue } from '../../src/queue/queue.ts';
import { textsOf } from '../support/dead-queue.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { StoreBench } from '../support/store-fixture.ts';

const LOST = { code: 'ERR_VARVE_LEASE_LOST' };

async function acquireOne(queue: Queue<string>): Promise<Delivery<string>> {
  const [delivery] = await queue.acquire({ waitMs: 1000 });
  return present(delivery, 'one is ready');
}

/** A record whose lease ran out; with `next`, somebody else has it. */
async function lateHolder() {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
  const results = await store.queue('results', { codec: utf8 });
  await queue.send('job');
  const late = await acquireOne(queue);
  const { signal } = late;
  bench.clock.advance(1100);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toMatchObject(LOST);
  const other = await store.queue('q', { codec: utf8 });
  const next = await acquireOne(other);
  return { store, queue, results, late, next };
}

type Late = Awaited<ReturnType<typeof lateHolder>>;

const WAYS: readonly [string, (given: Late) => Promise<unknown>][] = [
  ['ack', ({ late }) => late.ack()],
  ['release', ({ late }) => late.release({ failed: true })],
  ['reject', ({ late }) => late.reject('no')],
  ['giveBack', ({ late }) => late.giveBack()],
  ['renew', async ({ late }) => late.renew()],
  ['ackAll', ({ late, queue }) => queue.ackAll([late])],
  ['transaction', ({ late, results }) => late.transaction((tx) => tx.send(results, 'stale'))],
];

describe.each(WAYS)('F36: %s of a holder whose lease ran out', (_name, settle) => {
  test('changes nothing while another one has the record', async () => {
    const given = await lateHolder();
    const { store, results, next } = given;
    const before = store.stateHash();
    await expect(settle(given)).rejects.toMatchObject(LOST);
    expect(store.stateHash()).toBe(before);
    expect(next.leaseLeftMs).toBeGreaterThan(0);
    await next.transaction((transaction) => transaction.send(results, 'done'));
    expect(await textsOf(store, 'results')).toEqual(['done']);
    expect(await textsOf(store, 'q')).toEqual([]);
    await store.close();
  });

  test('changes nothing when the other one is done, or has given it back', async () => {
    for (const end of ['ack', 'release'] as const) {
      const given = await lateHolder();
      const { store, next } = given;
      await next[end]();
      const before = store.stateHash();
      await expect(settle(given)).rejects.toMatchObject(LOST);
      expect(store.stateHash()).toBe(before);
      expect(await textsOf(store, 'results')).toEqual([]);
      await store.close();
    }
  });
});

test('F36: a later token is greater, over restarts and power cuts too', async () => {
  const disk = await StoreDisk.make();
  let last: readonly [number, number] = [0, 0];
  const tokens = new Set<string>();
  for (let life = 0; life < 4; life++) {
    const store = await disk.open();
    const queue = await store.queue('q', { codec: utf8, leaseMs: 1000 });
    if (life === 0) await queue.send('job');
    for (let attempt = 0; attempt < 3; attempt++) {
      const { ownerEpoch, leaseNumber, token } = await acquireOne(queue);
      const [lastEpoch, lastNumber] = last;
      const isLater =
        ownerEpoch > lastEpoch || (ownerEpoch === lastEpoch && leaseNumber > lastNumber);
      expect(isLater).toBe(true);
      last = [ownerEpoch, leaseNumber];
      tokens.add(token);
      disk.clock.advance(1100);
    }
    if (life % 2 === 0) disk.cutPower();
    else await store.close();
  }
  expect(tokens.size).toBe(12);
});

test('F36: a later token is greater, also when the group or its topic was made anew', async () => {
  const store = await new StoreBench().open();
  let last = 0;
  for (const end of ['group', 'topic', 'none']) {
    const queue = await store.queue('q', { codec: utf8 });
    await queue.send('job');
    for (let opening = 0; opening < 3; opening++) {
      const again = await store.queue('q', { codec: utf8 });
      const { ownerEpoch } = await acquireOne(again);
      expect(ownerEpoch).toBeGreaterThan(last);
      last = ownerEpoch;
      await queue.close();
      await again.close();
    }
    const topic = await store.topic('q', { codec: utf8 });
    if (end === 'group') await topic.deleteShareGroup('queue');
    if (end === 'topic') await store.deleteTopic('q');
  }
  await store.close();
});
