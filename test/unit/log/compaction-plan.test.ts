/** What compaction by key does next, of what the headers of segments say. */
import { describe, expect, test } from 'vitest';

import {
  chooseCompaction,
  isOfPass,
  isRewritten,
  mayDropTombstones,
  stampsOf,
  type CompactableSegment,
  type CompactionPass,
  type CompactionSettings,
  type CompactionState,
} from '../../../src/log/compaction-plan.ts';

const NOW = 1_000_000;

const SETTINGS: CompactionSettings = {
  compactionLagMsMin: 0,
  compactionLagMsMax: null,
  compactionShareMin: 0.5,
  tombstoneRetentionMs: 1000,
};

const STATE: CompactionState = {
  syncedOffset: Infinity,
  durableVisibleOffset: Infinity,
  guardedOffset: Infinity,
  damagedOffset: Infinity,
  nowMs: NOW,
  isAsked: false,
};

/** Segments of ten offsets and 100 bytes each, from 0 on; the last one is active. */
function segments(...all: Partial<CompactableSegment>[]): CompactableSegment[] {
  return all.map((given, at) => ({
    baseOffset: 10 * at,
    sizeBytes: 100,
    firstAppendTimeMs: NOW - 10_000,
    lastAppendTimeMs: NOW - 10_000,
    compactedTo: 0,
    cleanedTimeMs: 0,
    tombstoneCount: 0,
    ...given,
  }));
}

function choose(
  all: readonly CompactableSegment[],
  state: Partial<CompactionState> = {},
  settings: Partial<CompactionSettings> = {},
) {
  return chooseCompaction(all, { ...SETTINGS, ...settings }, { ...STATE, ...state });
}

describe('the clean offset', () => {
  test('is the begin of the log, where nothing was ever compacted', () => {
    expect(choose(segments({}, {}, {}))).toMatchObject({ cleanOffset: 0, endOffset: 20 });
    const later = segments({ baseOffset: 5 }, {}, {});
    expect(choose(later)).toMatchObject({ cleanOffset: 5, endOffset: 20 });
  });

  test('is where the last pass ended, also inside a segment', () => {
    const all = segments({ compactedTo: 13 }, { compactedTo: 13 }, {}, {});
    expect(choose(all)).toMatchObject({ cleanOffset: 13, endOffset: 30 });
  });

  test('is no further than the segments that a pass got to', () => {
    const all = segments({ compactedTo: 30 }, {}, {}, {});
    expect(choose(all)).toMatchObject({ cleanOffset: 10 });
  });

  test('is told by the newest segment that was rewritten: those before may have been left as they were', () => {
    const all = segments({}, {}, { compactedTo: 30 }, {}, {});
    expect(choose(all, { isAsked: true })).toMatchObject({ cleanOffset: 30, endOffset: 40 });
  });
});

