/** What a commit appends, prepared step by step. */
import { expect, test } from 'vitest';

import { prepareAppends } from '../../../src/transaction/prepared-appends.ts';
import { CommitBench, contents } from '../../support/commit-bench.ts';

test('very many steps for one log are one part of it, in their order', async () => {
  const { store, topic } = await new CommitBench().open();
  const texts = Array.from({ length: 20_000 }, (_, at) => String(at));
  const appends = await prepareAppends(
    texts.map((value) => topic.prepareCommit([{ value }], { partition: 1 })),
  );
  expect(appends).toHaveLength(1);
  expect(await store.committer.commit({ appends })).toEqual({ baseOffsets: [0] });
  expect(await contents(topic)).toEqual([[], texts, []]);
});

test('what was prepared before a step that fails is let go', async () => {
  const { topic } = await new CommitBench().open();
  let releaseCount = 0;
  const step = topic.prepareCommit([{ value: 'a' }], { partition: 0 });
  const counted = async () => {
    const parts = await step();
    return parts.map((part) => {
      const release = (): void => {
        releaseCount++;
        part.release();
      };
      return { ...part, release };
    });
  };
  const failing = () => Promise.reject(new Error('no such log'));
  await expect(prepareAppends([counted, failing])).rejects.toThrow('no such log');
  expect(releaseCount).toBe(1);
});
