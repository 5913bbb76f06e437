/** The checkers of stores themselves: each must object to what breaks a promise. */
import { describe, expect, test } from 'vitest';

import type { FoundLog } from '../support/simulation/found-log.ts';
import { makeRecord, type SentRecord } from '../support/simulation/records.ts';
import { CommitOracle, type CommitPart } from '../support/simulation/store/commit-oracle.ts';
import { CompactedOracle } from '../support/simulation/store/compacted-oracle.ts';
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

  test('lets nothing follow from a part that need not be there, and remembers it as such', () => {
    const faults: string[] = [];
    const oracle = new CommitOracle((promise, what) => faults.push(`${promise}: ${what}`));
    oracle.sent(parts).answered();
    oracle.reopened(({ id }) => (id === 1 ? null : true));
    oracle.reopened(({ id }) => id === 2);
    expect(faults).toEqual([]);
    oracle.reopened(() => false);
    expect(faults).toEqual(['A1: 0 of 1 parts of a commit that is answered']);
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

describe('the oracle of a partition that is compacted', () => {
  const RETENTION_MS = 1000;
  /** Of one key: a value, another, its deletion; and a record of no key. */
  const records = [
    sent(0, 'key', 'old'),
    sent(1, 'key', 'new'),
    sent(2, 'key', null),
    sent(3, null, 'value'),
  ];

  function sent(id: number, key: string | null, value: string | null): SentRecord {
    const made = makeRecord(id, 0, { valueBytesMax: 8, isUniform: true });
    const bytesOf = (text: string | null) => (text === null ? null : Buffer.from(text));
    return { ...made, key: bytesOf(key), value: bytesOf(value) };
  }

  function found(offsets: readonly number[]): FoundLog {
    const all = offsets.map((offset) => records[offset] ?? sent(offset, null, null));
    return {
      startOffset: 0,
      endOffset: records.length,
      epoch: 1,
      records: all.map((record) => ({ ...record, offset: record.id, epoch: 1, appendTimeMs: 0 })),
    };
  }

  /** What it says of looks at given times. */
  function faultsOf(
    ...looks: readonly (readonly [number, readonly number[]])[]
  ): readonly string[] {
    let nowMs = 0;
    const oracle = new CompactedOracle({
      tombstoneRetentionMs: RETENTION_MS,
      readSinceMs: () => nowMs,
      wallMaxMs: () => nowMs,
      onSuperseded: (offset) => superseded.push(offset),
    });
    const superseded: number[] = [];
    for (const [offset, record] of records.entries()) {
      oracle.sent(record, offset);
      oracle.acked(record, offset, 'sync');
    }
    expect(superseded).toEqual([0, 1, 2]);
    for (const [timeMs, offsets] of looks) {
      nowMs = timeMs;
      oracle.compare('power', found(offsets));
    }
    return oracle.violations;
  }

  test('is content while the last of each key is there, or its tombstone went in time', () => {
    expect(faultsOf([0, [0, 1, 2, 3]], [1, [1, 2, 3]], [2, [2, 3]], [1001, [3]])).toEqual([]);
  });

  test('objects to a tombstone that went before its time, counted from the last older record', () => {
    expect(faultsOf([0, [2, 3]], [999, [3]])).toHaveLength(1);
    expect(faultsOf([500, [1, 2, 3]], [1499, [3]])).toEqual([
      'A11: the tombstone at 2 went at 1499 or before: 500',
    ]);
    expect(faultsOf([500, [1, 2, 3]], [1500, [3]])).toEqual([]);
  });

  test('objects when what was deleted is there again, and when what nobody superseded is gone', () => {
    expect(faultsOf([5000, [1, 3]])).toEqual(['A11: 1 is there again, deleted at 2']);
    expect(faultsOf([0, [0, 1, 2]])).toEqual(['A3: nothing at offset 3, and no gap explains it']);
  });
});
