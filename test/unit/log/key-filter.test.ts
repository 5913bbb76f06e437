/** Which records compaction by key keeps, and the reasons that it counts for the others. */
import { describe, expect, test } from 'vitest';

import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { KeyFilter, type KeyFilterOptions } from '../../../src/log/key-filter.ts';
import { encodedBatch } from '../../support/batch-fixture.ts';

const END = 1000;

/** Last offsets by key, of a stretch that ends at 1000. */
function keysOf(offsets: Readonly<Record<string, number>>): KeyFilterOptions['keys'] {
  return {
    endOffset: END,
    lastOffsetOf: (record) => offsets[Buffer.from(record.keyView() ?? []).toString()] ?? -1,
  };
}

/** @returns offsets that are kept, of records of a batch from `baseOffset` on */
function keptOf(
  filter: KeyFilter,
  baseOffset: number,
  records: readonly (readonly [key: string | null, value: string | null])[],
): number[] {
  const keys = records.map(([key]) => key);
  const values = records.map(([, value]) => value);
  const { bytes, header } = encodedBatch({ keys, values, baseOffset });
  const cursor = new BatchCursor();
  cursor.reset(recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'a.log' }));
  const kept: number[] = [];
  while (cursor.next()) if (filter.keeps(cursor)) kept.push(cursor.offset);
  return kept;
}

describe('a record', () => {
  test('goes when a later one of the stretch has its key', () => {
    const keys = keysOf({ a: 502, b: 501, gone: 100 });
    const filter = new KeyFilter({ keys, dropsTombstones: false });
    filter.begin();
    const records = ['a', 'b', 'a', 'gone', 'new'].map((key) => [key, 'x'] as const);
    expect(keptOf(filter, 500, records)).toEqual([501, 502, 503, 504]);
    expect(filter).toMatchObject({ supersededCount: 1, removedCount: 1, tombstoneCount: 0 });
  });

  test('at or behind the end of the stretch stays, whatever is said of its key', () => {
    const keys = keysOf({ a: Number.MAX_SAFE_INTEGER });
    const filter = new KeyFilter({ keys, dropsTombstones: false });
    filter.begin();
    const records = 'aaa'.split('').map((key) => [key, 'x'] as const);
    expect(keptOf(filter, END - 1, records)).toEqual([END, END + 1]);
  });

  test('without a key stays, also without a value', () => {
    const filter = new KeyFilter({ keys: keysOf({ '': 900 }), dropsTombstones: true });
    filter.begin();
    const records = [
      [null, 'x'],
      [null, null],
      ['', 'x'],
    ] as const;
    expect(keptOf(filter, 0, records)).toEqual([0, 1]);
    expect(filter).toMatchObject({ keylessCount: 2, supersededCount: 1, tombstoneCount: 0 });
  });

  test('stays when no keys are compared', () => {
    const filter = new KeyFilter({ keys: null, dropsTombstones: false });
    filter.begin();
    expect(
      keptOf(filter, 0, [
        ['a', 'x'],
        ['a', null],
      ]),
    ).toEqual([0, 1]);
  });
});

describe('a tombstone', () => {
  test('stays until tombstones may go, and is counted', () => {
    const filter = new KeyFilter({ keys: keysOf({ a: 0 }), dropsTombstones: false });
    filter.begin();
    expect(keptOf(filter, 0, [['a', null]])).toEqual([0]);
    expect(filter).toMatchObject({ tombstoneCount: 1, droppedTombstoneCount: 0, removedCount: 0 });
  });

  test('goes then, and what has a value stays', () => {
    const filter = new KeyFilter({ keys: null, dropsTombstones: true });
    filter.begin();
    expect(
      keptOf(filter, 0, [
        ['a', null],
        ['b', 'x'],
      ]),
    ).toEqual([1]);
    expect(filter).toMatchObject({ tombstoneCount: 0, droppedTombstoneCount: 1, removedCount: 1 });
  });

  test('that is superseded counts as that', () => {
    const filter = new KeyFilter({ keys: keysOf({ a: 1 }), dropsTombstones: true });
    filter.begin();
    expect(
      keptOf(filter, 0, [
        ['a', null],
        ['a', 'x'],
      ]),
    ).toEqual([1]);
    expect(filter).toMatchObject({ supersededCount: 1, droppedTombstoneCount: 0 });
  });
});

test('asked for all of a segment again, it counts from the beginning', () => {
  const filter = new KeyFilter({ keys: keysOf({ a: 2 }), dropsTombstones: false });
  const records = [
    ['a', 'x'],
    ['b', null],
    [null, 'x'],
    ['a', 'x'],
  ] as const;
  for (let times = 0; times < 2; times++) {
    filter.begin();
    keptOf(filter, 0, records);
    expect(filter).toMatchObject({ supersededCount: 1, tombstoneCount: 1, keylessCount: 1 });
  }
});
