/** Compactions that other processes ask for: begun, followed, stopped. */
import { describe, expect, test } from 'vitest';

import { ClosedError, NotFoundError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { CompactionPlan, CompactionProgress } from '../../../src/log/compact-options.ts';
import { AskedCompactions, type CompactionRequest } from '../../../src/store/asked-compactions.ts';

const PLAN: CompactionPlan = {
  cleanOffset: 0,
  limitOffset: 1,
  limitedBy: 'active-segment',
  segmentCount: 1,
  bytesBefore: 2,
  bytesAfter: 1,
  keyCount: 1,
  keylessCount: 0,
  supersededCount: 1,
  tombstoneCount: 0,
  droppedTombstoneCount: 0,
  passCount: 1,
  neededFreeBytes: 2,
};
const PROGRESS: CompactionProgress = {
  phase: 'keys',
  pass: 1,
  bytesDone: 1,
  bytesTotal: 2,
  freedBytes: 0,
};

type Options = Parameters<CompactionRequest['compact']>[1];

/** One that waits in each partition until it is let go on, or stopped. */
function held(partitions: readonly number[]) {
  const waiting: (() => void)[] = [];
  const request: CompactionRequest = {
    topic: 'orders',
    partitions,
    compact: (_partition, { signal, onProgress }: Options) =>
      new Promise((resolve, reject) => {
        onProgress?.(PROGRESS);
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
        waiting.push(() => resolve(PLAN));
      }),
  };
  return { request, goOn: () => waiting.shift()?.() };
}

function compactions(seed = 1): AskedCompactions {
  return new AskedCompactions('/data', new SeededRandom(seed));
}

describe('one that is asked for', () => {
  test('goes from partition to partition, and can be followed', async () => {
    const all = compactions();
    const { request, goOn } = held([3, 5]);
    const id = all.start(request);
    const run = all.at(id);
    expect(run).toMatchObject({ id, topic: 'orders', partition: 3, progress: PROGRESS });
    goOn();
    await expect.poll(() => run.partition).toBe(5);
    expect(run.partitions).toEqual([{ partition: 3, result: PLAN, error: null }]);
    goOn();
    await run.ended();
    expect(run).toMatchObject({ partition: null, isStopped: false });
    expect(run.partitions.map(({ partition }) => partition)).toEqual([3, 5]);
  });

  test('that fails in a partition goes on with the next one', async () => {
    const all = compactions();
    const error = new Error('damaged');
    const compact = async (partition: number) => {
      if (partition === 0) throw error;
      return PLAN;
    };
    const run = all.at(all.start({ topic: 'orders', partitions: [0, 1], compact }));
    await run.ended();
    expect(run.partitions).toEqual([
      { partition: 0, result: null, error },
      { partition: 1, result: PLAN, error: null },
    ]);
  });

  test('ends where it is when it is stopped; that it was stopped when it had ended is no matter', async () => {
    const all = compactions();
    const { request } = held([0, 1]);
    const run = all.at(all.start(request));
    run.stop(new Error('enough'));
    await run.ended();
    expect(run).toMatchObject({ partition: null, isStopped: true, partitions: [] });
    const done = all.at(all.start({ ...request, compact: async () => PLAN }));
    await done.ended();
    done.stop(new Error('too late'));
    expect(done.isStopped).toBe(false);
  });
});

test('the next owner of a store gives none of the ids that the last one gave', () => {
  const ids = [1, 2].map((seed) => {
    const all = compactions(seed);
    return [all.start(held([0]).request), all.start(held([0]).request)];
  });
  expect(new Set(ids.flat()).size).toBe(4);
  expect(ids.flat().every(Number.isSafeInteger)).toBe(true);
});

describe('all of them', () => {
  test('end with the store, and none begins after that', async () => {
    const all = compactions();
    const run = all.at(all.start(held([0]).request));
    await all.close();
    expect(run).toMatchObject({ partition: null, isStopped: true });
    expect(() => all.start(held([0]).request)).toThrow(ClosedError);
  });

  test('are known while they go on, of those that ended the last hundred', async () => {
    const all = compactions();
    const open = all.start(held([0]).request);
    const request = { topic: 'orders', partitions: [0], compact: async () => PLAN };
    const first = all.start(request);
    await all.at(first).ended();
    for (let count = 0; count < 101; count++) await all.at(all.start(request)).ended();
    expect(all.at(open).partition).toBe(0);
    expect(() => all.at(first)).toThrow(NotFoundError);
    expect(() => all.at(1)).toThrow('there is no compaction 1');
    await all.close();
  });
});