describe('the limit', () => {
  test('is the begin of the active segment', () => {
    const limit = { limitOffset: 30, limitedBy: 'active-segment' };
    expect(choose(segments({}, {}, {}, {}))).toMatchObject(limit);
    expect(choose(segments({}))).toMatchObject({ ...limit, limitOffset: 0, why: null });
    expect(choose([])).toMatchObject({ ...limit, limitOffset: 0, why: null, cleanOffset: 0 });
  });

  test.each([
    ['nothing behind the border is synced', { syncedOffset: 20 }, 10],
    ['a record behind it is', { syncedOffset: 21 }, 20],
    ['all before it can be seen', { durableVisibleOffset: 20 }, 20],
    ['not all before it can be seen', { durableVisibleOffset: 19 }, 10],
  ])('is a border, and depends on what is durable: %s', (_name, state, limitOffset) => {
    const found = choose(segments({}, {}, {}, {}), state);
    expect(found).toMatchObject({ limitOffset, limitedBy: 'durability' });
  });

  test('is where a guard wants it, or before', () => {
    const all = segments({}, {}, {}, {});
    const guarded = { limitedBy: 'guard' };
    expect(choose(all, { guardedOffset: 20 })).toMatchObject({ ...guarded, limitOffset: 20 });
    expect(choose(all, { guardedOffset: 19 })).toMatchObject({ ...guarded, limitOffset: 10 });
  });

  test('is in front of damage', () => {
    const all = segments({}, {}, {}, {});
    const damaged = { limitedBy: 'damage' };
    expect(choose(all, { damagedOffset: 20 })).toMatchObject({ ...damaged, limitOffset: 20 });
    expect(choose(all, { damagedOffset: 19 })).toMatchObject({ ...damaged, limitOffset: 10 });
    expect(choose(all, { damagedOffset: 0 })).toMatchObject({ ...damaged, limitOffset: 0 });
  });

  test('is in front of the first segment that was appended to a short time ago', () => {
    const young = { lastAppendTimeMs: NOW - 499 };
    const lag = { compactionLagMsMin: 500 };
    const found = choose(segments({}, young, {}, {}), {}, lag);
    expect(found).toMatchObject({ limitOffset: 10, limitedBy: 'lag' });
    const old = { lastAppendTimeMs: NOW - 500 };
    expect(choose(segments({}, old, {}, {}), {}, lag)).toMatchObject({ limitOffset: 30 });
  });

  test.each([
    ['nobody knows when it was appended to', { lastAppendTimeMs: null }],
    ['that is said to be at 0', { lastAppendTimeMs: 0 }],
    ['it was appended to by a clock that was ahead', { lastAppendTimeMs: NOW + 1 }],
  ])('is in front of a segment whose age cannot be told: %s', (_name, second) => {
    const all = segments({}, second, {});
    expect(choose(all, {}, { compactionLagMsMin: 1 })).toMatchObject({ limitOffset: 10 });
    expect(choose(all)).toMatchObject({ limitOffset: 20 });
  });

  test('in the clean part leaves nothing to do', () => {
    const all = segments({ compactedTo: 20 }, { compactedTo: 20 }, {}, {});
    const found = choose(all, { guardedOffset: 10, isAsked: true });
    expect(found).toMatchObject({ why: null, cleanOffset: 20, limitOffset: 10, dirtyBytes: 0 });
  });
});

