import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { emptyBatchHeader } from '../../../src/format/batch-header.ts';
import {
  decodeIndexBatch,
  encodeIndexBatch,
  indexBatchBytes,
  isIndexIntact,
  type IndexColumns,
} from '../../../src/format/index-batch.ts';
import { BATCH_HEADER_BYTES, BatchKind, INDEX_ENTRY_BYTES } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';

/** Ascending columns out of steps. */
function columnsOf(steps: readonly (readonly [number, number, number])[]): IndexColumns {
  let [offset, time, position] = [0, 0, 128];
  const rows = steps.map(([offsetStep, timeStep, positionStep]) => {
    offset += offsetStep;
    time += timeStep;
    position += positionStep;
    return { offset, time, position };
  });
  return {
    count: rows.length,
    offsets: Float64Array.from(rows, (row) => row.offset),
    maxCreateTimes: Float64Array.from(rows, (row) => row.time),
    positions: Uint32Array.from(rows, (row) => row.position),
  };
}

const step = fc.tuple(
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc.integer({ min: 0, max: 2 ** 40 }),
  fc.integer({ min: 1, max: 100_000 }),
);

describe('an index batch', () => {
  test('comes back as it was written, also from columns with room to spare', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const columns = columnsOf(steps);
        const roomy = {
          count: columns.count,
          offsets: Float64Array.of(...columns.offsets, 7, 7),
          maxCreateTimes: Float64Array.of(...columns.maxCreateTimes, 7, 7),
          positions: Uint32Array.of(...columns.positions, 7, 7),
        };
        const header = emptyBatchHeader();
        const bytes = encodeIndexBatch(roomy, header);
        expect(bytes).toHaveLength(indexBatchBytes(columns.count));
        expect(header).toMatchObject({
          kind: BatchKind.index,
          recordCount: 0,
          sizeBytes: bytes.length,
        });
        expect(isIndexIntact(bytes, bytes.length)).toBe(true);
        expect(decodeIndexBatch(bytes, header)).toEqual(columns);
      }),
    );
  });

  test('ends in its own length, so that it is found from the end of the file', () => {
    const bytes = encodeIndexBatch(columnsOf([[1, 1, 1]]), emptyBatchHeader());
    expect(viewOf(bytes).getUint32(bytes.length - 4, true)).toBe(bytes.length);
  });

  test('with any flipped bit is not intact', () => {
    const bytes = encodeIndexBatch(
      columnsOf([
        [1, 1, 1],
        [5, 0, 9],
      ]),
      emptyBatchHeader(),
    );
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      expect(isIndexIntact(damaged, bytes.length), `byte ${at}`).toBe(false);
    }
    expect(isIndexIntact(bytes.subarray(0, -1), bytes.length)).toBe(false);
  });

  test.each<[string, (view: DataView, header: ReturnType<typeof emptyBatchHeader>) => void]>([
    ['equal offsets', (view) => view.setUint32(BATCH_HEADER_BYTES + INDEX_ENTRY_BYTES, 1, true)],
    [
      'falling positions',
      (view) => view.setUint32(BATCH_HEADER_BYTES + 2 * INDEX_ENTRY_BYTES - 4, 3, true),
    ],
    ['falling times', (view) => view.setUint32(BATCH_HEADER_BYTES + 8, 999, true)],
    ['an offset above 2^53', (view) => view.setUint32(BATCH_HEADER_BYTES + 4, 0xffff_ffff, true)],
    ['another length at its end', (view) => view.setUint32(view.byteLength - 4, 5, true)],
    ['half an entry', (_view, header) => void (header.sizeBytes -= 10)],
    ['an extension', (_view, header) => void (header.extensionBytes = 4)],
  ])('with %s is no table', (_name, write) => {
    const header = emptyBatchHeader();
    const bytes = encodeIndexBatch(
      columnsOf([
        [1, 1, 1],
        [5, 5, 9],
      ]),
      header,
    );
    write(viewOf(bytes), header);
    expect(decodeIndexBatch(bytes, header)).toBeNull();
  });
});
