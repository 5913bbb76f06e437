import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { SegmentList } from '../../../src/log/segment-list.ts';
import { Segment } from '../../../src/segment/segment.ts';

function listOf(...baseOffsets: readonly number[]): SegmentList {
  return new SegmentList(baseOffsets.map((base) => new Segment(`/${base}`, base, 0)));
}

describe('SegmentList', () => {
  test.each([
    [4, null],
    [5, 5],
    [9, 5],
    [10, 10],
    [29, 10],
    [30, 30],
    [1e9, 30],
  ])('the segment that may hold offset %i begins at %s', (offset, expected) => {
    expect(listOf(5, 10, 30).floor(offset)?.baseOffset ?? null).toBe(expected);
  });

  test('knows neighbours, also of a segment that is gone', () => {
    const list = listOf(5, 10, 30);
    expect(list.after(5)?.baseOffset).toBe(10);
    expect(list.after(30)).toBeNull();
    expect(list.before(10)?.baseOffset).toBe(5);
    expect(list.before(5)).toBeNull();
    list.remove(list.whollyBelow(10));
    expect(list.after(5)?.baseOffset).toBe(10);
  });

  test.each([
    [9, []],
    [10, [5]],
    [29, [5]],
    [30, [5, 10]],
    [1e9, [5, 10]],
  ])('wholly below offset %i lie %j, never the last', (offset, expected) => {
    const below = listOf(5, 10, 30).whollyBelow(offset);
    expect(below.map(({ baseOffset }) => baseOffset)).toEqual(expected);
  });

  test('is empty without trouble', () => {
    const list = listOf();
    expect([list.last, list.floor(0), list.after(0), list.before(0)]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect(list.whollyBelow(100)).toEqual([]);
    list.add(new Segment('/7', 7, 0));
    expect(list.last?.baseOffset).toBe(7);
  });

  test('does not take a segment that does not ascend', () => {
    const list = listOf(5, 10);
    expect(() => list.add(new Segment('/10', 10, 0))).toThrow(AssertionError);
    expect(() => list.add(new Segment('/3', 3, 0))).toThrow(AssertionError);
    expect(list.all).toHaveLength(2);
  });

  test('what was handed out does not change', () => {
    const list = listOf(5, 10);
    const { all } = list;
    list.add(new Segment('/20', 20, 0));
    list.remove(list.whollyBelow(10));
    expect(all.map(({ baseOffset }) => baseOffset)).toEqual([5, 10]);
    expect(list.all.map(({ baseOffset }) => baseOffset)).toEqual([10, 20]);
  });
});
