/** Copies of records, whole and without one of their headers. */
import { describe, expect, test } from 'vitest';

import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf, type BatchRecords } from '../../../src/format/batch-records.ts';
import { CopiedRecords } from '../../../src/format/copied-records.ts';
import { encodeHeaders } from '../../../src/format/record-headers.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { encodedBatch, type BatchInput } from '../../support/batch-fixture.ts';

function recordsIn(input: BatchInput): BatchRecords {
  const { bytes, header } = encodedBatch(input);
  return recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'test' });
}

/** Where a header stands in the record at which the cursor is. */
function stretchOf(cursor: BatchCursor, name: string) {
  const value = cursor.headers().get(name);
  const entry = encodeHeaders({ [name]: value ?? '' })?.subarray(4) ?? new Uint8Array(0);
  const start = Buffer.from(cursor.bytes).indexOf(entry, cursor.headersStart);
  return { start, end: start + entry.length };
}

describe('copied records', () => {
  test('without a header are what they would be, had they never had it', () => {
    const values = ['one', null, '', 'x'.repeat(100_000), 'five'];
    const keys = [null, 'k', '', 'key', null];
    const without = [
      { a: '1' },
      { a: '2', z: '' },
      { z: '3' },
      { a: 'y'.repeat(9000) },
      { b: '5' },
    ];
    const headers = without.map((own, at) => (at === 4 ? own : { ...own, hidden: `-${at}-` }));
    const from = recordsIn({ values, keys, headers });
    const copies = new CopiedRecords();
    const cursor = new BatchCursor();
    cursor.reset(from);
    while (cursor.next()) {
      if (cursor.offset === 4) copies.add(from, cursor.start, cursor.sizeBytes);
      else copies.addWithout(from, cursor, stretchOf(cursor, 'hidden'));
    }
    const expected = recordsIn({ values, keys, headers: without });
    const { bytes, recordCount, minCreateTimeMs, maxCreateTimeMs } = copies.encoded(
      new Uint8Array(0),
    );
    expect({ recordCount, minCreateTimeMs, maxCreateTimeMs }).toEqual({
      recordCount: 5,
      minCreateTimeMs: 1000,
      maxCreateTimeMs: 1004,
    });
    expect(bytes.length).toBe(copies.sizeBytes);
    expect(Buffer.from(bytes).equals(expected.bytes.subarray(expected.start, expected.end))).toBe(
      true,
    );
  });
});
