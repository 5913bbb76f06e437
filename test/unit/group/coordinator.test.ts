/** Who reads which partition, while members come, go, stall and work slowly. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { GroupCoordinator } from '../../../src/group/coordinator.ts';

const POLL_MS_MAX = 1000;

interface Setup {
  readonly clock: ManualClock;
  readonly coordinator: GroupCoordinator;
  readonly join: () => string;
}

function setup(partitionCount: number, isSingle = false): Setup {
  const clock = new ManualClock();
  const coordinator = new GroupCoordinator({
    clock,
    partitionCount: () => partitionCount,
    isSingle,
    observer: null,
  });
  const join = () => coordinator.join({ pollMsMax: POLL_MS_MAX, onChange: () => undefined });
  return { clock, coordinator, join };
}

const partitionsOf = (coordinator: GroupCoordinator, id: string): number[] =>
  coordinator.ownedBy(id).map(({ partition }) => partition);

const ascending = (one: number, two: number): number => one - two;

/** A whole poll: gives up what it must. @returns whether the member was still in the group */
function pollOnce(coordinator: GroupCoordinator, id: string): boolean {
  const leaving = coordinator.poll(id);
  if (leaving === null) return false;
  coordinator.giveUp(id, leaving);
  coordinator.polled(id);
  return true;
}

describe('GroupCoordinator', () => {
  test('a new member gets its share when the others have done with theirs', () => {
    const { coordinator, join } = setup(4);
    const a = join();
    expect(partitionsOf(coordinator, a)).toEqual([0, 1, 2, 3]);
    const b = join();
    expect(partitionsOf(coordinator, b)).toEqual([]);
    expect(coordinator.poll(a)).toEqual([2, 3]);
    expect(partitionsOf(coordinator, b)).toEqual([]); // Not yet: `a` may still commit.
    coordinator.giveUp(a, [2, 3]);
    expect(partitionsOf(coordinator, b)).toEqual([2, 3]);
  });

  test('what a member leaves goes to the others at once', () => {
    const { coordinator, join } = setup(3);
    const [a, b] = [join(), join()];
    pollOnce(coordinator, a);
    coordinator.leave(a);
    coordinator.leave(a);
    expect(partitionsOf(coordinator, b).toSorted(ascending)).toEqual([0, 1, 2]);
    expect(coordinator.poll(a)).toBeNull();
  });

  test('a member that does not come in time loses everything, and its right to commit', () => {
    const { clock, coordinator, join } = setup(2);
    const [a, b] = [join(), join()];
    pollOnce(coordinator, a);
    const right = present(coordinator.ownedBy(a)[0], 'it owns one of two');
    clock.advance(POLL_MS_MAX - 1);
    pollOnce(coordinator, b);
    expect(coordinator.isValid(a, right)).toBe(true);
    clock.advance(1);
    expect(coordinator.isValid(a, right)).toBe(false);
    expect(coordinator.members).toEqual([b]);
    expect(partitionsOf(coordinator, b)).toHaveLength(2);
    coordinator.close();
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('a member that waits in a poll is alive, however long', () => {
    const { clock, coordinator, join } = setup(1);
    const a = join();
    coordinator.poll(a);
    clock.advance(100 * POLL_MS_MAX);
    expect(coordinator.members).toEqual([a]);
    coordinator.polled(a);
    clock.advance(POLL_MS_MAX);
    expect(coordinator.members).toEqual([]);
  });

  test('partitions that are added go to members at once', () => {
    const clock = new ManualClock();
    let partitionCount = 1;
    const coordinator = new GroupCoordinator({
      clock,
      partitionCount: () => partitionCount,
      isSingle: false,
      observer: null,
    });
    const join = () => coordinator.join({ pollMsMax: POLL_MS_MAX, onChange: () => undefined });
    const [a, b] = [join(), join()];
    expect(partitionsOf(coordinator, b)).toEqual([]);
    partitionCount = 4;
    coordinator.grown();
    expect(partitionsOf(coordinator, a)).toHaveLength(2);
    expect(partitionsOf(coordinator, b)).toHaveLength(2);
  });

  test('single: one reads everything until it goes', () => {
    const { coordinator, join } = setup(3, true);
    const [a, b] = [join(), join()];
    pollOnce(coordinator, a);
    pollOnce(coordinator, b);
    expect(partitionsOf(coordinator, a)).toEqual([0, 1, 2]);
    expect(partitionsOf(coordinator, b)).toEqual([]);
    coordinator.leave(a);
    expect(partitionsOf(coordinator, b)).toEqual([0, 1, 2]);
  });

  test('whoever should look again is told', () => {
    const { coordinator } = setup(2);
    const told: string[] = [];
    const joinAs = (name: string) =>
      coordinator.join({ pollMsMax: POLL_MS_MAX, onChange: () => told.push(name) });
    const a = joinAs('a');
    expect(told).toEqual(['a']);
    joinAs('b');
    expect(told).toEqual(['a', 'a']); // It shall give one up.
    pollOnce(coordinator, a);
    expect(told).toEqual(['a', 'a', 'b']);
  });
});

type Step =
  | { readonly kind: 'join' }
  | { readonly kind: 'leave' | 'poll' | 'work'; readonly member: number }
  | { readonly kind: 'wait'; readonly ms: number };

const steps = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.constant<Step>({ kind: 'join' }) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constantFrom('poll' as const, 'poll' as const, 'work' as const, 'leave' as const),
        member: fc.nat(7),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(700) }) },
  ),
  { minLength: 10, maxLength: 120 },
);

