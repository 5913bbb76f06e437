/** What has to do with very many records at a time gives turns of the event loop back. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ManualClock, nextTurn } from '../../../src/core/clock.ts';
import type { ValueOf } from '../../../src/journal/entry-fields.ts';
import type { PartitionLeases } from '../../../src/queue/partition-leases.ts';
import type { recordsDied } from '../../../src/queue/share-entries.ts';
import { SharePartition } from '../../../src/queue/share-partition.ts';
import { Undertaker, type UndertakerParts } from '../../../src/queue/undertaker.ts';
import { QueueBench } from '../../support/queue-bench.ts';

const COUNT = 7000;
const LEASE_MS = 30_000;

async function leased() {
  const bench = new QueueBench();
  const limits = { failuresMax: null, expiriesMax: null };
  const { store, queue } = await bench.open({ leaseMs: LEASE_MS, leasedMax: COUNT, ...limits });
  await queue.sendBatch(Array.from({ length: COUNT }, (_, at) => ({ value: `${at}` })));
  const deliveries = await queue.acquire({ max: COUNT });
  expect(deliveries).toHaveLength(COUNT);
  return { bench, store, queue, deliveries };
}

async function turnsUntil(isDone: () => boolean | Promise<boolean>): Promise<number> {
  for (let turns = 0; turns < 1000; turns++) {
    if (await isDone()) return turns;
    await nextTurn();
  }
  throw new Error('it is not done after a thousand turns');
}

describe('very many leases that are over at once', () => {
  test('are ended some at a time, and those that wait may still be settled or renewed', async () => {
    const { bench, queue, deliveries } = await leased();
    bench.clock.advance(LEASE_MS + 100);
    const running = deliveries.filter(({ lost }) => lost === null);
    expect(running.length).toBeGreaterThan(COUNT / 2);
    expect(running.length).toBeLessThan(COUNT);
    const [acked, renewed, released, ...others] = running.toReversed();
    const settled = [
      present(acked, 'one').ack(),
      present(released, 'one').release({ failed: true }),
    ];
    present(renewed, 'one').renew();
    const turns = await turnsUntil(() => others.every(({ lost }) => lost === 'expired'));
    expect(turns).toBeGreaterThanOrEqual(2);
    await Promise.all(settled);
    expect([acked, renewed, released].map((each) => each?.lost)).toEqual([null, null, null]);
    await turnsUntil(async () => (await queue.stats()).leasedCount === 1);
    expect(await queue.stats()).toMatchObject({ readyCount: COUNT - 2, settled: { acked: 1 } });
    const again = await queue.acquire({ max: COUNT });
    const tried = again.filter(({ expiries, failures }) => expiries === 1 && failures === 0);
    expect(tried).toHaveLength(COUNT - 3);
    expect(again.find(({ offset }) => offset === released?.offset)).toMatchObject({
      expiries: 0,
      failures: 1,
    });
    await renewed?.ack();
  });

  test('are ended once, whatever is over meanwhile', async () => {
    const { bench, queue, deliveries } = await leased();
    bench.clock.advance(LEASE_MS + 100);
    const running = deliveries.filter(({ lost }) => lost === null);
    for (const delivery of running) delivery.renew(10);
    bench.clock.advance(200); // They are over again before it was their turn.
    await turnsUntil(async () => {
      bench.clock.advance(50); // Found by the first tick behind the others.
      return (await queue.stats()).leasedCount === 0;
    });
    expect(deliveries.every(({ lost }) => lost === 'expired')).toBe(true);
    const again = await queue.acquire({ max: COUNT });
    expect(again.filter(({ expiries }) => expiries === 1)).toHaveLength(COUNT);
  });

  test('are nothing to a group that is closed before they are ended', async () => {
    const { bench, store, queue, deliveries } = await leased();
    bench.clock.advance(LEASE_MS + 100);
    await queue.close();
    expect(deliveries.filter(({ lost }) => lost === null)).toEqual([]);
    await store.close();
    const { queue: next } = await bench.next();
    expect(await next.stats()).toMatchObject({ readyCount: COUNT, leasedCount: 0 });
  });
});

describe('very many leases of a consumer that is closed', () => {
  test('are given back some at a time, and the others go on until then', async () => {
    const { store, queue, deliveries } = await leased();
    const closing = queue.close();
    let isClosed = false;
    void closing.then(() => (isClosed = true));
    await nextTurn();
    const running = deliveries.filter(({ isSettled }) => !isSettled);
    expect(running.length).toBeGreaterThan(COUNT / 3);
    expect(running.length).toBeLessThan(COUNT);
    const last = present(running[0], 'the oldest come last');
    const acked = last.ack();
    await turnsUntil(() => isClosed);
    await acked;
    const lost = deliveries.filter((each) => each.lost === 'closed');
    expect(lost).toHaveLength(COUNT - 1);
    expect(last.lost).toBe(null);
    const queue2 = await store.queue('q');
    expect(await queue2.stats()).toMatchObject({ readyCount: COUNT - 1, settled: { acked: 1 } });
  });
});

test('very many records that are given up are buried by several entries', async () => {
  const state = new SharePartition(1, 0);
  state.acquire([0, COUNT], []);
  const counts: number[] = [];
  const append = (
    _type: unknown,
    { records, ...entry }: ValueOf<(typeof recordsDied)['fields'][number]>,
  ): Promise<number> => {
    counts.push(records.length);
    for (const each of records) state.die(each, entry.isKept, entry.timeMs);
    return Promise.resolve(counts.length);
  };
  const unused = { committer: {}, openDeadLetters: () => Promise.reject(new Error('no')) };
  const events = { died: () => undefined, failed: () => undefined };
  const undertaker = new Undertaker({
    ...unused,
    topic: 't',
    clock: new ManualClock(),
    journal: { append },
    deadLetters: () => null,
    events,
  } as unknown as UndertakerParts);
  const name = { topicId: 1, group: 'g', partition: 0 };
  const burials = Array.from({ length: COUNT }, (_, offset) => {
    return { offset, reason: 'crash' as const, error: '', record: null };
  });
  await undertaker.bury({ name, state } as PartitionLeases, burials);
  expect(state.dead.size).toBe(COUNT);
  expect(counts.length).toBeGreaterThanOrEqual(3);
});

test('very many records are browsed over several turns', async () => {
  const { queue } = await new QueueBench().open();
  await queue.sendBatch(Array.from({ length: COUNT }, (_, at) => ({ value: `${at}` })));
  const walk = { isDone: false };
  let turns = 0;
  const others = (async () => {
    for (; !walk.isDone; turns++) await nextTurn();
  })();
  let count = 0;
  for await (const { offset } of queue.browse()) expect(offset).toBe(count++);
  walk.isDone = true;
  await others;
  expect(count).toBe(COUNT);
  expect(turns).toBeGreaterThanOrEqual(3);
});
