import { describe, expect, it } from 'vitest';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import type { BatchRecords } from '../../../src/format/batch-records.ts';
import { CopiedRecords } from '../../../src/format/copied-records.ts';
import { batchOf, NO_EXTENSION, recordsIn } from '../../support/numbered-batch.ts';

/** Adds those of the batch that are wanted. */
function addSome(copied: CopiedRecords, batch: BatchRecords, wanted: readonly number[]): void {
  const cursor = new BatchCursor();
  cursor.reset(batch);
  while (cursor.next()) {
    if (wanted.includes(cursor.offset)) copied.add(batch, cursor.start, cursor.sizeBytes);
  }
}

/** The records, by the first byte of their values; their offsets go up by one. */
function foundIn(copied: CopiedRecords): number[] {
  const { bytes, recordCount } = copied.encoded(NO_EXTENSION);
  const cursor = new BatchCursor();
  cursor.reset(recordsIn(bytes, recordCount));
  const found: number[] = [];
  while (cursor.next()) {
    expect(cursor.offset).toBe(found.length);
    const value = cursor.valueView() ?? NO_EXTENSION;
    const first = value[0] ?? -1;
    expect(value).toEqual(new Uint8Array(first + 1).fill(first));
    found.push(first);
  }
  return found;
}

describe('records that are copied', () => {
  it('stand one behind the other, whether they did before or not', () => {
    const copied = new CopiedRecords();
    addSome(copied, batchOf(10), [1, 2, 3, 6, 8, 9]);
    expect(foundIn(copied)).toEqual([1, 2, 3, 6, 8, 9]);
    const { minCreateTimeMs, maxCreateTimeMs } = copied.encoded(NO_EXTENSION);
    expect([minCreateTimeMs, maxCreateTimeMs]).toEqual([991, 999]);
  });

  it('do not care what becomes of their batch afterwards', () => {
    const copied = new CopiedRecords();
    for (let n = 0; n < 3; n++) {
      const batch = batchOf(5);
      addSome(copied, batch, [3, 4]);
      copied.copy();
      batch.bytes.fill(0xff);
    }
    expect(foundIn(copied)).toEqual([3, 4, 3, 4, 3, 4]);
  });

  it('come from several batches, the next of which begins where the last ended', () => {
    const copied = new CopiedRecords();
    const whole = batchOf(4);
    addSome(copied, whole, [0, 1]);
    addSome(copied, recordsIn(whole.bytes, 4), [2, 3]);
    expect(foundIn(copied)).toEqual([0, 1, 2, 3]);
  });

  it('are more than there was room for at first, and forgotten by clear', () => {
    const copied = new CopiedRecords();
    const batch = batchOf(200);
    const all = Array.from({ length: 200 }, (_, n) => n);
    for (let n = 0; n < 5; n++) addSome(copied, batch, all);
    expect(copied.sizeBytes).toBeGreaterThan(100_000);
    expect(foundIn(copied)).toEqual([...all, ...all, ...all, ...all, ...all]);
    addSome(copied, batch, [5]);
    copied.clear();
    addSome(copied, batch, [7]);
    expect(foundIn(copied)).toEqual([7]);
  });
});
