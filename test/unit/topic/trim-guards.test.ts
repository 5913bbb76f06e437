/** Several who have a say in how far the start of a log moves. */
import { describe, expect, test } from 'vitest';

import type { TrimGuard, TrimReason } from '../../../src/log/trim-guard.ts';
import { guardedByAll, type GuardOf } from '../../../src/topic/trim-guards.ts';

/** Allows so much, at once or later, and tells what it was asked. */
class TestGuard implements TrimGuard {
  readonly asked: (readonly [offset: number, why: TrimReason])[] = [];
  readonly #limit: number;
  readonly #isSlow: boolean;

  constructor(limit: number, { isSlow = false } = {}) {
    this.#limit = limit;
    this.#isSlow = isSlow;
  }

  allow(offset: number, why: TrimReason): number | Promise<number> {
    this.asked.push([offset, why]);
    const allowed = Math.min(offset, this.#limit);
    return this.#isSlow ? Promise.resolve(allowed) : allowed;
  }
}

function guardOf(...guards: (TrimGuard | null)[]): TrimGuard | null {
  return guardedByAll(guards.map((guard) => () => guard))(1, 2, 3);
}

const FREE = Number.MAX_SAFE_INTEGER;

describe('the guards of a log', () => {
  test('are those of its partition, each asked who it is once', () => {
    const places: number[][] = [];
    const source: GuardOf = (...place) => {
      places.push(place);
      return null;
    };
    expect(guardedByAll([source, source])(7, 8, 9)).toBeNull();
    expect(places).toEqual([
      [7, 8, 9],
      [7, 8, 9],
    ]);
    expect(guardedByAll([])(7, 8, 9)).toBeNull();
  });

  test('are the only one itself where there is one', () => {
    const only = new TestGuard(5);
    expect(guardOf(null, only, null)).toBe(only);
  });

  test('answer at once when none of them objects, and from memory', () => {
    const guards = [new TestGuard(FREE), new TestGuard(FREE), new TestGuard(FREE)];
    expect(guardOf(...guards)?.allow(40, 'retention')).toBe(40);
    for (const { asked } of guards) expect(asked).toEqual([[40, 'retention']]);
  });

  test('allow what the strictest does, and each is asked for no more than that', () => {
    const guards = [new TestGuard(30), new TestGuard(FREE), new TestGuard(20), new TestGuard(25)];
    expect(guardOf(...guards)?.allow(40, 'asked')).toBe(20);
    const asked = guards.map((guard) => guard.asked);
    expect(asked).toEqual([[[40, 'asked']], [[30, 'asked']], [[30, 'asked']], [[20, 'asked']]]);
  });

  test.each([0, 1, 2])('wait for the one that has to look, at place %i', async (place) => {
    const limits = [30, 20, 25];
    const guards = limits.map((limit, at) => new TestGuard(limit, { isSlow: at === place }));
    const answer = guardOf(...guards)?.allow(40, 'retention');
    expect(answer).toBeInstanceOf(Promise);
    // Those behind it are not asked before it has said how far.
    expect(guards.map(({ asked }) => asked.length)).toEqual(limits.map((_, at) => at <= place ? 1 : 0)); // prettier-ignore
    expect(await answer).toBe(20);
    const asked = guards.map((guard) => guard.asked.map(([offset]) => offset));
    expect(asked).toEqual([[40], [30], [20]]);
  });

  test('allow no more than what was asked for, whatever one of them says', async () => {
    const generous: TrimGuard = { allow: () => 100 };
    const slow: TrimGuard = { allow: () => Promise.resolve(100) };
    expect(guardOf(generous, new TestGuard(FREE))?.allow(40, 'asked')).toBe(40);
    expect(await guardOf(slow, new TestGuard(FREE))?.allow(40, 'asked')).toBe(40);
  });
});