describe('any history of joins, leaves, polls, slow handlers and stalls', () => {
  test('no partition has two readers, and none waits longer than one poll for its next', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 12 }), (history, partitionCount) => {
        const { clock, coordinator, join } = setup(partitionCount);
        let members = [join(), join()];
        const check = () => {
          const alive = coordinator.members;
          members = members.filter((id) => alive.includes(id));
          const rights = alive.flatMap((id) =>
            coordinator.ownedBy(id).map((right) => ({ id, right })),
          );
          const owned = rights.map(({ right }) => right.partition);
          expect(new Set(owned).size).toBe(owned.length);
          // With members there is nobody's partition: who shall have it has it, or waits for one
          // that is working.
          if (alive.length > 0) expect(owned).toHaveLength(partitionCount);
          for (const { id, right } of rights) {
            expect(coordinator.owners[right.partition]).toBe(id);
            expect(coordinator.isValid(id, right)).toBe(true);
          }
        };
        check();
        for (const step of history) {
          if (step.kind === 'join') {
            if (members.length < 8) members.push(join());
          } else if (step.kind === 'wait') {
            clock.advance(step.ms);
          } else {
            const id = members[step.member % Math.max(1, members.length)];
            if (id === undefined) continue;
            const before = partitionsOf(coordinator, id);
            if (step.kind === 'leave') coordinator.leave(id);
            else if (step.kind === 'work') coordinator.polled(id);
            else {
              const leaving = coordinator.poll(id) ?? [];
              expect(before).toEqual(expect.arrayContaining([...leaving]));
              coordinator.giveUp(id, leaving);
              // What it gave up has its next reader in this very step.
              for (const partition of leaving) {
                expect(coordinator.owners[partition]).not.toBe(id);
                expect(coordinator.owners[partition]).not.toBeNull();
              }
            }
          }
          check();
        }
        // When all come once more, the shares are even.
        for (let round = 0; round < 2; round++) {
          for (const id of coordinator.members) pollOnce(coordinator, id);
        }
        const counts = coordinator.members.map((id) => coordinator.ownedBy(id).length);
        if (counts.length > 0) expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(2);
        coordinator.close();
      }),
      { numRuns: 300 },
    );
  });
});
