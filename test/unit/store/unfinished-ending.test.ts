/** What ends an archive that is under way, who waits for it, and what health says of it afterwards. */
import { afterEach, describe, expect, test } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { PartitionRetention } from '../../../src/store/retention-run.ts';
import { turns } from '../../support/log-fixture.ts';
import { HOUR_MS, SMALL, UnfinishedBench } from '../../support/unfinished-bench.ts';

const ARCHIVE = { unfinished: 'archive', archiveTo: 'late' } as const;
/** Of a topic of 1 MiB records: of one commit four go. */
const COUNT = 24;
const PIECE = 4;
const VALUE = new Uint8Array(2 ** 20);

const benches: UnfinishedBench[] = [];

async function begun(): Promise<UnfinishedBench> {
  const bench = new UnfinishedBench();
  benches.push(bench);
  await bench.begin();
  for (const name of ['late', 'other']) await bench.topic(name, { recordBytesMax: 2 ** 21 });
  return bench;
}

afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.here.close();
});

/** Topic `t`, all of it too old but for the last record. */
async function large(bench: UnfinishedBench): Promise<StoreTopic<Uint8Array, Uint8Array>> {
  const options = { ...ARCHIVE, ...SMALL, recordBytesMax: 2 ** 21, codec: bytes };
  const topic = await bench.here.topic('t', options);
  for (let at = 0; at < COUNT; at++) await topic.append({ value: VALUE });
  return topic;
}

async function countIn(bench: UnfinishedBench, name: string): Promise<number> {
  return bench.endOf(name);
}

/** Does `action` when the first copies were made. */
function onFirst<R>(bench: UnfinishedBench, action: () => Promise<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    const end = bench.here.on('unfinished-passed', () => {
      end();
      action().then(resolve, reject);
    });
  });
}

/** Retention of `t` because somebody asks for it. */
async function run(bench: UnfinishedBench): Promise<PartitionRetention | undefined> {
  const { partitions } = await bench.here.topic('t');
  const [done] = await bench.here.upkeep.retain(partitions, { isDryRun: false });
  return done;
}

describe.each(['consumer', 'share'])('an archive for a %s group', (groupKind) => {
  async function archiving(): Promise<UnfinishedBench> {
    const bench = await begun();
    const topic = await large(bench);
    if (groupKind === 'share') await (await topic.shareGroup('g')).close();
    else await topic.resetGroup('g', 'earliest', { dryRun: false });
    bench.grow();
    return bench;
  }

  test('goes on elsewhere from the next commit on when another target is named', async () => {
    const bench = await archiving();
    const altered = onFirst(bench, async () => {
      await bench.here.alterTopic('t', { archiveTo: 'other' });
      return countIn(bench, 'late');
    });
    await bench.retain('t');
    const before = await altered;
    expect(before).toBeLessThan(COUNT - 1 - PIECE);
    const late = await countIn(bench, 'late');
    expect(late).toBeLessThanOrEqual(before + PIECE);
    expect(late + (await countIn(bench, 'other'))).toBe(COUNT - 1);
    expect(await bench.startOf('t')).toBe(COUNT - 1);
  });

  test.each([
    ['unfinished', {}, { unfinished: 'wait' }],
    ['retentionMs', {}, { retentionMs: HOUR_MS }],
    ['retentionBytes', { retentionMs: null, retentionBytes: 0 }, { retentionBytes: 2 ** 40 }],
  ] as const)('ends between two commits when %s is altered', async (_option, before, config) => {
    const bench = await archiving();
    await bench.here.alterTopic('t', before);
    const altered = onFirst(bench, async () => {
      await bench.here.alterTopic('t', config);
      return countIn(bench, 'late');
    });
    const { partitions } = await bench.here.topic('t');
    await partitions.at(0).use((log) => log.retain());
    const count = await altered;
    await bench.here.archive.idle();
    expect(count).toBeLessThan(COUNT - 1 - PIECE);
    expect(await countIn(bench, 'late')).toBeLessThanOrEqual(count + PIECE);
  });

  test('is waited for by who asks for retention', async () => {
    const bench = await archiving();
    const done = await run(bench);
    expect(done).toMatchObject({ newStartOffset: COUNT - 1, isHeld: false, error: null });
    expect(done?.due).toMatchObject([{ segmentCount: COUNT - 1, deletedCount: COUNT - 1 }]);
    expect(await countIn(bench, 'late')).toBe(COUNT - 1);
  });

  test('that fails ends the waiting, and why is told', async () => {
    const bench = await archiving();
    await bench.here.deleteTopic('late');
    const done = await run(bench);
    expect(done).toMatchObject({ newStartOffset: 0, isHeld: true });
    expect(done?.error).toMatchObject({ code: 'ERR_VARVE_NOT_FOUND' });
  });

  test('ends with the store, and so does who waits for it', async () => {
    const bench = await archiving();
    const waiting = run(bench);
    await onFirst(bench, () => bench.again());
    expect((await waiting)?.error).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    expect(await countIn(bench, 'late')).toBeLessThan(COUNT - 1);
  });

  test('has nothing to say of a topic where nothing waits any more', async () => {
    const bench = await archiving();
    const { partitions } = await bench.here.topic('t');
    const place = { topicId: partitions.topicId, partition: 0 };
    const passed = onFirst(bench, async () => {
      await bench.here.alterTopic('t', { retentionMs: null });
      bench.here.health(); // Which finds that nothing waits there.
      await bench.here.deleteTopic('late'); // Else the next commit would fail.
    });
    await partitions.at(0).use((log) => log.retain());
    await passed;
    await bench.here.archive.idle();
    expect(bench.here.archive.problemIn(place)).toBeNull();
  });
});

