/** Copies of records without one of their headers, among such as are whole. */
import { expect, test } from 'vitest';

import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf, type BatchRecords } from '../../../src/format/batch-records.ts';
import { CopiedRecords } from '../../../src/format/copied-records.ts';
import { encodeHeaders, HEADERS_LENGTH_BYTES } from '../../../src/format/record-headers.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { encodedBatch, type BatchInput } from '../../support/batch-fixture.ts';

function recordsIn(input: BatchInput): BatchRecords {
  const { bytes, header } = encodedBatch(input);
  return recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'test' });
}

/** Where a header stands in the record at which the cursor is. */
function stretchOf(cursor: BatchCursor, name: string) {
  const value = cursor.headers().get(name);
  const entry =
    encodeHeaders({ [name]: value ?? '' })?.subarray(HEADERS_LENGTH_BYTES) ?? new Uint8Array(0);
  const start = Buffer.from(cursor.bytes).indexOf(entry, cursor.headersStart);
  return { start, end: start + entry.length };
}

test('copies without a header are what they would be, had they never had it', () => {
  const values = ['one', null, '', 'x'.repeat(100_000), 'five', 'six', 'seven'];
  const keys = [null, 'k', '', 'key', null, 'k', 'k'];
  const without = [{ a: '1' }, {}, { z: '3' }, { a: 'y'.repeat(9000) }, { b: '5' }, { c: '6' }, {}];
  const cut = [2, 3, 5];
  const headers = without.map((own, at) =>
    cut.includes(at) ? { hidden: `-${at}-`, ...own } : own,
  );
  const from = recordsIn({ values, keys, headers });
  const copies = new CopiedRecords();
  const cursor = new BatchCursor();
  cursor.reset(from);
  while (cursor.next()) {
    if (cut.includes(cursor.offset)) copies.addWithout(from, cursor, stretchOf(cursor, 'hidden'));
    else copies.add(from, cursor.start, cursor.sizeBytes);
  }
  const expected = recordsIn({ values, keys, headers: without });
  const { bytes, ...found } = copies.encoded(new Uint8Array(0));
  expect(found).toMatchObject({ recordCount: 7, minCreateTimeMs: 1000, maxCreateTimeMs: 1006 });
  expect(bytes.length).toBe(copies.sizeBytes);
  const wanted = expected.bytes.subarray(expected.start, expected.end);
  expect(Buffer.from(bytes).equals(wanted)).toBe(true);
});
