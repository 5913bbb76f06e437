import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { BadEntryError, EntryReader, EntryWriter } from '../../../src/journal/entry-bytes.ts';
import {
  OffsetRuns,
  eachOffset,
  offsetCountOf,
  offsetRuns,
} from '../../../src/queue/offset-runs.ts';
import { propertyOptions } from '../../support/property.ts';

const LAST = Number.MAX_SAFE_INTEGER;

function written(runs: readonly number[]): Uint8Array {
  const writer = new EntryWriter();
  offsetRuns.write(writer, runs);
  return writer.take();
}

function readBack(bytes: Uint8Array): readonly number[] {
  const reader = new EntryReader(bytes);
  const runs = offsetRuns.read(reader);
  reader.end();
  return runs;
}

/** Bytes of a list of integers, as a hostile journal may hold them. */
function bytesOf(...values: number[]): Uint8Array {
  const writer = new EntryWriter();
  for (const value of values) writer.uint(value);
  return writer.take();
}

function runsOf(offsets: Iterable<number>): number[] {
  const builder = new OffsetRuns();
  for (const offset of offsets) builder.add(offset);
  return builder.take();
}

function offsetsOf(runs: readonly number[]): number[] {
  const offsets: number[] = [];
  eachOffset(runs, (offset) => offsets.push(offset));
  return offsets;
}

describe('OffsetRuns', () => {
  test.each([
    ['nothing', [], []],
    ['one offset', [7], [7, 1]],
    ['neighbours', [0, 1, 2, 3], [0, 4]],
    ['gaps', [0, 1, 5, 6, 9], [0, 2, 5, 2, 9, 1]],
    ['neighbours that come late', [5, 4, 7, 6], [4, 4]],
    ['descending', [3, 2, 1, 0], [0, 4]],
    ['the last offset of all', [LAST, LAST - 1, 0], [0, 1, LAST - 1, 2]],
  ])('makes runs of %s', (_name, offsets, runs) => {
    expect(runsOf(offsets)).toEqual(runs);
  });

  test('takes runs as well, and begins anew', () => {
    const builder = new OffsetRuns();
    builder.addRun(100, 50);
    builder.addRun(10, 90);
    builder.add(9);
    expect(builder.count).toBe(141);
    expect(builder.take()).toEqual([9, 141]);
    expect(builder.count).toBe(0);
    builder.add(150);
    expect(builder.take()).toEqual([150, 1]);
  });

  test.each([
    ['at once', [4, 4]],
    ['later', [4, 7, 4]],
    ['within a run', [4, 5, 6, 1, 5]],
  ])('an offset that comes twice, %s, is a bug', (_name, offsets) => {
    expect(() => runsOf(offsets)).toThrow(AssertionError);
  });

  test('any set of offsets has one form, and comes back from its bytes', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.oneof(
            fc.nat(60),
            fc.maxSafeNat(),
            fc.nat(9).map((n) => LAST - n),
          ),
        ),
        (offsets) => {
          const sorted = offsets.toSorted((one, two) => one - two);
          const runs = runsOf(offsets);
          expect(runs).toEqual(runsOf(sorted));
          expect(offsetsOf(runs)).toEqual(sorted);
          expect(offsetCountOf(runs)).toBe(offsets.length);
          expect(readBack(written(runs))).toEqual(runs);
        },
      ),
      propertyOptions(),
    );
  });
});

describe('offsetRuns', () => {
  test('a run of a million is five bytes', () => {
    expect(written([20, 1_000_000])).toHaveLength(5);
  });

  test('the longest run there is', () => {
    expect(readBack(written([1, LAST]))).toEqual([1, LAST]);
  });

  test.each([
    ['an empty run', [1, 4, 0]],
    ['runs that touch', [2, 4, 1, 0, 3]],
    ['a run beyond the last offset', [1, 2, LAST]],
    ['a start beyond the last offset', [2, LAST - 1, 1, 2, 1]],
    ['a start just beyond it', [2, LAST, 1, 1, 1]],
    ['fewer runs than it says', [3, 4, 1]],
  ])('refuses to read %s', (_name, values) => {
    expect(() => readBack(bytesOf(...values))).toThrow(BadEntryError);
  });

  test.each([
    ['an empty run', [4, 0]],
    ['half a run', [4]],
    ['runs that touch', [4, 1, 5, 1]],
    ['runs that overlap', [4, 3, 6, 1]],
    ['runs that descend', [9, 1, 2, 1]],
    ['a run beyond the last offset', [2, LAST]],
    ['a negative offset', [-1, 1]],
  ])('never writes %s', (_name, runs) => {
    expect(() => written(runs)).toThrow(AssertionError);
  });
});
