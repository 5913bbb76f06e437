/** `Topic.compact` and `Topic.planCompaction`: by partition, what is told of it, what is refused. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ClosedError, ConflictError, ReadOnlyError } from '../../../src/core/errors.ts';
import { compactable, fill, foldOf, offsetsOf, openSmall } from '../../support/compacted-topic.ts';
import { quiet } from '../../support/fake-queue.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** Segments of 20 records; five keys. */
async function setup(counts: readonly number[] = [200, 90]) {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await openSmall(store, 't', { partitions: counts.length });
  for (const [partition, count] of counts.entries()) await fill(topic, count, { partition });
  await compactable(store, topic);
  return { bench, store, topic };
}

describe('compact', () => {
  test('takes the partitions one after the other, and leaves of each key the last record', async () => {
    const { store, topic } = await setup();
    const before = await foldOf(topic);
    const results = await topic.compact();
    expect(results).toMatchObject([
      { partition: 0, limitOffset: 180, limitedBy: 'active-segment', supersededCount: 175 },
      { partition: 1, limitOffset: 80, limitedBy: 'active-segment', supersededCount: 75 },
    ]);
    expect(await foldOf(topic)).toEqual(before);
    const active = Array.from({ length: 20 }, (_, at) => 180 + at);
    expect(await offsetsOf(topic, 0)).toEqual([175, 176, 177, 178, 179, ...active]);
    const figures = topic.partitions.at(0).opened?.stats().compaction;
    expect(figures).toMatchObject({ cleanOffset: 180, removedRecordCount: 175, lastError: null });
    expect(store.compactions()).toMatchObject([
      {
        id: 1,
        topic: 't',
        partition: 0,
        why: 'asked',
        state: 'done',
        result: { limitOffset: 180 },
      },
      { id: 2, topic: 't', partition: 1, why: 'asked', state: 'done', result: { limitOffset: 80 } },
    ]);
  });

  test('takes one partition alone, and comes back to it with nothing to do', async () => {
    const { topic } = await setup();
    expect(await topic.compact({ partition: 1 })).toMatchObject([
      { partition: 1, supersededCount: 75 },
    ]);
    expect(await offsetsOf(topic, 0)).toHaveLength(200);
    expect(await topic.compact({ partition: 1 })).toMatchObject([
      { partition: 1, supersededCount: 0, rewrittenSegmentCount: 0, passCount: 0 },
    ]);
  });

  test('does what was planned, which writes nothing', async () => {
    const { store, topic } = await setup();
    const planned = await topic.planCompaction();
    expect(await offsetsOf(topic)).toHaveLength(200);
    expect(store.compactions()).toEqual([]);
    const results = await topic.compact();
    for (const [at, plan] of planned.entries()) {
      // It only knows about how large a segment will be.
      const { bytesAfter, neededFreeBytes, ...others } = plan;
      expect(results[at]).toMatchObject(others);
      expect(bytesAfter).toBeGreaterThan(0);
      expect(Math.abs(neededFreeBytes - (results[at]?.neededFreeBytes ?? 0))).toBeLessThan(256);
    }
    expect(planned).toHaveLength(2);
  });

  test('tells how far it is, and of which partition', async () => {
    const { store, topic } = await setup();
    const told: string[] = [];
    await topic.compact({
      onProgress: ({ partition, phase, bytesDone, bytesTotal }) => {
        expect(bytesDone).toBeLessThanOrEqual(bytesTotal);
        if (told.at(-1) !== `${partition} ${phase}`) told.push(`${partition} ${phase}`);
      },
    });
    expect(told).toEqual(['0 keys', '0 rewriting', '1 keys', '1 rewriting']);
    const [first] = store.compactions();
    expect(first?.progress).toMatchObject({ phase: 'rewriting', pass: 1 });
    expect(first?.progress?.bytesDone).toBe(first?.progress?.bytesTotal);
  });

  test('ends with what its listener throws', async () => {
    const { store, topic } = await setup();
    const error = new Error('mine');
    const work = topic.compact({
      onProgress: ({ phase }) => {
        if (phase === 'rewriting') throw error;
      },
    });
    await expect(work).rejects.toBe(error);
    expect(store.compactions()).toMatchObject([{ partition: 0, state: 'failed', error }]);
    expect(store.health().problems).toEqual([]); // Its caller was told.
  });

  test('ends where it stands when it is switched off meanwhile', async () => {
    const { bench, store, topic } = await setup();
    const told = { freedBytes: 0 };
    const ended = rejectionOf(
      topic.compact({
        bytesPerSecondMax: 64 * 1024,
        onProgress: ({ freedBytes }) => (told.freedBytes = freedBytes),
      }),
    );
    const step = async () => {
      bench.clock.advance(10);
      await quiet();
    };
    while (told.freedBytes === 0) await step();
    await store.alterTopic('t', { compaction: 'off' });
    while (store.compactions()[0]?.state === 'running') await step();
    expect(await ended).toBeInstanceOf(ConflictError);
    expect(store.compactions()).toMatchObject([{ partition: 0, state: 'failed' }]);
    const offsets = await offsetsOf(topic, 0);
    expect(offsets.length).toBeGreaterThan(50); // Of 200, of which it would have left 25.
    expect(offsets.length).toBeLessThan(200);
  });

  test('tells in an event what each pass came to', async () => {
    const { store, topic } = await setup([200]);
    const told: unknown[] = [];
    store.on('compacted', (payload) => told.push(payload));
    const [result] = await topic.compact();
    await Promise.resolve();
    expect(told).toEqual([
      {
        topic: 't',
        partition: 0,
        why: 'asked',
        segmentCount: 9,
        bytesBefore: result?.bytesBefore,
        bytesAfter: result?.bytesAfter,
        removedCount: 175,
      },
    ]);
  });

  test('finds things as they were when the store is opened again', async () => {
    const { bench, store, topic } = await setup([200]);
    await topic.compact();
    const before = [await foldOf(topic), await offsetsOf(topic)];
    const again = await bench.reopen(store);
    const reopened = await openSmall(again, 't');
    expect([await foldOf(reopened), await offsetsOf(reopened)]).toEqual(before);
    expect(await reopened.planCompaction()).toMatchObject([{ cleanOffset: 180, passCount: 0 }]);
    expect(again.compactions()).toEqual([]);
    await again.close();
  });
});

