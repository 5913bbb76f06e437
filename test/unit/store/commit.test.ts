import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { FailedError, TooLargeError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/limits.ts';
import { offsetsCommitted } from '../../../src/group/group-state.ts';
import { change, type Change } from '../../../src/journal/journal.ts';
import type { Store } from '../../../src/store/store.ts';
import { commit, CommitBench, contents, type Texts } from '../../support/commit-bench.ts';

function positionChange(store: Store, offset: number): Change {
  const { topicId } = store.describeTopic('t');
  const positions = [{ partition: 0, logId: 1, offset, epoch: 0, metadata: '' }];
  return change(offsetsCommitted, { groups: [{ topicId, group: 'g', positions }], timeMs: 1 });
}

describe('a commit', () => {
  test('appends to several logs and changes state, in one step', async () => {
    const { store, topic } = await new CommitBench().open();
    await topic.append({ value: 'before' }, { partition: 1 });
    const { baseOffsets } = await commit(
      { store, topic },
      [['a', 'b'], ['c'], []],
      [positionChange(store, 2)],
    );
    expect(baseOffsets).toEqual([0, 1]);
    expect(await contents(topic)).toEqual([['a', 'b'], ['before', 'c'], []]);
    expect(store.groups()).toEqual([{ topic: 't', name: 'g', memberCount: 0 }]);
  });

  test.each(['sync', 'interval', 'os'] as const)(
    'is whole after a power cut, though its logs were not synced, at level %s',
    async (level) => {
      const bench = new CommitBench();
      const { store, topic } = await bench.open(level);
      await commit({ store, topic }, [['a'], ['b'], []], [positionChange(store, 1)]);
      await commit({ store, topic }, [['c'], [], ['d']]);
      bench.cutPower();
      const again = await bench.open(level);
      expect(await contents(again.topic)).toEqual([['a', 'c'], ['b'], ['d']]);
      expect(again.store.groups()).toHaveLength(1);
      await again.topic.append({ value: 'e' }, { partition: 0 });
      bench.cutPower();
      const third = await bench.open(level);
      const [first] = await contents(third.topic);
      expect(first?.slice(0, 2)).toEqual(['a', 'c']);
    },
  );

  test('syncs what stands before it, and only that', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open('os');
    await topic.append({ value: 'plain' }, { partition: 0 });
    await commit({ store, topic }, [['a'], [], []]);
    const log = await topic.partitions.at(0).log();
    expect([log.syncedOffset, log.durableOffset, log.visibleOffset]).toEqual([1, 2, 2]);
    await commit({ store, topic }, [['b'], [], []]);
    expect([log.syncedOffset, log.durableOffset, log.visibleOffset]).toEqual([1, 3, 3]);
    bench.cutPower();
    expect(await contents((await bench.open('os')).topic)).toEqual([['plain', 'a', 'b'], [], []]);
  });

  test('stands between the appends before and after it', async () => {
    const { store, topic } = await new CommitBench().open();
    const log = await topic.partitions.at(0).log();
    const [append] = await topic.forCommit([{ value: 'committed' }], { partition: 0 });
    const before = topic.append({ value: 'before' }, { partition: 0 });
    const committed = store.committer.commit({ appends: [present(append, 'one')] });
    await Promise.resolve();
    await Promise.resolve();
    const after = topic.append({ value: 'after' }, { partition: 0 });
    expect((await before).offset).toBe(0);
    const { baseOffsets } = await committed;
    expect([baseOffsets, (await after).offset]).toEqual([[1], 2]);
    expect(log.syncedOffset).toBe(3);
    expect((await contents(topic))[0]).toEqual(['before', 'committed', 'after']);
  });

  test('shares an entry of the journal with those of the same turn', async () => {
    const { store, topic } = await new CommitBench().open();
    await topic.sync();
    const { endOffset } = store.stats().journal;
    const results = await Promise.all(
      ['a', 'b', 'c'].map(async (text, at) => {
        const own: Texts = [0, 1, 2].map((partition) => (partition <= at ? [text] : []));
        return commit({ store, topic }, own);
      }),
    );
    expect(results.map(({ baseOffsets }) => baseOffsets)).toEqual([[0], [1, 0], [2, 1, 0]]);
    expect(store.stats().journal.endOffset - endOffset).toBeLessThanOrEqual(3);
    expect(await contents(topic)).toEqual([['a', 'b', 'c'], ['b', 'c'], ['c']]);
  });

  test('keeps the bytes that it was given', async () => {
    const bench = new CommitBench();
    const { store } = await bench.open();
    const topic = await store.topic('bytes');
    const value = new Uint8Array([1, 2, 3]);
    const appends = await topic.forCommit([{ key: value, value }]);
    const committed = store.committer.commit({ appends });
    value.fill(9);
    await committed;
    const record = await topic.read({ partition: 0, offset: 0 });
    expect([...(record?.value ?? [])]).toEqual([1, 2, 3]);
    expect(record?.key).toBe('\u0001\u0002\u0003');
  });

  test('of many records goes through several segments, and comes back', async () => {
    const bench = new CommitBench();
    const { store } = await bench.open();
    const options = { codec: utf8, segmentBytesMax: 4096, batchBytesMax: 1024 } as const;
    const topic = await store.topic('small', options);
    const texts = Array.from({ length: 200 }, (_, at) => `${at}`.padStart(100, '.'));
    const appends = await topic.forCommit(texts.map((value) => ({ value })));
    await store.committer.commit({ appends });
    await topic.append({ value: 'after' }, { durability: 'os' });
    bench.cutPower();
    const again = await (await bench.open()).store.topic('small', options);
    const found = [];
    for await (const { value } of again.records()) found.push(value);
    expect(found).toEqual(texts);
    const log = await again.partitions.at(0).log();
    // Full segments were synced in the background.
    expect(log.recovery.notes).toEqual([
      expect.stringMatching(/^offsets \d+ to 199 were written again from the journal$/),
    ]);
  });

  test('is not forgotten by the journal before its logs have synced it', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open('os');
    await commit({ store, topic }, [['a'], ['b'], []]);
    await store.snapshot();
    await commit({ store, topic }, [['c'], [], ['d']]);
    bench.cutPower();
    const again = await bench.open('os');
    await again.store.snapshot(); // Before its logs were opened.
    await again.store.snapshot();
    bench.cutPower();
    expect(await contents((await bench.open('os')).topic)).toEqual([['a', 'c'], ['b'], ['d']]);
  });

  test('is forgotten by no run while a log cannot sync it', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open('os');
    await commit({ store, topic }, [['a'], ['b'], []]);
    bench.fileSystem.addFault({
      operations: ['datasync'],
      path: /topics.*\/0\/.*log$/,
      errno: 'EIO',
    });
    await expect(store.snapshot()).rejects.toThrow(FailedError);
    bench.cutPower();
    expect(await contents((await bench.open('os')).topic)).toEqual([['a'], ['b'], []]);
  });

  test('is refused above 8 MiB, and by a log that is closed', async () => {
    const { store, topic } = await new CommitBench().open();
    const value = 'x'.repeat(MIB - 100);
    const large = await topic.forCommit(Array.from({ length: 9 }, () => ({ value })));
    const small = await topic.forCommit([{ value: 'x' }]);
    await expect(store.committer.commit({ appends: large })).rejects.toThrow(TooLargeError);
    await store.close();
    await expect(store.committer.commit({ appends: small })).rejects.toThrow('is closed');
  });
});

describe('a position that the journal knows', () => {
  test('is never given to another record, though the log lost it in a power cut', async () => {
    const bench = new CommitBench();
    const { topic } = await bench.open('os');
    const values = ['a', 'b', 'c'];
    await topic.appendBatch(
      values.map((value) => ({ value })),
      { partition: 0 },
    );
    const member = await topic.consumerGroup('g', { from: 'earliest' });
    for await (const batch of member.batches()) {
      await member.commit(batch);
      break;
    }
    bench.cutPower();
    const again = await bench.open('os');
    expect((await again.topic.append({ value: 'd' }, { partition: 0 })).offset).toBe(3);
    const log = await again.topic.partitions.at(0).log();
    expect(log.recovery.notes).toEqual([
      'offsets 0 to 2 were lost in a power cut, and will not be used again: they were known',
    ]);
    const { partitions } = await again.topic.describeGroup('g');
    expect(partitions[0]).toMatchObject({ lag: 1 });
  });
});
