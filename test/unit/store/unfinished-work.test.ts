/** What retention does with records that groups are not done with: waits, skips, counts. */
import { afterEach, describe, expect, test } from 'vitest';

import type { StoreEvents } from '../../../src/topic/store-events.ts';
import { turns } from '../../support/log-fixture.ts';
import { AGE_MS, HOUR_MS, SMALL, UnfinishedBench } from '../../support/unfinished-bench.ts';

const benches: UnfinishedBench[] = [];

async function begun(): Promise<UnfinishedBench> {
  const bench = new UnfinishedBench();
  benches.push(bench);
  await bench.begin();
  return bench;
}

afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.here.close();
});

/** A topic of seven segments, the last of which always stays, of which a consumer group has read `read`. */
async function read(
  bench: UnfinishedBench,
  unfinished: 'skip' | 'wait' | null,
  count: number,
): Promise<void> {
  await bench.topic('t', { unfinished });
  await bench.append('t', 7);
  await commitTo(bench, count);
  bench.grow();
}

async function commitTo(bench: UnfinishedBench, offset: number): Promise<void> {
  const topic = await bench.here.topic('t');
  const member = await topic.consumerGroup('g');
  for await (const _batch of member.batches()) break; // The partition is its own now.
  await member.commit({ partition: 0, offset });
  await member.close();
}

describe('wait', () => {
  test('keeps what a consumer group has not passed, whoever reads it now', async () => {
    const bench = await begun();
    await read(bench, 'wait', 3);
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(3);
    await bench.again();
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(3);
    await commitTo(bench, 6);
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(6);
    expect(bench.countsOf('t')).toEqual([]);
  });

  test('keeps all for a group that has not committed there, and for a member that has not', async () => {
    const bench = await begun();
    const topic = await bench.topic('t', { unfinished: 'wait' });
    const member = await topic.consumerGroup('new');
    await bench.append('t', 7);
    bench.grow();
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(0);
    await member.close(); // Nobody knows of it any more.
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(6);
    expect(bench.countsOf('t')).toEqual([]);
  });

  test('is what a queue does: unread, leased, delayed and given back records stay', async () => {
    const bench = await begun();
    const queue = await bench.queue('q');
    await bench.append('q', 9);
    bench.grow();
    const deliveries = await queue.acquire({ max: 8 });
    const [first, second, third, fourth, ...others] = deliveries;
    await queue.ackAll([...others, ...(second === undefined ? [] : [second])]);
    await third?.release({ delayMs: AGE_MS });
    await fourth?.release();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(0); // Leased.
    await first?.ack();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(2); // Delayed.
    await bench.again();
    const again = await bench.queue('q');
    bench.grow();
    for (const each of await again.acquire({ max: 2 })) await each.ack();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(8); // Unread.
    expect(bench.countsOf('q')).toEqual([]);
    expect(await again.stats()).toMatchObject({ readyCount: 1, settled: { trimmed: 0, acked: 8 } });
  });

  test('does not wait for what is dead and kept', async () => {
    const bench = await begun();
    const queue = await bench.queue('q', { unfinished: 'wait' });
    await (await bench.topic('q')).alterShareGroup(queue.name, { retention: 'keep' });
    await bench.append('q', 5);
    for (const each of await queue.acquire({ max: 4 })) await each.reject('no');
    bench.grow();
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(4);
    expect(bench.countsOf('q')).toEqual([]);
  });

  test('is not what another topic does, until it is a queue', async () => {
    const bench = await begun();
    await read(bench, null, 3);
    await bench.here.queue('t');
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(0);
  });

  test('says after an hour who needs what, and no more once nobody does', async () => {
    const bench = await begun();
    await read(bench, 'wait', 3);
    await bench.retain('t');
    bench.clock.advance(HOUR_MS - 1);
    await turns(20);
    expect(bench.here.health().problems).toEqual([]);
    bench.clock.advance(1);
    const { problems } = bench.here.health();
    expect(problems).toMatchObject([
      {
        code: 'retention-waits',
        topic: 't',
        partition: 0,
        severity: 'degraded',
        message: 't/0 keeps records that consumer group g has not finished, from offset 3 on',
      },
    ]);
    expect(problems[0]?.sinceMs).toBe(bench.clock.now() - HOUR_MS);
    await commitTo(bench, 5);
    expect(bench.here.health().problems).toMatchObject([
      { message: 't/0 keeps records that consumer group g has not finished, from offset 5 on' },
    ]);
    await commitTo(bench, 6);
    expect(bench.here.health().problems).toEqual([]);
  });

  test('says how many bytes wait, and nothing of a topic that has no retention any more', async () => {
    const bench = await begun();
    await read(bench, 'wait', 3);
    const { deletedBytes } = await bench.retain('t');
    const { partitions } = await bench.topic('t');
    const stats = () => partitions.at(0).opened?.stats();
    expect(stats()?.waitingBytes).toBe(deletedBytes);
    bench.clock.advance(HOUR_MS);
    expect(bench.here.health().problems).toHaveLength(1);
    await bench.here.alterTopic('t', { retentionMs: null });
    expect(bench.here.health().problems).toEqual([]);
    await bench.here.alterTopic('t', { unfinished: 'skip', retentionMs: 1000 });
    await bench.retain('t');
    expect(stats()?.waitingBytes).toBe(0);
  });
});