test('who deletes a share group waits for one commit of an archive, and so do other groups', async () => {
  const bench = await begun();
  const topic = await large(bench);
  await (await topic.shareGroup('g')).close();
  bench.grow();
  const deleted = onFirst(bench, async () => {
    const deleting = topic.deleteShareGroup('g');
    await Promise.all([deleting, topic.shareGroup('another', { from: 'latest' })]);
    return countIn(bench, 'late');
  });
  await bench.retain('t');
  const count = await deleted;
  expect(count).toBeLessThanOrEqual(2 * PIECE);
  expect(await countIn(bench, 'late')).toBe(count);
  const place = { topicId: topic.partitions.topicId, partition: 0 };
  expect(bench.here.archive.problemIn(place)).toBeNull();
});

describe('health no longer says that retention waits', () => {
  async function waiting(): Promise<UnfinishedBench> {
    const bench = await begun();
    const topic = await bench.topic('t', { unfinished: 'wait' });
    await bench.append('t', 5);
    await topic.resetGroup('g', { positions: [{ partition: 0, offset: 1 }] }, { dryRun: false });
    bench.grow();
    await bench.retain('t');
    bench.clock.advance(HOUR_MS);
    expect(bench.here.health().problems).toMatchObject([{ code: 'retention-waits', topic: 't' }]);
    return bench;
  }

  test('once it looks by a bound that was raised', async () => {
    const bench = await waiting();
    await bench.here.alterTopic('t', { retentionMs: 10 * HOUR_MS });
    await bench.retain('t');
    expect(bench.here.health().problems).toEqual([]);
  });

  test('when somebody deleted the records, and the partition was closed since', async () => {
    const bench = await waiting();
    const topic = await bench.topic('t');
    const partition = topic.partitions.at(0);
    await topic.deleteBefore({ partition: 0, offset: 4 });
    await turns(20); // What it began in the background.
    await partition.closeIdle();
    expect(partition.opened).toBeNull();
    expect(bench.here.health().problems).toEqual([]);
  });

  test('but it does while the partition is closed and a group needs what is there', async () => {
    const bench = await waiting();
    const topic = await bench.topic('t');
    const partition = topic.partitions.at(0);
    await topic.deleteBefore({ partition: 0, offset: 2 });
    await partition.closeIdle();
    expect(partition.opened).toBeNull();
    const message = 't/0 keeps records that consumer group g has not finished, from offset 2 on';
    expect(bench.here.health().problems).toMatchObject([{ message }]);
  });
});
