/** How many logs of a store sync at a time, and who comes first. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { present } from '../../../src/core/assert.ts';
import { DiskFullError } from '../../../src/core/errors.ts';
import { FLUSH_MS, SYNC_PATIENCE_MS, SYNCS_IN_FLIGHT_MAX } from '../../../src/core/limits.ts';
import { SyncTurns, type SyncRank, type SyncTurn } from '../../../src/log/sync-turns.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { CommitBench } from '../../support/commit-bench.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('turns', () => {
  const clock = new ManualClock();
  const turnsOf = () => new SyncTurns({ clock, max: 2 });

  /** Takes turns for `ranks`; those that began by their number, in their order. */
  function take(turns: SyncTurns, ranks: readonly SyncRank[], logs: readonly object[] = []) {
    const begun: number[] = [];
    const taken = ranks.map((rank, number): SyncTurn => {
      const turn = turns.take(rank, logs[number] ?? {});
      if (turn.begun === null) begun.push(number);
      else void turn.begun.then(() => begun.push(number));
      return turn;
    });
    return { begun, taken };
  }

  test('come in the order in which they were asked for, so many at a time', async () => {
    const turns = turnsOf();
    const { begun, taken } = take(turns, ['awaited', 'awaited', 'awaited', 'awaited']);
    expect([turns.runningCount, turns.waitingCount]).toEqual([2, 2]);
    taken[1]?.end();
    await settle();
    expect(begun).toEqual([0, 1, 2]);
    taken[0]?.end();
    taken[2]?.end();
    await settle();
    expect(begun).toEqual([0, 1, 2, 3]);
    taken[3]?.end();
    expect([turns.runningCount, turns.waitingCount]).toEqual([0, 0]);
  });

  test('of the background have one place, and hold nobody up', async () => {
    const turns = turnsOf();
    const ranks = ['background', 'background', 'awaited', 'awaited'] as const;
    const { begun, taken } = take(turns, ranks);
    await settle();
    expect(begun).toEqual([0, 2]);
    taken[2]?.end();
    await settle();
    expect(begun).toEqual([0, 2, 3]);
    taken[0]?.end();
    await settle();
    expect(begun).toEqual([0, 2, 3, 1]);
  });

  test('of the background go on as others when somebody waits for them', async () => {
    const turns = turnsOf();
    const { begun, taken } = take(turns, ['background', 'background', 'background']);
    expect(begun).toEqual([0]);
    taken[2]?.hurry();
    await settle();
    expect(begun).toEqual([0, 2]);
    taken[0]?.hurry(); // It runs: the background has a place again, but there is none.
    taken[2]?.end();
    await settle();
    expect(begun).toEqual([0, 2, 1]);
  });

  test('of the journal come before all that wait', async () => {
    const turns = turnsOf();
    const ranks = ['awaited', 'awaited', 'awaited', 'awaited', 'journal'] as const;
    const { begun, taken } = take(turns, ranks);
    taken[0]?.end();
    await settle();
    expect(begun).toEqual([0, 1, 4]);
  });

  test('of one log come one after the other, whoever waits for them', async () => {
    const turns = turnsOf();
    const [one, two] = [{}, {}];
    const ranks = ['background', 'awaited', 'awaited', 'background'] as const;
    const { begun, taken } = take(turns, ranks, [one, one, two, one]);
    await settle();
    expect(begun).toEqual([0, 2]);
    taken[0]?.end();
    await settle();
    expect(begun).toEqual([0, 2, 1]);
    taken[1]?.end();
    await settle();
    expect(begun).toEqual([0, 2, 1, 3]);
  });
});

