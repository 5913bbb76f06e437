import { describe, expect, test } from 'vitest';

import { chooseRetention, dueSegments, type RetainedSegment } from '../../../src/log/retention.ts';

const NOW_MS = 1_000_000;
const NEVER = { retentionMs: null, retentionBytes: null };

/** Segments of 100 bytes and 10 records each; `agesMs[n]` ago the last append of segment n. */
function segments(...agesMs: readonly (number | null)[]): RetainedSegment[] {
  return agesMs.map((ageMs, at) => ({
    baseOffset: at * 10,
    sizeBytes: 100,
    lastAppendTimeMs: ageMs === null ? null : NOW_MS - ageMs,
  }));
}

function startAfter(list: readonly RetainedSegment[], policy: Partial<typeof NEVER>) {
  const choice = chooseRetention(list, { ...NEVER, ...policy }, NOW_MS);
  return choice === null ? null : choice.startOffset;
}

const byAge = { retentionMs: 60 as never };
const bySize = (retentionBytes: number) => ({ retentionBytes: retentionBytes as never });

describe('by age', () => {
  test('lets go of segments that are older, not of those that are just as old', () => {
    expect(startAfter(segments(90, 61, 60, 10, 0), byAge)).toBe(20);
  });

  test('always keeps the last segment', () => {
    expect(startAfter(segments(900, 900, 900), byAge)).toBe(20);
    expect(startAfter(segments(900), byAge)).toBeNull();
    expect(startAfter([], byAge)).toBeNull();
  });

  test('stops at the first one that is young, though an older one follows', () => {
    expect(startAfter(segments(90, 10, 90, 0), byAge)).toBe(10);
  });

  test('an unknown time, and a time of 0, are never old', () => {
    expect(startAfter(segments(null, 900, 0), byAge)).toBeNull();
    expect(startAfter(segments(NOW_MS, 900, 0), byAge)).toBeNull();
  });

  test('a time in the future is not old', () => {
    expect(startAfter(segments(-500, 900, 0), byAge)).toBeNull();
  });
});

describe('by size', () => {
  test('lets go while the rest still holds at least that much', () => {
    expect(startAfter(segments(0, 0, 0, 0, 0), bySize(300))).toBe(20);
    expect(startAfter(segments(0, 0, 0, 0, 0), bySize(301))).toBe(10);
    expect(startAfter(segments(0, 0, 0, 0, 0), bySize(400))).toBe(10);
    expect(startAfter(segments(0, 0, 0, 0, 0), bySize(401))).toBeNull();
  });

  test('of 0 keeps the last segment', () => {
    expect(startAfter(segments(0, 0, 0), bySize(0))).toBe(20);
  });
});

describe('together', () => {
  test('either is enough, and each deletion names its reason', () => {
    const policy = { retentionMs: 60, retentionBytes: 200 };
    const choice = chooseRetention(segments(90, 10, 10, 10), policy, NOW_MS);
    expect(choice).toEqual({
      startOffset: 20,
      segmentCount: 2,
      sizeBytes: 200,
      reasons: ['age', 'size'],
    });
  });

  test('without a policy nothing goes', () => {
    expect(startAfter(segments(9e9, 9e9), {})).toBeNull();
  });
});

describe('up to an offset', () => {
  const old = segments(900, 900, 900, 900);
  const choose = (endOffset: number, policy: Partial<typeof NEVER>) =>
    chooseRetention(old, { ...NEVER, ...policy }, NOW_MS, endOffset)?.startOffset ?? null;

  test('lets go of segments that end at or below it', () => {
    expect([9, 10, 19, 20, 30, 99].map((endOffset) => choose(endOffset, byAge))).toEqual([
      null,
      10,
      10,
      20,
      30,
      30,
    ]);
  });

  test('counts the bytes of the others too', () => {
    expect(choose(20, bySize(200))).toBe(20);
    expect(choose(20, bySize(300))).toBe(10);
    expect(choose(20, bySize(400))).toBeNull();
  });
});

describe('what is due now', () => {
  const due = (settledOffset: number, policy: Partial<typeof NEVER>) =>
    dueSegments(
      segments(90, 90, 10, 0),
      { ...NEVER, ...policy },
      { nowMs: NOW_MS, settledOffset },
    ).map(({ endOffset, reason }) => `${endOffset} ${reason}`);

  test('is what is settled first, by whole segments, and then what the policy lets go of', () => {
    expect(due(0, {})).toEqual([]);
    expect(due(19, {})).toEqual(['10 settled']);
    expect(due(10, byAge)).toEqual(['10 settled', '20 age']);
    expect(due(0, { ...byAge, ...bySize(100) })).toEqual(['10 age', '20 age', '30 size']);
  });

  test('is never the last segment', () => {
    expect(due(Infinity, bySize(0))).toEqual(['10 settled', '20 settled', '30 settled']);
  });
});
