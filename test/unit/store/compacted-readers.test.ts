/** Who reads a topic while it is compacted, and after: tables, groups, queues, records by their offsets. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { nextTurn } from '../../../src/core/clock.ts';
import { ConflictError } from '../../../src/core/errors.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import {
  compactable,
  fill,
  foldOf,
  numbered,
  offsetsOf,
  openSmall,
  until,
} from '../../support/compacted-topic.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function setup(count = 200) {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close().catch(() => undefined));
  const topic = await openSmall(store, 't');
  await fill(topic, count);
  await compactable(store, topic);
  return { bench, store, topic };
}

describe('a table', () => {
  test.each([null, 0])('is the same before and after, with bytesMax %s', async (bytesMax) => {
    const { topic } = await setup();
    const table = await topic.table({ bytesMax });
    await topic.compact();
    const fresh = await topic.table({ bytesMax });
    for (let k = 0; k < 5; k++) {
      for (const one of [table, fresh]) {
        expect(await one.get(`k${k}`)).toMatchObject({ offset: 195 + k, value: numbered(195 + k) });
      }
    }
    expect(table.size).toBe(5);
    await Promise.all([table.close(), fresh.close()]);
  });
});

describe('a reader', () => {
  test('that is under way sees its records to the end, and the last of each key', async () => {
    const { topic } = await setup();
    const records = topic.records();
    const seen: number[] = [];
    const last = new Map<string, string | null>();
    for await (const { offset, key, value } of records) {
      seen.push(offset);
      last.set(key ?? '', value);
      if (seen.length === 10) await topic.compact();
    }
    expect(seen.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, at) => at));
    expect(seen).toEqual(seen.toSorted((one, two) => one - two));
    expect([...last.values()]).toEqual(Array.from({ length: 5 }, (_, at) => numbered(195 + at)));
  });

  test('finds nothing in a hole, and goes on behind it', async () => {
    const { topic } = await setup();
    await topic.compact();
    expect(await topic.read({ partition: 0, offset: 100 })).toBeNull();
    expect(await topic.read({ partition: 0, offset: 175 })).toMatchObject({ value: numbered(175) });
    const behind = topic.records({ partitions: 0, from: 100 });
    expect((await behind.next()).value).toMatchObject({ offset: 175 });
    await behind.return();
  });
});

/** Offsets of what a member reads until it has this many, or waits. */
async function readBy(member: ConsumerGroup<string>, count: number): Promise<number[]> {
  const offsets: number[] = [];
  for await (const batch of member.batches()) {
    for (const { offset } of batch) offsets.push(offset);
    await member.commit(batch);
    if (offsets.length >= count) break;
  }
  return offsets;
}

describe('a consumer group', () => {
  test('whose position is in a hole goes on behind it, and its lag counts offsets', async () => {
    const { bench, store, topic } = await setup();
    const first = await topic.consumerGroup('g');
    expect(await readBy(first, 50)).toHaveLength(50);
    await first.close();
    await topic.compact();
    const { partitions } = await topic.describeGroup('g');
    expect(partitions).toMatchObject([{ committedOffset: 50, lag: 150 }]);
    const again = await bench.reopen(store);
    const reopened = await openSmall(again, 't');
    const member = await reopened.consumerGroup('g');
    const left = await offsetsOf(reopened);
    expect(await readBy(member, left.length)).toEqual(left);
    expect(await reopened.describeGroup('g')).toMatchObject({ partitions: [{ lag: 0 }] });
    await member.close();
    await again.close();
  });
});

describe('a queue', () => {
  test('of a compacted topic keeps its records, and passes over those that are gone', async () => {
    const { bench, store, topic } = await setup();
    const queue = await store.queue('t', { codec: utf8 });
    expect((await topic.describeShareGroup('queue')).settings).toMatchObject({ retention: 'keep' });
    const early = await queue.acquire({ max: 10 });
    expect(early.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await topic.compact();
    expect(early[3]?.value).toBe(numbered(3)); // What is leased keeps its bytes.
    for (const delivery of early.slice(0, 5)) await delivery.ack();
    for (const delivery of early.slice(5)) await delivery.release();
    const left = await offsetsOf(topic);
    const rest: number[] = [];
    for (;;) {
      const deliveries = await queue.acquire({ max: 50 });
      if (deliveries.length === 0) break;
      for (const delivery of deliveries) {
        rest.push(delivery.offset);
        await delivery.ack();
      }
    }
    // The others of the segment that it had read were at hand; those that were released are gone.
    expect(rest.filter((offset) => offset >= 20)).toEqual(left);
    expect(rest.filter((offset) => offset < 10)).toEqual([]);
    bench.clock.advance(120_000); // Settled segments would go by now.
    await nextTurn();
    expect(await offsetsOf(topic)).toEqual(left);
    await queue.close();
  });

  test('cannot have settled records go from a compacted topic', async () => {
    const { store } = await setup(20);
    const settled = store.queue('t', { codec: utf8, retention: 'settled' });
    await expect(settled).rejects.toThrow(ConflictError);
    await store.queue('q', { codec: utf8 });
    await expect(store.alterTopic('q', { compaction: 'key' })).rejects.toThrow(ConflictError);
  });

  test('of dead letters may be compacted: the last of each key waits there', async () => {
    const { store } = await setup(0);
    const dead = await openSmall(store, 'dead', { compaction: 'key', compactionLagMsMin: 1 });
    const options = { codec: utf8, deadLetter: 'dead', failuresMax: 1 } as const;
    const work = await store.queue('work', options);
    for (let n = 0; n < 60; n++) await work.send(numbered(n), { key: `k${n % 3}` });
    for (let n = 0; n < 60; n++) for (const one of await work.acquire()) await one.reject('bad');
    await until(() => (dead.partitions.at(0).opened?.visibleOffset ?? 0) === 60);
    await store.alterTopic('dead', { compactionLagMsMin: 0 });
    const before = await foldOf(dead);
    const [result] = await dead.compact();
    expect(result?.supersededCount).toBeGreaterThan(20);
    expect(await foldOf(dead)).toEqual(before);
    await work.close();
  });
});