describe('a sync that takes too long', () => {
  const setupTurns = (ranks: readonly SyncRank[]) => {
    const clock = new ManualClock();
    const turns = new SyncTurns({ clock });
    const begun: number[] = [];
    const take = (rank: SyncRank): SyncTurn => {
      const number = taken.length;
      const turn = turns.take(rank, {});
      if (turn.begun === null) begun.push(number);
      else void turn.begun.then(() => begun.push(number));
      taken.push(turn);
      return turn;
    };
    const taken: SyncTurn[] = [];
    ranks.forEach(take);
    const pass = async (deltaMs: number): Promise<void> => {
      clock.advance(deltaMs);
      await settle(2);
    };
    return { clock, turns, begun, taken, take, pass };
  };

  test('lets the others of the background go on, one at a time', async () => {
    const { clock, begun, taken, pass } = setupTurns(['background', 'background', 'background']);
    await pass(SYNC_PATIENCE_MS - 1);
    expect(begun).toEqual([0]);
    await pass(1);
    expect(begun).toEqual([0, 1]);
    taken[1]?.end();
    await pass(0);
    expect(begun).toEqual([0, 1, 2]);
    expect(clock.pendingTimerCount).toBe(0); // Nobody waits.
  });

  test('and a second one leaves a slot to callers, the journal first', async () => {
    const { begun, taken, take, pass } = setupTurns(['background', 'background', 'background']);
    await pass(SYNC_PATIENCE_MS);
    await pass(10 * SYNC_PATIENCE_MS);
    expect(begun).toEqual([0, 1]);
    for (const rank of ['awaited', 'awaited', 'journal'] as const) take(rank);
    await pass(10 * SYNC_PATIENCE_MS);
    expect(begun).toEqual([0, 1, 3]);
    taken[3]?.end();
    await pass(0);
    expect(begun).toEqual([0, 1, 3, 5]);
    taken[0]?.end(); // The second one gives its slot up now.
    await pass(0);
    expect(begun).toEqual([0, 1, 3, 5, 2]);
    taken[5]?.end();
    await pass(0);
    expect(begun).toEqual([0, 1, 3, 5, 2, 4]);
  });

  test('lets callers go on where two of them take too long', async () => {
    const { begun, turns, taken, pass } = setupTurns(['awaited', 'awaited', 'awaited', 'journal']);
    await pass(SYNC_PATIENCE_MS);
    expect(begun).toEqual([0, 1, 3]);
    taken[3]?.end();
    await pass(0);
    expect(begun).toEqual([0, 1, 3, 2]);
    expect(turns.runningCount).toBe(SYNCS_IN_FLIGHT_MAX + 1);
  });

  test('is none when nobody waits, and gives way at once to who comes then', async () => {
    const { clock, begun, take, pass } = setupTurns(['background']);
    expect(clock.pendingTimerCount).toBe(0);
    await pass(SYNC_PATIENCE_MS);
    take('background');
    await pass(0);
    expect(begun).toEqual([0, 1]);
  });
});