describe('a pass begins', () => {
  /** Two of four segments are clean. */
  const half = segments({ compactedTo: 20 }, { compactedTo: 20 }, {}, {}, {});

  test('when enough is dirty, of what may be compacted', () => {
    expect(choose(half)).toMatchObject({
      why: 'share',
      cleanOffset: 20,
      endOffset: 40,
      dirtyBytes: 200,
      totalBytes: 400,
    });
    expect(choose(half, {}, { compactionShareMin: 0.51 })).toMatchObject({
      why: null,
      endOffset: 20,
    });
    const inside = segments({ compactedTo: 12 }, { compactedTo: 12 }, {});
    expect(choose(inside)).toMatchObject({ why: null, dirtyBytes: 80, totalBytes: 200 });
  });

  test('when what is dirty is too old, whatever its share', () => {
    const settings = { compactionShareMin: 1, compactionLagMsMax: 500 };
    const aged = (ms: number) =>
      segments({ compactedTo: 10 }, { firstAppendTimeMs: NOW - ms }, {}, {});
    expect(choose(aged(501), {}, settings)).toMatchObject({ why: 'lag', endOffset: 30 });
    expect(choose(aged(500), {}, settings)).toMatchObject({ why: null });
    expect(choose(aged(501), { nowMs: NOW - 1 }, settings)).toMatchObject({ why: null });
    // What is clean may be as old as it likes.
    const clean = segments({ compactedTo: 10 }, { firstAppendTimeMs: NOW }, {}, {});
    expect(choose(clean, {}, settings)).toMatchObject({ why: null });
  });

  test('when it was asked for, and there is anything to do', () => {
    const settings = { compactionShareMin: 1 };
    expect(choose(half, { isAsked: true }, settings)).toMatchObject({
      why: 'asked',
      endOffset: 40,
    });
    const clean = segments({ compactedTo: 20 }, { compactedTo: 20 }, {});
    expect(choose(clean, { isAsked: true })).toMatchObject({ why: null, endOffset: 20 });
  });

  test('when tombstones are due, and then compares no keys', () => {
    const due = { compactedTo: 20, cleanedTimeMs: NOW - 1000, tombstoneCount: 1 };
    const settings = { compactionShareMin: 0.9 };
    const choice = choose(segments({ compactedTo: 20 }, due, {}, {}), {}, settings);
    expect(choice).toMatchObject({ why: 'tombstones', cleanOffset: 20, endOffset: 20 });
    const younger = { ...due, cleanedTimeMs: NOW - 999 };
    const others = [younger, { ...due, tombstoneCount: 0 }, { ...due, cleanedTimeMs: 0 }];
    for (const other of others) {
      const all = segments({ compactedTo: 20 }, other, {}, {});
      expect(choose(all, {}, settings)).toMatchObject({ why: null });
    }
    const asked = choose(segments(due, { compactedTo: 20 }, {}), { isAsked: true });
    expect(asked).toMatchObject({ why: 'asked', cleanOffset: 20, endOffset: 20 });
  });

  test('for no tombstone whose time is not over, nor for one behind the limit', () => {
    const due = { compactedTo: 20, cleanedTimeMs: NOW - 1000, tombstoneCount: 1 };
    const all = segments({ compactedTo: 20 }, due, {});
    expect(choose(all)).toMatchObject({ why: 'tombstones' });
    expect(choose(all, { nowMs: NOW - 1 })).toMatchObject({ why: null });
    expect(choose(all, { guardedOffset: 19 })).toMatchObject({ why: null });
  });
});

test('where the limit fell below the clean part, tombstones in front of it may still go', () => {
  const due = { compactedTo: 30, cleanedTimeMs: NOW - 1000, tombstoneCount: 1 };
  const all = segments(due, due, { compactedTo: 30 }, {}, {});
  const choice = choose(all, { isAsked: true, guardedOffset: 10 });
  expect(choice).toMatchObject({ why: 'asked', cleanOffset: 30, endOffset: 30, limitOffset: 10 });
  const read = all.filter((one) => isOfPass(one, one.baseOffset + 10, choice));
  expect(read.map(({ baseOffset }) => baseOffset)).toEqual([0]);
});

describe('a pass that was not ended', () => {
  const begun = segments({ compactedTo: 25 }, {}, {}, {}, {});

  test('is begun again with the same end, though more could be done by now', () => {
    expect(choose(begun)).toMatchObject({ cleanOffset: 10, endOffset: 25, limitOffset: 40 });
  });

  test('ends at the limit where that is nearer', () => {
    expect(choose(begun, { guardedOffset: 20 })).toMatchObject({ cleanOffset: 10, endOffset: 20 });
  });

  test('reads no segment that it rewrote already', () => {
    const pass = choose(begun);
    const read = begun.filter((one) => isOfPass(one, one.baseOffset + 10, pass));
    expect(read.map(({ baseOffset }) => baseOffset)).toEqual([10, 20]);
  });
});

/** Keys of [20, 35) are compared; the segment that is asked about is [base, end). */
const PASS: CompactionPass = {
  cleanOffset: 20,
  endOffset: 35,
  limitOffset: 50,
  tombstonesToMs: 700,
};

function segmentAt(baseOffset: number, given: Partial<CompactableSegment> = {}) {
  return { ...TEMPLATE, baseOffset, ...given };
}

const TEMPLATE: CompactableSegment = {
  baseOffset: 0,
  sizeBytes: 100,
  firstAppendTimeMs: NOW,
  lastAppendTimeMs: NOW,
  compactedTo: 0,
  cleanedTimeMs: 0,
  tombstoneCount: 0,
};

