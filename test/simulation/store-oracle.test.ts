/** The checkers of stores themselves: each must object to what breaks a promise. */
import { describe, expect, test } from 'vitest';

import { CommitOracle, type CommitPart } from '../support/simulation/store/commit-oracle.ts';
import { StateOracle } from '../support/simulation/store/state-oracle.ts';

function stateOracle(isOrdered: boolean) {
  const faults: string[] = [];
  const oracle = new StateOracle<readonly string[]>({
    first: [],
    show: (state) => state.join(''),
    isOrdered,
    fault: (promise, what) => faults.push(`${promise}: ${what}`),
  });
  const add = (name: string) => oracle.sent((state) => [...state, name]);
  return { oracle, faults, add };
}

/** `a` answered, `b` refused, `c` and `d` never answered. */
function history(isOrdered: boolean) {
  const made = stateOracle(isOrdered);
  made.add('a').answered();
  made.add('b').refused();
  made.add('c');
  made.add('d');
  return made;
}

describe('the oracle of a journaled state', () => {
  test.each([
    ['a', true],
    ['ac', true],
    ['acd', true],
    ['a', false],
    ['ad', false],
    ['acd', false],
  ])('is content with %s, in the order of the calls: %s', (found, isOrdered) => {
    const { oracle, faults } = history(isOrdered);
    oracle.adopt(found.split(''), 'now');
    expect(faults).toEqual([]);
  });

  test.each([
    ['what was answered is lost', '', false],
    ['what was refused is there', 'ab', false],
    ['what was answered is lost, and what came later is there', 'cd', false],
    ['one came before another that was asked for earlier', 'ad', true],
    ['something is there that nobody asked for', 'ax', false],
  ])('objects when %s', (_name, found, isOrdered) => {
    const { oracle, faults } = history(isOrdered);
    oracle.adopt(found.split(''), 'now');
    expect(faults.join()).toMatch(/^A4: /);
  });

  test('objects when what was found once is gone the next time', () => {
    const { oracle, faults } = history(true);
    oracle.adopt(['a', 'c'], 'now');
    expect(faults).toEqual([]);
    oracle.adopt(['a'], 'later');
    expect(faults).toEqual(['A4: later it is a, not one of ac']);
  });
});

describe('the oracle of commits over partitions', () => {
  const parts: CommitPart[] = [
    { place: 'a/0', id: 1 },
    { place: 'b/1', id: 2 },
  ];

  function faultsFor(status: 'open' | 'answered' | 'refused', ...found: number[]): string[] {
    const faults: string[] = [];
    const oracle = new CommitOracle((promise, what) => faults.push(`${promise}: ${what}`));
    const commit = oracle.sent(parts);
    if (status !== 'open') commit[status]();
    for (const count of found) oracle.reopened((part) => parts.indexOf(part) < count);
    return faults;
  }

  test('is content with all or nothing, as it was answered', () => {
    expect(faultsFor('answered', 2, 2)).toEqual([]);
    expect(faultsFor('refused', 0)).toEqual([]);
    expect(faultsFor('open', 0, 0)).toEqual([]);
    expect(faultsFor('open', 2, 2)).toEqual([]);
  });

  test('knows what may be there of commits', () => {
    const oracle = new CommitOracle(() => undefined);
    oracle.sent(parts);
    oracle.sent([{ place: 'c/0', id: 3 }]).refused();
    expect(oracle.mayHave({ place: 'b/1', id: 2 })).toBe(true);
    expect(oracle.mayHave({ place: 'b/1', id: 1 })).toBe(false);
    expect(oracle.mayHave({ place: 'c/0', id: 3 })).toBe(false);
  });

  test('objects to a part, to a loss, and to what was refused', () => {
    expect(faultsFor('open', 1)).toEqual(['A4: 1 of 2 parts of a commit that is open']);
    expect(faultsFor('answered', 1)).toEqual(['A1: 1 of 2 parts of a commit that is answered']);
    expect(faultsFor('answered', 0)).toHaveLength(1);
    expect(faultsFor('refused', 2)).toHaveLength(1);
    expect(faultsFor('open', 2, 0)).toHaveLength(1);
  });
});