describe('skip', () => {
  test('counts what each group had not passed, or not settled, by why it went', async () => {
    const bench = await begun();
    const events: StoreEvents['unfinished-passed'][] = [];
    bench.here.on('unfinished-passed', (event) => void events.push(event));
    await read(bench, 'skip', 3);
    const topic = await bench.topic('t');
    const share = await topic.shareGroup('s');
    const [first] = await share.acquire({ max: 2 });
    await first?.ack();
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(6);
    // Offset 1 is leased: it was not done with when it went.
    expect(bench.countsOf('t')).toEqual(['consumer g age skipped 3', 'share s age skipped 5']);
    expect(events).toMatchObject([
      { topic: 't', partition: 0, groupKind: 'consumer', group: 'g', fromOffset: 3, toOffset: 6 },
      { topic: 't', partition: 0, groupKind: 'share', group: 's', fromOffset: 1, toOffset: 6 },
    ]);
    expect((await topic.describeShareGroup('s')).unfinishedCounts).toEqual([
      { groupKind: 'share', group: 's', reason: 'age', outcome: 'skipped', count: 5 },
    ]);
    expect((await topic.describeGroup('g')).unfinishedCounts).toEqual([
      { groupKind: 'consumer', group: 'g', reason: 'age', outcome: 'skipped', count: 3 },
    ]);
    await bench.retain('t'); // Nothing more goes, and nothing is counted again.
    await bench.again();
    expect(bench.countsOf('t')).toEqual(['consumer g age skipped 3', 'share s age skipped 5']);
  });

  test('tells age and size apart, segment by segment', async () => {
    const bench = await begun();
    await bench.topic('t', { unfinished: 'skip', retentionBytes: SMALL.segmentBytesMax });
    await bench.append('t', 4);
    await commitTo(bench, 1);
    bench.grow();
    await bench.append('t', 5);
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(7);
    expect(bench.countsOf('t')).toEqual(['consumer g age skipped 3', 'consumer g size skipped 3']);
  });

  test('is what somebody asks for with deleteBefore, whatever the policy', async () => {
    const bench = await begun();
    await read(bench, 'wait', 3);
    await (await bench.topic('t')).deleteBefore({ partition: 0, offset: 5 });
    expect(await bench.startOf('t')).toBe(5);
    expect(bench.countsOf('t')).toEqual(['consumer g asked skipped 2']);
  });

  test('counts what a queue has settled, and a consumer group has not passed', async () => {
    const bench = await begun();
    const queue = await bench.queue('t', { retentionMs: 100 * HOUR_MS });
    await bench.append('t', 7);
    await commitTo(bench, 3);
    await queue.ackAll(await queue.acquire({ max: 6 }));
    bench.clock.advance(30_000);
    await turns(60);
    expect(await bench.startOf('t')).toBe(6);
    expect(bench.countsOf('t')).toEqual(['consumer g settled skipped 3']);
  });

  test('does not forget what a group lost when the group is deleted, and begins anew with one of its name', async () => {
    const bench = await begun();
    await read(bench, 'skip', 3);
    await bench.retain('t');
    const topic = await bench.topic('t');
    await topic.deleteGroup('g');
    expect(bench.countsOf('t')).toEqual(['consumer g age skipped 3']);
    await bench.append('t', 4);
    await commitTo(bench, 8);
    bench.grow();
    await bench.retain('t');
    expect(await bench.startOf('t')).toBe(10);
    expect(bench.countsOf('t')).toEqual(['consumer g age skipped 5']);
    await bench.here.deleteTopic('t');
    await bench.topic('t');
    expect(bench.countsOf('t')).toEqual([]);
  });
});

test('a clock that jumps ahead takes nothing, and counts nothing', async () => {
  const bench = await begun();
  await bench.topic('t', { unfinished: 'skip' });
  await bench.append('t', 7);
  await commitTo(bench, 3);
  await bench.retain('t');
  bench.clock.jumpTo(bench.clock.now() + 10 * 24 * HOUR_MS);
  await bench.retain('t');
  expect(await bench.startOf('t')).toBe(0);
  expect(bench.countsOf('t')).toEqual([]);
});
