/** What retention archives: copies that say why, and groups that are done with what was copied. */
import { afterEach, describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import { turns } from '../../support/log-fixture.ts';
import { HOUR_MS, SMALL, UnfinishedBench } from '../../support/unfinished-bench.ts';

const ARCHIVE = { unfinished: 'archive', archiveTo: 'late' } as const;

const benches: UnfinishedBench[] = [];

/** With the archive `late`. */
async function begun(): Promise<UnfinishedBench> {
  const bench = new UnfinishedBench();
  benches.push(bench);
  await (await bench.begin()).topic('late', { recordBytesMax: 2 ** 21 });
  return bench;
}

afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.here.close();
});

/** Of each copy: group, partition, offset and reason, as its headers say. */
async function copiesIn(store: Store, name = 'late'): Promise<readonly string[]> {
  const topic = await store.topic(name, { codec: utf8 });
  const copies: string[] = [];
  for await (const { headers } of topic.records()) {
    const text = (which: string) => Buffer.from(headers.get(which) ?? []).toString();
    const place = ['topic', 'group', 'partition', 'offset', 'reason', 'attempts'];
    copies.push(place.map((which) => text(`varve-death-${which}`)).join(' '));
  }
  return copies;
}

describe('archive', () => {
  test('copies what a consumer group has not passed, commits where it ends, and lets it go', async () => {
    const bench = await begun();
    const topic = await bench.topic('t', ARCHIVE);
    await bench.append('t', 5);
    await topic.resetGroup('g', { positions: [{ partition: 0, offset: 2 }] }, { dryRun: false });
    bench.grow();
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(4);
    expect(await copiesIn(bench.here)).toEqual(['t g 0 2 retention 0', 't g 0 3 retention 0']);
    expect(bench.countsOf('t')).toEqual(['consumer g age archived 2']);
    const { partitions } = await topic.describeGroup('g');
    expect(partitions).toMatchObject([{ committedOffset: 4, lag: 1 }]);
    await bench.retain('t');
    expect(await copiesIn(bench.here)).toHaveLength(2);
  });

  test('keeps what a position says beside its offset', async () => {
    const bench = await begun();
    const topic = await bench.topic('t', ARCHIVE);
    await bench.append('t', 3);
    const member = await topic.consumerGroup('g');
    for await (const batch of member.batches()) {
      await member.commit(batch, { metadata: 'as far as this' });
      break;
    }
    await member.close();
    bench.grow();
    await bench.retain('t');
    const { partitions } = await topic.describeGroup('g');
    expect(partitions).toMatchObject([{ committedOffset: 2, metadata: 'as far as this' }]);
  });

  test('leaves the place of a member to itself, copies once, and has it meet `whenLost`', async () => {
    const bench = await begun();
    const topic = await bench.topic('t', ARCHIVE);
    await bench.append('t', 6);
    const member = await topic.consumerGroup('g');
    const seen: number[] = [];
    for await (const batch of member.batches()) {
      seen.push(batch.baseOffset);
      if (seen.length === 1) {
        await member.commit(batch);
        bench.grow();
        await bench.retain('t');
        expect(await bench.startOf('t')).toBe(5);
        await bench.append('t', 3); // Each roll looks again.
      }
      if (batch.baseOffset === 8) break;
    }
    await bench.here.archive.idle();
    const copied = [1, 2, 3, 4, 5].map((at) => `t g 0 ${at} retention 0`);
    expect(await copiesIn(bench.here)).toEqual(copied);
    expect(bench.countsOf('t')).toEqual(['consumer g age archived 5']);
    expect(seen.slice(-3)).toEqual([6, 7, 8]);
  });

  test('settles what a share group has not, unread or given back, and waits for what is leased', async () => {
    const bench = await begun();
    const queue = await bench.queue('q', ARCHIVE);
    await bench.append('q', 7);
    const [first, second, third] = await queue.acquire({ max: 3 });
    await first?.ack();
    await second?.release({ error: 'not now' });
    bench.grow();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(2);
    expect(await copiesIn(bench.here)).toEqual([
      'q queue 0 1 retention 1',
      ...[3, 4, 5].map((at) => `q queue 0 ${at} retention 0`),
    ]);
    expect(await queue.stats()).toMatchObject({
      leasedCount: 1,
      readyCount: 1,
      settled: { acked: 1, trimmed: 4 },
    });
    await third?.release();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(6);
    expect(await copiesIn(bench.here)).toHaveLength(5);
    expect(bench.countsOf('q')).toEqual(['share queue age archived 5']);
    expect(await queue.acquire({ max: 10 })).toHaveLength(1);
  });

  test('takes over a group that a process left with leases, though nobody uses it', async () => {
    const bench = await begun();
    const queue = await bench.queue('q', ARCHIVE);
    await bench.append('q', 4);
    await queue.acquire({ max: 2 });
    // Another process: the first never gave back what it had.
    const store = await bench.here.snapshot().then(() => bench.again());
    bench.grow();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(3);
    expect(await copiesIn(store)).toHaveLength(3);
    expect(bench.countsOf('q')).toEqual(['share queue age archived 3']);
    const topic = await bench.topic('q');
    expect(await topic.describeShareGroup('queue')).toMatchObject({ consumerCount: 0 });
    await topic.deleteShareGroup('queue');
  });

  test('copies for each group that needs a record, and says for which', async () => {
    const bench = await begun();
    const topic = await bench.topic('t', ARCHIVE);
    await topic.shareGroup('s');
    await bench.append('t', 3);
    await topic.resetGroup('g', 'earliest', { dryRun: false });
    bench.grow();
    await bench.retain('t');
    expect((await copiesIn(bench.here)).toSorted()).toEqual([
      't g 0 0 retention 0',
      't g 0 1 retention 0',
      't s 0 0 retention 0',
      't s 0 1 retention 0',
    ]);
    expect(bench.countsOf('t')).toEqual(['consumer g age archived 2', 'share s age archived 2']);
  });

  test('has what was archived go back by redrive', async () => {
    const bench = await begun();
    const queue = await bench.queue('q', ARCHIVE);
    await bench.append('q', 3);
    bench.grow();
    await bench.retain('q');
    expect((await queue.stats()).readyCount).toBe(1);
    const late = await bench.here.queue('late', { recordBytesMax: 2 ** 21, codec: utf8 });
    await bench.here.alterTopic('q', { retentionMs: null });
    expect(await late.redrive({ dryRun: false })).toMatchObject({ movedCount: 2 });
    expect((await queue.stats()).readyCount).toBe(3);
  });

  test('of what is larger than a commit goes in several', async () => {
    const bench = await begun();
    const topic = await bench.here.topic('t', { ...ARCHIVE, ...SMALL, recordBytesMax: 2 ** 21 });
    const value = new Uint8Array(2 ** 20);
    for (let at = 0; at < 12; at++) await topic.append({ value });
    await topic.resetGroup('g', 'earliest', { dryRun: false });
    bench.grow();
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(11);
    expect(await copiesIn(bench.here)).toHaveLength(11);
    expect(bench.countsOf('t')).toEqual(['consumer g age archived 11']);
  });

  test('ends with a policy that is changed, and waits for none that is deleted', async () => {
    const bench = await begun();
    const topic = await bench.topic('t', ARCHIVE);
    await bench.append('t', 3);
    await topic.resetGroup('g', 'earliest', { dryRun: false });
    bench.grow();
    await bench.here.alterTopic('t', { unfinished: 'skip' });
    await bench.retain('t');
    expect(await copiesIn(bench.here)).toEqual([]);
    expect(bench.countsOf('t')).toEqual(['consumer g age skipped 2']);
  });
});