describe('a pass reads a segment', () => {
  test.each([
    ['that it did not compare yet, also in the clean part', segmentAt(0), 10, true],
    ['that it compared', segmentAt(0, { compactedTo: 35 }), 10, false],
    ['in which it ends', segmentAt(30, { compactedTo: 34 }), 40, true],
    ['behind its end', segmentAt(40), 50, false],
    ['that begins at its end', segmentAt(35), 40, false],
  ])('%s', (_name, segment, end, isRead) => {
    expect(isOfPass(segment, end, PASS)).toBe(isRead);
  });

  test('of whose tombstones some are due, and none else where no keys are compared', () => {
    const pass = { ...PASS, endOffset: 20 };
    const due = segmentAt(0, { compactedTo: 35, cleanedTimeMs: 700, tombstoneCount: 1 });
    expect(isOfPass(due, 10, pass)).toBe(true);
    expect(isOfPass({ ...due, tombstoneCount: 0 }, 10, pass)).toBe(false);
    expect(isOfPass(segmentAt(0), 10, pass)).toBe(false);
  });
});

test.each([
  ['are of a segment that has been clean for long enough', 700, { end: 20 }, true],
  ['are of one that was clean later', 701, { end: 20 }, false],
  ['are of one that never was', 0, { end: 20 }, false],
  ['are behind what was clean before the pass', 700, { end: 21 }, false],
  ['are behind the limit', 700, { end: 20, limitOffset: 19 }, false],
  ['may not go at all', 1, { end: 20, tombstonesToMs: -1 }, false],
])('of tombstones that %s', (_name, cleanedTimeMs, { end, ...pass }, mayGo) => {
  expect(mayDropTombstones({ cleanedTimeMs }, end, { ...PASS, ...pass })).toBe(mayGo);
});

describe('a segment that was read is written anew', () => {
  const nothing = { removedCount: 0, tombstoneCount: 0 };

  test.each([
    ['when something goes', [0, 10], { ...nothing, removedCount: 1 }, true],
    ['not when nothing does', [0, 10], nothing, false],
    ['when the pass ends in it', [30, 40], nothing, true],
    ['when the pass ends where it ends', [30, 35], nothing, true],
    ['not when the pass ends behind it', [20, 34], nothing, false],
    ['when its tombstones wait for their time', [0, 10], { ...nothing, tombstoneCount: 1 }, true],
  ] as const)('%s', (_name, [base, end], found, isWritten) => {
    expect(isRewritten(segmentAt(base), end, PASS, found)).toBe(isWritten);
  });

  test('not for tombstones that have their time, nor where no keys were compared', () => {
    const found = { removedCount: 0, tombstoneCount: 1 };
    expect(isRewritten(segmentAt(0, { cleanedTimeMs: 5 }), 10, PASS, found)).toBe(false);
    const pass = { ...PASS, endOffset: 20 };
    expect(isRewritten(segmentAt(0), 10, pass, found)).toBe(false);
    expect(isRewritten(segmentAt(10), 20, pass, nothing)).toBe(false);
  });
});

const NEW = { compactedTo: 0, cleanedTimeMs: 0 };

test.each([
  ['of the pass, and from when on it is clean', NEW, 35, { compactedTo: 35, cleanedTimeMs: NOW }],
  ['of the pass alone, where it ends inside', NEW, 36, { compactedTo: 35, cleanedTimeMs: 0 }],
  [
    'what it said before of its time',
    { compactedTo: 20, cleanedTimeMs: 500 },
    20,
    { compactedTo: 35, cleanedTimeMs: 500 },
  ],
  [
    'what went further before',
    { compactedTo: 40, cleanedTimeMs: 0 },
    20,
    { compactedTo: 40, cleanedTimeMs: NOW },
  ],
])('a new generation says %s', (_name, before, end, stamps) => {
  expect(stampsOf(before, end, PASS, NOW)).toEqual(stamps);
});