describe('a store', () => {
  async function setup(durability: 'sync' | 'interval'): Promise<{
    readonly bench: StoreBench;
    readonly topic: StoreTopic<string>;
    readonly held: HeldSyncs;
  }> {
    const bench = new StoreBench();
    const held = new HeldSyncs(bench.fileSystem, '.log');
    const store = await bench.open();
    onTestFinished(() => store.close());
    onTestFinished(() => held.release()); // Before the store is closed: also when the test failed.
    const topic = await store.topic('t', { codec: utf8, partitions: 5, durability });
    for (let partition = 0; partition < 5; partition++) {
      await topic.append({ value: 'open' }, { partition });
    }
    await topic.sync();
    return { bench, topic, held };
  }

  test('has two syncs in flight, and answers all in the end', async () => {
    const { topic, held } = await setup('sync');
    held.hold();
    const appends = [0, 1, 2, 3, 4].map((partition) => topic.append({ value: 'a' }, { partition }));
    await settle();
    expect(held.waiting).toHaveLength(SYNCS_IN_FLIGHT_MAX);
    held.release();
    expect((await Promise.all(appends)).map(({ offset }) => offset)).toEqual([1, 1, 1, 1, 1]);
  });

  test('what is written while its sync waits for its turn is synced with it', async () => {
    const { topic, held } = await setup('sync');
    held.hold();
    const first = [0, 1, 2].map((partition) => topic.append({ value: 'a' }, { partition }));
    await settle();
    const more = topic.append({ value: 'b' }, { partition: 2 });
    await settle();
    held.release();
    const log = topic.partitions.at(2).opened;
    const watched = log?.durableOffset;
    await Promise.all(first);
    expect([watched, log?.durableOffset]).toEqual([1, 3]);
    expect(await more).toMatchObject({ offset: 2 });
  });

  test('what many turns of the event loop append while a sync waits is one write', async () => {
    const { topic, held } = await setup('sync');
    held.hold();
    const appends = [0, 1, 2].map((partition) => topic.append({ value: 'a' }, { partition }));
    await settle();
    for (let turn = 0; turn < 10; turn++) {
      appends.push(topic.append({ value: 'b' }, { partition: 2 }));
      await settle(2);
    }
    held.release();
    expect((await Promise.all(appends)).at(-1)).toMatchObject({ offset: 11, durability: 'sync' });
    const counts: number[] = [];
    for await (const { recordCount } of topic.batches({ partitions: 2 })) counts.push(recordCount);
    expect(counts).toEqual([1, 1, 10]);
  });

  test('what comes while its own sync is in flight is written when that has ended', async () => {
    const { topic, held } = await setup('sync');
    const log = present(topic.partitions.at(0).opened, 'it was used');
    held.hold();
    const first = topic.append({ value: 'a' }, { partition: 0 });
    await settle();
    const { sizeBytes } = log.stats();
    const next = topic.append({ value: 'b' }, { partition: 0 });
    await settle();
    expect(log.stats().sizeBytes).toBe(sizeBytes);
    held.release();
    await first;
    expect(await next).toMatchObject({ offset: 2, durability: 'sync' });
  });

  test('whoever waits for less than a sync, or appends much, has it written beside a sync', async () => {
    const { topic, held } = await setup('sync');
    const log = present(topic.partitions.at(0).opened, 'it was used');
    held.hold();
    const first = topic.append({ value: 'a' }, { partition: 0 });
    await settle();
    const small = topic.append({ value: 'b' }, { partition: 0 });
    await topic.append({ value: 'c' }, { partition: 0, durability: 'os' });
    const { sizeBytes } = log.stats();
    const large = topic.append({ value: 'd'.repeat(40_000) }, { partition: 0 });
    await settle();
    expect(log.stats().sizeBytes).toBeGreaterThan(sizeBytes + 40_000);
    expect(log.syncedOffset).toBe(1);
    held.release();
    expect((await Promise.all([first, small, large])).map(({ offset }) => offset)).toEqual([
      1, 2, 4,
    ]);
  });

  test('what waits for a sync and finds no room then is refused, and the log goes on', async () => {
    const bench = new CommitBench();
    const held = new HeldSyncs(bench.fileSystem, '.log');
    const { topic } = await bench.open();
    await topic.append({ value: 'open' }, { partition: 0 });
    held.hold();
    const first = topic.append({ value: 'a' }, { partition: 0 });
    await settle();
    const refused = topic.append({ value: 'b' }, { partition: 0 });
    refused.catch(() => undefined);
    await settle();
    bench.fileSystem.addFault({ operations: ['write'], path: /log$/, errno: 'ENOSPC', times: 1 });
    held.release();
    expect(await first).toMatchObject({ offset: 1 });
    await expect(refused).rejects.toThrow(DiskFullError);
    expect(await topic.append({ value: 'c' }, { partition: 0 })).toMatchObject({ offset: 2 });
  });

  test('closing writes and syncs what waits for a sync', async () => {
    const { topic, held } = await setup('sync');
    held.hold();
    const first = topic.append({ value: 'a' }, { partition: 0 });
    await settle();
    const next = topic.append({ value: 'b' }, { partition: 0 });
    await settle();
    const closing = topic.partitions.close();
    held.release();
    expect(await first).toMatchObject({ offset: 1 });
    expect(await next).toMatchObject({ offset: 2, durability: 'sync' });
    await closing;
  });

  test('timed syncs take one place, appends that are waited for the other', async () => {
    const { bench, topic, held } = await setup('interval');
    held.hold();
    for (const partition of [0, 1, 2]) await topic.append({ value: 'a' }, { partition });
    bench.clock.advance(FLUSH_MS);
    await settle();
    expect(held.waiting).toHaveLength(1);
    const synced = topic.append({ value: 'b' }, { partition: 3, durability: 'sync' });
    await settle();
    expect(held.waiting).toHaveLength(2);
    held.release();
    expect(await synced).toMatchObject({ durability: 'sync' });
  });

  test('the journal waits for one sync of a partition, not for all of them', async () => {
    const { topic, held } = await setup('sync');
    const group = await topic.consumerGroup('g');
    const batches = group.batches();
    await batches.next();
    held.hold();
    const appends = [0, 1, 2, 3, 4].map((partition) => topic.append({ value: 'a' }, { partition }));
    await settle();
    const commit = group.commit();
    await settle();
    const before = held.waiting.length;
    held.release();
    held.hold();
    await settle();
    expect(before).toBe(2);
    expect(held.waiting.some((path) => path.includes('/journal/'))).toBe(true);
    held.release();
    await commit;
    await Promise.all(appends);
    await batches.return();
    expect(group.committed(0)?.offset).toBe(1);
  });
});
