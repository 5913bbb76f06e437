/** The checker itself: each broken promise, in the smallest history, must be seen; nothing else. */
import { describe, expect, test } from 'vitest';
import { BROKEN_LEASES } from '../../support/queue-check/broken-leases.ts';
import { BROKEN_RECORDS } from '../../support/queue-check/broken-records.ts';
import { kindsIn } from '../../support/queue-check/forged-kinds.ts';
import { VIOLATION_KINDS } from '../../support/queue-check/verdict.ts';

const BROKEN = [...BROKEN_RECORDS, ...BROKEN_LEASES];

describe('the checker finds', () => {
  test.each(BROKEN)('%s', (_what, kinds, write) => {
    expect(kindsIn(write)).toEqual(kinds);
  });

  test('every kind that it knows in one of these', () => {
    const found = new Set(BROKEN.flatMap(([, kinds]) => kinds));
    const others = Object.keys(VIOLATION_KINDS).filter((kind) => kind !== 'vacuous');
    expect([...found].toSorted()).toEqual(others.toSorted());
  });
});