describe('where nothing can be archived, retention waits', () => {
  /** @param why  of what health says */
  async function expectWaiting(bench: UnfinishedBench, why: string): Promise<void> {
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(0);
    bench.clock.advance(HOUR_MS);
    await bench.retain('t');
    const [problem] = bench.here.health().problems.filter(({ topic }) => topic === 't');
    expect(problem).toMatchObject({ code: 'retention-waits', topic: 't', partition: 0 });
    expect(problem?.message).toContain('consumer group g has not finished, from offset 0 on');
    expect(problem?.message).toContain(why);
    expect(bench.countsOf('t')).toEqual([]);
  }

  async function withGroup(bench: UnfinishedBench): Promise<void> {
    const topic = await bench.topic('t', ARCHIVE);
    await bench.append('t', 4);
    await topic.resetGroup('g', 'earliest', { dryRun: false });
    bench.grow();
  }

  test('for the topic was deleted, until there is one of its name', async () => {
    const bench = await begun();
    await withGroup(bench);
    await bench.here.deleteTopic('late');
    await expectWaiting(bench, 'late');
    expect(bench.here.topics().map(({ name }) => name)).toEqual(['t']);
    await bench.here.topic('late');
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(3);
    expect(await copiesIn(bench.here)).toHaveLength(3);
    expect(bench.here.health().problems).toEqual([]);
  });

  test('for a record is too large with what is said of it', async () => {
    const bench = await begun();
    await bench.here.alterTopic('late', { recordBytesMax: 3100 });
    const topic = await bench.topic('t', { ...ARCHIVE, recordBytesMax: 3100 });
    await bench.append('t', 4);
    await topic.resetGroup('g', 'earliest', { dryRun: false });
    bench.grow();
    await expectWaiting(bench, 'record of');
    await bench.here.alterTopic('late', { recordBytesMax: 5000 });
    await bench.retain('t');
    expect(await copiesIn(bench.here)).toHaveLength(3);
  });

  /** A store whose log of topic `name` leaves no room for a copy. */
  async function full(name: 't' | 'q'): Promise<UnfinishedBench> {
    const bench = new UnfinishedBench();
    benches.push(bench);
    await (await bench.begin({ storeBytesMax: 40_000 })).topic('late');
    if (name === 'q') await (await bench.queue(name, ARCHIVE)).close();
    else await bench.topic(name, ARCHIVE);
    await expect(bench.append(name, 20)).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    bench.grow();
    return bench;
  }

  test('for the store may have no more bytes', async () => {
    const bench = await full('t');
    const topic = await bench.here.topic('t');
    await topic.resetGroup('g', 'earliest', { dryRun: false });
    await expectWaiting(bench, 'the store may have 40000 bytes');
    await topic.resetGroup('g', 'latest', { dryRun: false });
    await bench.retain('t');
    expect(await bench.startOf('t')).toBeGreaterThan(3);
    expect(bench.countsOf('t')).toEqual([]);
  });

  test('and nothing of a share group is settled without its copy', async () => {
    const bench = await full('q');
    const topic = await bench.here.topic('q');
    const statsOf = async () => (await topic.describeShareGroup('queue')).stats;
    const { readyCount } = await statsOf();
    await bench.retain('q');
    expect(await statsOf()).toMatchObject({
      readyCount,
      settled: { trimmed: 0 },
    });
    expect(await copiesIn(bench.here)).toEqual([]);
    expect(bench.countsOf('q')).toEqual([]);
    expect(await bench.startOf('q')).toBe(0);
  });
});

test('closing a store ends an archive between two commits', async () => {
  const bench = await begun();
  const topic = await bench.topic('t', ARCHIVE);
  await bench.append('t', 6);
  await topic.resetGroup('g', 'earliest', { dryRun: false });
  bench.grow();
  const { partitions } = topic;
  await partitions.at(0).use((log) => log.retain());
  await turns(3);
  await bench.again();
  await bench.retain('t');
  expect(await bench.startOf('t')).toBe(5);
  expect((await copiesIn(bench.here)).toSorted()).toEqual(
    [0, 1, 2, 3, 4].map((at) => `t g 0 ${at} retention 0`),
  );
  expect(bench.countsOf('t')).toEqual(['consumer g age archived 5']);
});