describe('compact is refused', () => {
  test('where compaction is off', async () => {
    const { store } = await setup([1]);
    const plain = await openSmall(store, 'plain');
    for (const refused of [plain.compact(), plain.planCompaction()]) {
      await expect(refused).rejects.toThrow(ConflictError);
      await expect(refused).rejects.toThrow('topic plain: stored compaction off');
    }
    expect(store.compactions()).toEqual([]);
  });

  test('for what is no option, or no partition', async () => {
    const { topic } = await setup([1, 1]);
    await expect(topic.compact({ partition: 2 })).rejects.toThrow(RangeError);
    await expect(topic.compact({ partition: -1 })).rejects.toThrow(RangeError);
    await expect(topic.compact({ bytesPerSecondMax: 1 })).rejects.toThrow('bytesPerSecondMax');
    // @ts-expect-error: what no caller of ours would pass
    await expect(topic.compact({ partitions: 1 })).rejects.toThrow('perhaps `partition`');
    // @ts-expect-error: as above
    await expect(topic.planCompaction({ onProgress: 1 })).rejects.toThrow('onProgress');
  });

  test('of a topic that was deleted, and in a store that was closed', async () => {
    const { bench, store, topic } = await setup([1]);
    await store.deleteTopic('t');
    await expect(topic.compact()).rejects.toThrow(ClosedError);
    const again = await bench.reopen(store);
    const other = await openSmall(again, 'other', { compaction: 'key' });
    await again.close();
    await expect(other.compact()).rejects.toThrow(ClosedError);
  });

  test('in a store that is only read', async () => {
    const { bench, store } = await setup([60]);
    await store.close();
    const reading = await bench.open({ readOnly: true });
    const topic = await openSmall(reading, 't');
    await expect(topic.compact()).rejects.toThrow(ReadOnlyError);
    expect(await offsetsOf(topic)).toHaveLength(60);
    await reading.close();
  });
});
