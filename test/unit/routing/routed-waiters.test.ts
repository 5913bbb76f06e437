/** Who waits for a record to be in all of its destinations, and how much is done for those who do. */
import { describe, expect, it } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { RoutedWaiters } from '../../../src/routing/routed-waiters.ts';

/** A projection of which a test says how far it is. */
class Progress {
  knownPosition = 0;
  readonly synced: number[];
  /** Looks at a topic so far. */
  asked = 0;
  readonly outlets = {
    syncedPositionOf: (topicId: number): number => {
      this.asked++;
      return this.synced[topicId] ?? Infinity;
    },
    topicIds: [] as readonly number[],
  };

  constructor(topicCount: number) {
    this.synced = Array.from({ length: topicCount }, () => 0);
  }

  readonly hurry = (): void => undefined;
}

/** Waiters, and the offsets of those who were answered. */
function bench(topicCount: number) {
  const progress = new Progress(topicCount);
  const waiters = new RoutedWaiters(progress);
  const answered: number[] = [];
  const failed: unknown[] = [];
  const wait = (offset: number, topicIds: readonly number[], signal?: AbortSignal): void => {
    waiters.wait({ offset, topicIds }, signal).then(
      () => answered.push(offset),
      (error: unknown) => failed.push(error),
    );
  };
  const read = async (position: number): Promise<void> => {
    progress.knownPosition = position;
    waiters.read();
    await turn();
  };
  const sync = async (topicId: number, position: number): Promise<void> => {
    progress.synced[topicId] = position;
    waiters.synced(topicId);
    await turn();
  };
  return { progress, waiters, answered, failed, wait, read, sync };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('those who wait for a record', () => {
  it('are answered when it was read and is in the last of its destinations', async () => {
    const { wait, read, sync, answered } = bench(3);
    wait(0, [0, 2]);
    await sync(2, 1);
    await read(1);
    expect(answered).toEqual([]);
    await sync(1, 1);
    expect(answered).toEqual([]);
    await sync(0, 1);
    expect(answered).toEqual([0]);
  });

  it('are answered when it was read, where it goes nowhere, and at once when all is done', async () => {
    const { wait, read, sync, answered } = bench(1);
    wait(0, []);
    await turn();
    expect(answered).toEqual([]);
    await read(2);
    expect(answered).toEqual([0]);
    await sync(0, 2);
    wait(1, [0]);
    await turn();
    expect(answered).toEqual([0, 1]);
  });

  it('are answered in any order in which they came', async () => {
    const { wait, read, sync, answered } = bench(1);
    const topicIds = [0];
    for (const offset of [4, 1, 3]) wait(offset, topicIds);
    await read(5);
    for (const offset of [2, 0]) wait(offset, topicIds);
    for (const position of [1, 2, 4, 5]) await sync(0, position);
    expect(answered).toEqual([0, 1, 2, 3, 4]);
  });

  it('wait for no topic that is gone', async () => {
    const { progress, waiters, wait, read, answered } = bench(2);
    wait(0, [0, 1]);
    await read(1);
    progress.synced[0] = Infinity;
    waiters.look();
    await turn();
    expect(answered).toEqual([]);
    progress.synced[1] = Infinity;
    waiters.look();
    await turn();
    expect(answered).toEqual([0]);
  });

  it('are rejected with the reason of their signal, and leave the others waiting', async () => {
    const { wait, read, sync, answered, failed } = bench(1);
    const topicIds = [0];
    const [early, late] = [new AbortController(), new AbortController()];
    wait(0, topicIds, early.signal);
    wait(1, topicIds);
    wait(2, topicIds, late.signal);
    early.abort('early');
    await read(3);
    late.abort('late');
    await turn();
    expect(failed).toEqual(['early', 'late']);
    await sync(0, 3);
    expect(answered).toEqual([1]);
  });

  it('are all rejected when nobody will say it any more, and so is who comes then', async () => {
    const { waiters, wait, read, answered, failed } = bench(2);
    wait(0, [0]);
    wait(1, [1]);
    await read(1);
    const error = new Error('closed');
    waiters.rejectAll(error);
    wait(2, [0]);
    await turn();
    expect([answered, failed]).toEqual([[], [error, error, error]]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('are those of a plain look at all: seed %d', async (seed) => {
    const random = new SeededRandom(seed);
    const below = (count: number): number => randomBelow(random, count);
    const { progress, waiters, answered, wait, read, sync } = bench(4);
    const lists = [[], [0], [1, 2], [0, 1, 2, 3], [3]];
    const open = new Map<number, readonly number[]>();
    const expected: number[] = [];
    let nextOffset = 0;
    for (let step = 0; step < 300; step++) {
      const topicId = below(4);
      const synced = present(progress.synced[topicId], 'below the length');
      if (below(2) === 0) {
        const topicIds = present(lists[below(lists.length)], 'below the length');
        open.set(nextOffset, topicIds);
        wait(nextOffset++, topicIds);
      } else if (below(3) === 0)
        await read(Math.min(nextOffset, progress.knownPosition + below(6)));
      else if (below(9) > 0)
        await sync(topicId, Math.min(progress.knownPosition, synced + below(9)));
      else waiters.look();
      await turn();
      for (const [offset, topicIds] of open) {
        const isSynced = topicIds.every((id) => (progress.synced[id] ?? 0) > offset);
        if (progress.knownPosition <= offset || !isSynced) continue;
        expected.push(offset);
        open.delete(offset);
      }
      expect(answered.toSorted((one, two) => one - two)).toEqual(
        expected.toSorted((one, two) => one - two),
      );
    }
    expect(answered.length).toBeGreaterThan(20);
  });
});

describe('the work for those who wait', () => {
  it('does not grow with their number', async () => {
    const { progress, answered, wait, read, sync } = bench(100);
    const topicIds = progress.synced.map((_, topicId) => topicId);
    for (let offset = 0; offset < 1000; offset++) wait(offset, topicIds);
    await read(1000);
    progress.asked = 0;
    for (const topicId of topicIds) await sync(topicId, 500);
    for (const topicId of topicIds) await sync(topicId, 1000);
    expect(answered.length).toBe(1000);
    // A round of syncs looks at each list once for each of its destinations, whoever waits.
    expect(progress.asked).toBeLessThan(2 * 100 * 100);
  });

  it('is none where nothing they wait for is synced', async () => {
    const { progress, wait, read, sync } = bench(100);
    for (let offset = 0; offset < 1000; offset++) wait(offset, [offset % 10]);
    await read(1000);
    progress.asked = 0;
    for (let topicId = 10; topicId < 100; topicId++) await sync(topicId, 1000);
    expect(progress.asked).toBe(0);
  });
});
