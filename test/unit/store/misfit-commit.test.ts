/** A commit with a change that does not fit the state: its caller hears of it, all else stands. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { change } from '../../../src/journal/journal.ts';
import { topicDeleted } from '../../../src/topic/topic-state.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('commits of one group: only the one that does not fit is refused', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8 });
  const commit = async (value: string, topicIds: readonly number[]) => {
    const appends = await topic.forCommit([{ value }]);
    const changes = topicIds.map((topicId) => change(topicDeleted, { topicId }));
    return store.committer.commit({ appends, changes });
  };
  const outcomes = await Promise.allSettled([
    commit('one', []),
    commit('two', [4711, 4712]),
    commit('three', []),
  ]);
  expect(outcomes).toMatchObject([
    { status: 'fulfilled', value: { baseOffsets: [0] } },
    { status: 'rejected', reason: { code: 'ERR_VARVE_CONFLICT' } },
    { status: 'fulfilled', value: { baseOffsets: [2] } },
  ]);
  await expect(
    store.committer.commit({ changes: [change(topicDeleted, { topicId: 4713 })] }),
  ).rejects.toThrow('topic 4713 is not there');
  expect(store.misfits).toMatchObject({ count: 3, first: { kind: 'topic-deleted' } });
  expect(store.health().problems).toMatchObject([
    { code: 'entries-ignored', severity: 'degraded' },
  ]);
  const again = await bench.reopen(store);
  onTestFinished(() => again.close());
  expect(again.misfits.count).toBe(3);
  expect(again.damage).toBeNull();
  const values: (string | null)[] = [];
  const reopened = await again.topic('t', { codec: utf8 });
  for await (const { value } of reopened.records()) values.push(value);
  expect(values).toEqual(['one', 'two', 'three']);
});
