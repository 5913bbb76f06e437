/** Commits that come just when the one before is answered: each of them is answered, too. */
import { describe, expect, test } from 'vitest';

import { CommitBench, contents } from '../../support/commit-bench.ts';
import type { FaultRule } from '../../support/fault-plan.ts';
import { turns } from '../../support/log-fixture.ts';

const TEXTS = ['a', 'b'] as const;
/** So many microtasks behind the answer to a commit its group is over, whatever became of it. */
const DELAYS = Array.from({ length: 6 }, (_, at) => at);

type Answer = 'none' | 'stands' | 'refused';

/** Commits one record, and so many microtasks behind the answer another. @returns both answers */
async function commitTwo(delay: number, fault?: FaultRule): Promise<readonly Answer[]> {
  const bench = new CommitBench();
  const { store, topic } = await bench.open();
  const prepared = await Promise.all(
    TEXTS.map((value) => topic.forCommit([{ value }], { partition: 0 })),
  );
  if (fault !== undefined) bench.fileSystem.addFault(fault);
  const answers: Answer[] = TEXTS.map(() => 'none');
  const commit = async (at: number): Promise<void> => {
    try {
      await store.committer.commit({ appends: prepared[at] ?? [] });
      answers[at] = 'stands';
    } catch {
      answers[at] = 'refused';
    }
    if (at > 0) return;
    for (let step = 0; step < delay; step++) await Promise.resolve();
    void commit(1);
  };
  await commit(0);
  await store.committer.idle();
  await turns(1);
  expect((await contents(topic))[0]).toEqual(TEXTS.filter((_, at) => answers[at] === 'stands'));
  return answers;
}

describe('a commit that comes when the one before has just been answered', () => {
  test.each(DELAYS)('stands, %i microtasks behind one that stands', async (delay) => {
    expect(await commitTwo(delay)).toEqual(['stands', 'stands']);
  });

  test.each(DELAYS)('stands, %i microtasks behind one that was refused', async (delay) => {
    const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
    const fault = { ...full, times: 2 }; // Also when the reserve was given up for it.
    expect(await commitTwo(delay, fault)).toEqual(['refused', 'stands']);
  });
});
