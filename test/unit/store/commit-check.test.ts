/** The last look of a commit, in the step that gives its records their offsets. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { offsetsCommitted } from '../../../src/group/group-state.ts';
import { change, type Change } from '../../../src/journal/journal.ts';
import type { Store } from '../../../src/store/store.ts';
import { CommitBench, contents } from '../../support/commit-bench.ts';

function positionChange(store: Store): Change {
  const { topicId } = store.describeTopic('t');
  const positions = [{ partition: 0, logId: 1, offset: 0, epoch: 0, metadata: '' }];
  return change(offsetsCommitted, { groups: [{ topicId, group: 'g', positions }], timeMs: 1 });
}

async function opened() {
  const { store, topic } = await new CommitBench().open();
  const prepare = (value: string, partition = 0) => topic.forCommit([{ value }], { partition });
  return { store, topic, prepare, changes: [positionChange(store)] };
}

function refuse(): never {
  throw new Error('no longer');
}

describe('the last look of a commit', () => {
  test('ends it alone: those of the same group stand', async () => {
    const { store, topic, prepare, changes } = await opened();
    const before = { appends: await prepare('a') };
    const refused = { appends: await prepare('b'), changes, check: refuse };
    const behind = { appends: await prepare('c') };
    const outcomes = await Promise.allSettled(
      [before, refused, behind].map((each) => store.committer.commit(each)),
    );
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: { baseOffsets: [0] } },
      { status: 'rejected', reason: { message: 'no longer' } },
      { status: 'fulfilled', value: { baseOffsets: [1] } },
    ]);
    expect(await contents(topic)).toEqual([['a', 'c'], [], []]);
    expect(store.groups()).toEqual([]);
  });

  test('ends one without records, of which nothing is journaled', async () => {
    const { store, changes } = await opened();
    await expect(store.committer.commit({ changes, check: refuse })).rejects.toThrow('no longer');
    expect(store.groups()).toEqual([]);
    await store.committer.commit({ changes, check: () => undefined });
    expect(store.groups()).toHaveLength(1);
  });

  test('comes when its records are encoded, not when it is asked for', async () => {
    const { store, topic, prepare } = await opened();
    const first = store.committer.commit({ appends: await prepare('a') });
    await Promise.resolve();
    await Promise.resolve(); // It is on its way: the next one waits for it.
    let isOver = false;
    const check = (): void => {
      if (isOver) refuse();
    };
    const appends = await prepare('b');
    const second = store.committer.commit({ appends, check });
    isOver = true;
    await expect(second).rejects.toThrow('no longer');
    await first;
    expect(await contents(topic)).toEqual([['a'], [], []]);
  });

  test('comes again when a log of another commit sends its group back', async () => {
    const { store, topic, prepare } = await opened();
    const sentBack = await prepare('b', 1);
    const { commits } = present(sentBack[0], 'one log').appender;
    const hold = commits.hold.bind(commits);
    commits.hold = (runs) => {
      const held = hold(runs);
      held.ready = () => Promise.reject(new Error('no room'));
      return held;
    };
    const ends: number[] = [];
    const log = await topic.partitions.at(0).log();
    const check = (): void => void ends.push(log.endOffset);
    const outcomes = await Promise.allSettled([
      store.committer.commit({ appends: await prepare('a'), check }),
      store.committer.commit({ appends: sentBack }),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: { baseOffsets: [0] } },
      { status: 'rejected', reason: { message: 'no room' } },
    ]);
    expect(ends).toEqual([0, 0]);
    expect(await contents(topic)).toEqual([['a'], [], []]);
  });
});
