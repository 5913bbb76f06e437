/** Consumer groups end to end on a store in memory: reading, committing, handing over. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { utf8 } from '../../../src/codec/codec.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreBench } from '../../support/store-fixture.ts';

interface Setup {
  readonly bench: StoreBench;
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

async function setup(partitions = 1, recordCount = 0): Promise<Setup> {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions });
  await appendTo(topic, 0, recordCount);
  return { bench, store, topic };
}

/** One record after the other, round robin: each is a batch of its own. */
async function appendTo(topic: StoreTopic<string>, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at++) {
    await topic.append({ value: `${at}` }, { partition: at % topic.partitionCount });
  }
}

/** Takes `count` values, handling each with `handle` before the next is asked for. */
async function take(
  group: ConsumerGroup<string>,
  count: number,
  handle: (value: string) => void | Promise<void> = () => undefined,
): Promise<string[]> {
  const values: string[] = [];
  if (count === 0) return values;
  for await (const batch of group.batches()) {
    for (const { value } of batch) {
      await handle(value ?? '');
      values.push(value ?? '');
    }
    if (values.length >= count) break;
  }
  return values;
}

describe('committing', () => {
  test('goes on where it was committed, also in the next process', async () => {
    const { bench, store, topic } = await setup(1, 6);
    const group = await topic.consumerGroup('g');
    for await (const batch of group.batches()) {
      await group.commit(batch, { metadata: 'half' });
      if (batch.nextOffset === 3) break;
    }
    await take(group, 2); // Not committed.
    await group.close();
    const again = await bench.reopen(store);
    onTestFinished(() => again.close());
    const reopened = await again.topic('t', { codec: utf8 });
    const next = await reopened.consumerGroup('g');
    expect(next.committed(0)).toMatchObject({ offset: 3, metadata: 'half' });
    expect(await take(next, 3)).toEqual(['3', '4', '5']);
  });

  test('without an argument: everything that was given', async () => {
    const { topic } = await setup(2, 4);
    const group = await topic.consumerGroup('g');
    await take(group, 4);
    await group.commit();
    expect([0, 1].map((partition) => group.committed(partition)?.offset)).toEqual([2, 2]);
  });

  test('a position by hand, but none that nobody can see yet', async () => {
    const { topic } = await setup(1, 4);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    await group.commit({ partition: 0, offset: 4 });
    expect(group.committed(0)?.offset).toBe(4);
    await expect(group.commit({ partition: 0, offset: 5 })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
    await expect(group.commit({ partition: 1, offset: 0 })).rejects.toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT', // There is no such partition.
    });
    await expect(
      group.commit({ partition: 0, offset: 1 }, { metadata: 'x'.repeat(4097) }),
    ).rejects.toMatchObject({ code: 'ERR_VARVE_TOO_LARGE' });
    expect(group.committed(0)?.offset).toBe(4);
  });

  test('many at a time share entries of the journal', async () => {
    const { store, topic } = await setup(1, 1);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    const before = store.stats().journal.endOffset;
    await Promise.all(
      Array.from({ length: 1000 }, () => group.commit({ partition: 0, offset: 1 })),
    );
    expect(store.stats().journal.endOffset - before).toBeLessThan(5);
  });

  test('autoCommit after: what was handled, when the next batch is asked for, and on close', async () => {
    const { bench, topic } = await setup(1, 5);
    const group = await topic.consumerGroup('g', { autoCommit: 'after', autoCommitMs: 1000 });
    const seen: (number | undefined)[] = [];
    await take(group, 4, (value) => {
      seen.push(group.committed(0)?.offset);
      if (value === '1') bench.clock.advance(1000);
    });
    expect(seen).toEqual([undefined, undefined, 2, 2]);
    await group.close();
    const next = await topic.consumerGroup('g');
    expect(next.committed(0)?.offset).toBe(3); // Nobody said that the last batch is done with.
  });

  test('autoCommit before: each batch, before it is handed out', async () => {
    const { topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g', { autoCommit: 'before' });
    const seen: (number | undefined)[] = [];
    await take(group, 3, () => void seen.push(group.committed(0)?.offset));
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('members', () => {
  test('share the partitions: each record is read once', async () => {
    const { topic } = await setup(4, 0);
    const groups = [await topic.consumerGroup('g'), await topic.consumerGroup('g')];
    const seen: string[] = [];
    const reading = groups.map(async (group) => {
      for await (const batch of group.batches()) {
        for (const { value } of batch) seen.push(value ?? '');
        await group.commit(batch);
        if (seen.length >= 40) await Promise.all(groups.map((member) => member.close()));
      }
    });
    await appendTo(topic, 0, 40);
    await Promise.all(reading);
    expect(seen.map(Number).toSorted((one, two) => one - two)).toEqual(
      Array.from({ length: 40 }, (_, at) => at),
    );
  });

  test('a partition changes hands when its batch is done with', async () => {
    const { topic } = await setup(2, 4);
    const revoked: number[][] = [];
    const assigned: number[][] = [];
    const a = await topic.consumerGroup('g', {
      onRevoked: (partitions) => void revoked.push([...partitions]),
    });
    const batches = a.batches();
    await batches.next();
    const b = await topic.consumerGroup('g', {
      onAssigned: (partitions) => void assigned.push([...partitions]),
    });
    expect(a.assignment).toEqual([0, 1]);
    expect(b.assignment).toEqual([]);
    await batches.next();
    expect(revoked).toEqual([[1]]);
    expect(a.assignment).toEqual([0]);
    expect(b.assignment).toEqual([1]);
    await take(b, 1);
    expect(assigned).toEqual([[1]]);
  });

  test('one that stalls is fenced: its commit changes nothing, and it joins again', async () => {
    const { bench, topic } = await setup(1, 4);
    const lost: number[][] = [];
    const slow = await topic.consumerGroup('g', {
      pollMsMax: 1000,
      onLost: (partitions) => void lost.push([...partitions]),
    });
    const batches = slow.batches();
    const { value: batch } = await batches.next();
    const other = await topic.consumerGroup('g', { pollMsMax: 60_000 });
    bench.clock.advance(1000);
    expect(other.assignment).toEqual([0]);
    await expect(slow.commit(present(batch ?? null, 'there are records'))).rejects.toMatchObject({
      code: 'ERR_VARVE_FENCED',
      details: { group: 'g', partition: 0 },
    });
    expect(await take(other, 4)).toEqual(['0', '1', '2', '3']);
    const before = slow.memberId;
    const next = batches.next();
    await other.close();
    const { value } = await next;
    expect(lost).toEqual([[0]]);
    expect(slow.memberId).not.toBe(before);
    expect([...present(value ?? null, 'there are records')].map((record) => record.value)).toEqual([
      '0',
    ]);
  });

  test('of one group must agree on singleActive', async () => {
    const { topic } = await setup(2);
    const active = await topic.consumerGroup('g', { singleActive: true });
    const standby = await topic.consumerGroup('g', { singleActive: true });
    expect([active.assignment, standby.assignment]).toEqual([[0, 1], []]);
    await expect(topic.consumerGroup('g')).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    await active.close();
    expect(standby.assignment).toEqual([0, 1]);
  });
});

describe('where a group begins', () => {
  test.each([
    ['earliest' as const, ['0', '1', '2', '3']],
    [{ offset: 3 }, ['3']],
    [{ ageMs: 15 }, ['2', '3']],
    [{ timestamp: Date.UTC(2026, 0, 1) + 10 }, ['1', '2', '3']],
  ])('%j', async (from, expected) => {
    const { bench, topic } = await setup(1);
    for (let at = 0; at < 4; at++) {
      await topic.append({ value: `${at}` });
      bench.clock.advance(10);
    }
    bench.clock.advance(-0);
    const group = await topic.consumerGroup('g', {
      from: from === 'earliest' ? from : shift(from),
    });
    expect(await take(group, expected.length)).toEqual(expected);

    /** The last record was appended 10 ms ago. */
    function shift(start: Exclude<typeof from, 'earliest'>) {
      return 'ageMs' in start ? { ageMs: start.ageMs + 10 } : start;
    }
  });

  test('latest: what comes from now on', async () => {
    const { topic } = await setup(1, 3);
    const group = await topic.consumerGroup('g', { from: 'latest' });
    const reading = take(group, 1);
    await new Promise((resolve) => setImmediate(resolve));
    await appendTo(topic, 3, 1);
    expect(await reading).toEqual(['3']);
  });

  test.each(['latest' as const, { ageMs: 1 }, { timestamp: Date.UTC(2026, 0, 2) }])(
    'once for all members: what comes while a partition changes hands is read, from %j',
    async (from) => {
      const { bench, topic } = await setup(1, 3);
      bench.clock.advance(10);
      const one = await topic.consumerGroup('g', { from });
      const reading = take(one, 1).catch(() => []);
      await expect.poll(() => one.committed(0)?.offset).toBe(3);
      await one.close();
      await reading;
      bench.clock.advance(2 * 24 * 60 * 60 * 1000);
      await appendTo(topic, 3, 1);
      bench.clock.advance(10);
      const two = await topic.consumerGroup('g', { from });
      expect(await take(two, 1)).toEqual(['3']);
    },
  );

  test('what retention took is passed, or reported', async () => {
    const { topic } = await setup(1, 4);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    await group.commit({ partition: 0, offset: 1 });
    await group.close();
    const [log] = topic.partitions.opened();
    await log?.deleteBefore(3);
    const strict = await topic.consumerGroup('g', { whenLost: 'fail' });
    await expect(take(strict, 1)).rejects.toMatchObject({ code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE' });
    await strict.close();
    const next = await topic.consumerGroup('g');
    expect(await take(next, 1)).toEqual(['3']);
  });
});

describe('seek, pause, resume', () => {
  test('seek goes back, and on', async () => {
    const { topic } = await setup(1, 5);
    const group = await topic.consumerGroup('g');
    expect(await take(group, 3)).toEqual(['0', '1', '2']);
    group.seek(0, { offset: 1 });
    expect(await take(group, 2)).toEqual(['1', '2']);
    expect(() => group.seek(1, 'earliest')).toThrow('from 0 to 0, got `1`');
  });

  test('a paused partition keeps its place', async () => {
    const { topic } = await setup(2, 6);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    group.pause([0]);
    expect(await take(group, 3)).toEqual(['1', '3', '5']);
    group.pause();
    group.resume([0]);
    expect(await take(group, 2)).toEqual(['2', '4']);
    expect(group.assignment).toEqual([0, 1]);
  });
});

describe('admin', () => {
  test('lag in records and as age', async () => {
    const { bench, topic } = await setup(2, 4);
    const group = await topic.consumerGroup('g');
    await take(group, 1);
    await group.commit();
    bench.clock.advance(5000);
    const { members, partitions } = await topic.describeGroup('g');
    expect(members).toEqual([{ id: group.memberId, partitions: [0, 1] }]);
    expect(partitions).toEqual([
      expect.objectContaining({
        committedOffset: 1,
        endOffset: 2,
        lag: 1,
        oldestUnreadAgeMs: 5000,
      }),
      expect.objectContaining({ committedOffset: null, lag: 2, oldestUnreadAgeMs: 5000 }),
    ]);
    await take(group, 3);
    await group.commit();
    const later = await topic.describeGroup('g');
    expect(later.partitions.map(({ lag, oldestUnreadAgeMs }) => [lag, oldestUnreadAgeMs])).toEqual([
      [0, null],
      [0, null],
    ]);
    await expect(topic.describeGroup('x')).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
  });

  test.each([
    ['earliest' as const, 0],
    ['latest' as const, 6],
    ['current' as const, 3],
    [{ offset: 5 }, 5],
    [{ offset: 99 }, 6],
    [{ shiftBy: -2 }, 1],
    [{ shiftBy: -20 }, 0],
    [{ shiftBy: 2 }, 5],
  ])('reset to %j', async (to, expected) => {
    const { topic } = await setup(1, 6);
    const group = await topic.consumerGroup('g');
    await take(group, 3);
    await group.commit();
    await expect(topic.resetGroup('g', to)).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    await group.close();
    expect(await topic.resetGroup('g', to)).toEqual([{ partition: 0, from: 3, to: expected }]);
    const idle = await topic.consumerGroup('g');
    expect(idle.committed(0)?.offset).toBe(3); // A dry run.
    await idle.close();
    await topic.resetGroup('g', to, { dryRun: false });
    const next = await topic.consumerGroup('g');
    expect(next.committed(0)?.offset).toBe(expected);
  });

  test('who joins while a reset is on its way begins where it leads', async () => {
    const { topic } = await setup(1, 4);
    const before = await topic.consumerGroup('g');
    await take(before, 3);
    await before.commit();
    await before.close();
    const resetting = topic.resetGroup('g', 'earliest', { dryRun: false });
    const joined = topic.consumerGroup('g');
    expect(await resetting).toMatchObject([{ from: 3, to: 0 }]);
    expect(await take(await joined, 1)).toEqual(['0']);
  });

  test('delete forgets the positions', async () => {
    const { bench, store, topic } = await setup(1, 2);
    const group = await topic.consumerGroup('g');
    await take(group, 2);
    await group.commit();
    await expect(topic.deleteGroup('g')).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    await group.close();
    await topic.deleteGroup('g');
    await expect(topic.deleteGroup('g')).rejects.toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
    const again = await bench.reopen(store);
    onTestFinished(() => again.close());
    const reopened = await again.topic('t', { codec: utf8 });
    expect((await reopened.consumerGroup('g')).committed(0)).toBeNull();
  });
});
