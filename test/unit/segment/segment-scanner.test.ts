import { describe, expect, test } from 'vitest';

import { UnsupportedVersionError } from '../../../src/core/errors.ts';
import { checksum } from '../../../src/format/checksum.ts';
import { CRC_AT, MAGIC_AT, SEGMENT_HEADER_BYTES, VERSION_AT } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { findCandidates } from '../../../src/segment/candidates.ts';
import { SegmentIndex } from '../../../src/segment/segment-index.ts';
import { SegmentScanner } from '../../../src/segment/segment-scanner.ts';
import { encodedBatch, type BatchInput } from '../../support/batch-fixture.ts';
import { rejectionOf } from '../../support/log-fixture.ts';

/** A file of a zeroed header and these batches, each at its position, offsets dense from 0. */
async function fileOf(inputs: readonly Partial<BatchInput>[]) {
  let position = SEGMENT_HEADER_BYTES;
  let baseOffset = 0;
  const parts: Uint8Array[] = [new Uint8Array(SEGMENT_HEADER_BYTES)];
  const batches = inputs.map((input) => {
    const batch = encodedBatch({ values: ['a', 'b'], position, baseOffset, ...input });
    parts.push(batch.bytes);
    position += batch.bytes.length;
    baseOffset = batch.header.baseOffset + batch.header.lastOffsetDelta + 1;
    return batch;
  });
  return { bytes: Buffer.concat(parts), batches };
}

async function opened(bytes: Uint8Array) {
  const fileSystem = new MemoryFileSystem();
  const file = await fileSystem.open('/segment', 'create');
  if (bytes.length > 0) await file.write(bytes, 0);
  return file;
}

const START = { logId: 1, segmentId: 1, position: SEGMENT_HEADER_BYTES, baseOffset: 0 };

/** Statuses and base offsets until the scan stops. */
async function scan(
  bytes: Uint8Array,
  start = {},
): Promise<{ offsets: number[]; end: string; at: number; why: string }> {
  const scanner = new SegmentScanner(await opened(bytes), { ...START, ...start });
  const offsets: number[] = [];
  for (;;) {
    const status = await scanner.next();
    if (status !== 'batch') {
      return { offsets, end: status, at: scanner.position, why: scanner.problem };
    }
    offsets.push(scanner.header.baseOffset);
  }
}

describe('SegmentScanner', () => {
  test('walks batch by batch to the end of the file', async () => {
    const { bytes } = await fileOf([{}, { values: ['x'] }, {}]);
    expect(await scan(bytes)).toMatchObject({ offsets: [0, 2, 3], end: 'end', at: bytes.length });
  });

  test('shows the batch that it stands on, in buffers that outlive the next read', async () => {
    const { bytes, batches } = await fileOf([{ values: ['first'] }, { values: ['second'] }]);
    const scanner = new SegmentScanner(await opened(bytes), START);
    const seen: Uint8Array[] = [];
    while ((await scanner.next()) === 'batch') {
      seen.push(scanner.bytes.subarray(scanner.start, scanner.start + scanner.header.sizeBytes));
    }
    expect(seen.map((batch) => Buffer.from(batch))).toEqual(batches.map((batch) => batch.bytes));
  });

  test('stops at an index batch, whatever stands behind it', async () => {
    const { bytes } = await fileOf([{}, {}]);
    const place = { logId: 1, segmentId: 1, epoch: 1, appendTimeMs: 5, syncedUpTo: 0 };
    const index = new SegmentIndex().encode({ ...place, position: bytes.length, baseOffset: 4 });
    const result = await scan(Buffer.concat([bytes, index, Buffer.from('debris')]));
    expect(result).toMatchObject({ offsets: [0, 2], end: 'index', at: bytes.length });
  });

  test.each<[string, readonly Partial<BatchInput>[], string]>([
    ['a base offset that is not the next', [{}, { baseOffset: 3 }], 'base offset is 3, expected 2'],
    ['a base offset that falls', [{}, { baseOffset: 1 }], 'base offset is 1, expected 2'],
    ['an epoch that falls', [{ epoch: 5 }, { epoch: 4 }], 'epoch is 4, the batch before has 5'],
    ['another log', [{}, { logId: 9 }], 'log id'],
    ['another segment', [{}, { segmentId: 9 }], 'segment id'],
    ['another position', [{}, { position: 9999 }], 'position'],
  ])('stops at %s, and says so', async (_name, inputs, reason) => {
    const { bytes, batches } = await fileOf(inputs);
    const result = await scan(bytes);
    expect(result).toMatchObject({ offsets: [0], end: 'bad' });
    expect(result.at).toBe(SEGMENT_HEADER_BYTES + (batches[0]?.bytes.length ?? 0));
    expect(result.why).toContain(reason);
  });

  test('stops at a file cut anywhere inside of a batch', async () => {
    const { bytes, batches } = await fileOf([{}, {}]);
    const second = SEGMENT_HEADER_BYTES + (batches[0]?.bytes.length ?? 0);
    for (let length = second + 1; length < bytes.length; length++) {
      const result = await scan(bytes.subarray(0, length));
      expect(result).toMatchObject({ offsets: [0], end: 'bad', at: second });
    }
    expect(await scan(bytes.subarray(0, second))).toMatchObject({ offsets: [0], end: 'end' });
  });

  test('reads only up to the end that it was given, and goes on when that moves', async () => {
    const { bytes, batches } = await fileOf([{}, {}, {}]);
    const size = batches[0]?.bytes.length ?? 0;
    const endPosition = SEGMENT_HEADER_BYTES + size;
    const scanner = new SegmentScanner(await opened(bytes), { ...START, endPosition });
    expect([await scanner.next(), await scanner.next()]).toEqual(['batch', 'end']);
    scanner.extendTo(endPosition + 2 * size);
    expect([await scanner.next(), await scanner.next(), await scanner.next()]).toEqual([
      'batch',
      'batch',
      'end',
    ]);
    expect(scanner.expectedOffset).toBe(6);
  });

  test('walks batches larger than its window', async () => {
    const values = ['x'.repeat(1_500_000)];
    const { bytes } = await fileOf([{}, { values }, {}, { values }]);
    expect(await scan(bytes)).toMatchObject({ offsets: [0, 2, 3, 5], end: 'end' });
    expect(await scan(bytes, { keepBuffers: false })).toMatchObject({ offsets: [0, 2, 3, 5] });
  });

  test('refuses a whole batch of a version to come, and takes a damaged one for damage', async () => {
    const { bytes } = await fileOf([{}, {}]);
    const at = bytes.length / 2 + SEGMENT_HEADER_BYTES / 2;
    bytes[at + VERSION_AT] = 2;
    expect(await scan(bytes)).toMatchObject({ offsets: [0], end: 'bad' });
    const batch = bytes.subarray(at);
    viewOf(batch).setUint32(CRC_AT, checksum(batch, MAGIC_AT, batch.length), true);
    const error = await rejectionOf(scan(bytes));
    expect(error).toBeInstanceOf(UnsupportedVersionError);
    expect(error).toMatchObject({ details: { found: 2, supported: 1 } });
  });
});

describe('findCandidates', () => {
  async function found(bytes: Uint8Array, search = {}): Promise<number[]> {
    const file = await opened(bytes);
    const positions: number[] = [];
    const all = { logId: 1, segmentId: 1, position: 0, endPosition: bytes.length, ...search };
    for await (const header of findCandidates(file, all)) positions.push(header.position);
    return positions;
  }

  test('finds every whole batch at its own position, in noise of any kind', async () => {
    const { bytes, batches } = await fileOf([{}, {}, {}, {}]);
    const positions = batches.map(({ header }) => header.position);
    expect(await found(bytes)).toEqual(positions);
    const [first = 0, second = 0] = positions;
    bytes.fill(0xee, first + 50, first + 60);
    bytes.fill(0, second, second + 20);
    expect(await found(bytes)).toEqual(positions.slice(2));
  });

  test('takes neither a shifted batch, nor one of another log or segment', async () => {
    const { bytes } = await fileOf([{}, {}]);
    expect(await found(Buffer.concat([Buffer.alloc(1), bytes]))).toEqual([]);
    expect(await found(bytes, { logId: 2 })).toEqual([]);
    expect(await found(bytes, { segmentId: 2 })).toEqual([]);
    expect(await found(bytes, { logId: 0, segmentId: 0 })).toHaveLength(2);
  });

  test('finds a batch that crosses the border of two windows', async () => {
    const filler = 1024 * 1024 - 60;
    const batch = encodedBatch({ values: ['x'.repeat(500)], position: filler });
    const bytes = Buffer.concat([Buffer.alloc(filler, 0x11), batch.bytes, Buffer.alloc(3000)]);
    expect(await found(bytes)).toEqual([filler]);
  });

  test('is not held up by bytes that only look like a beginning', async () => {
    const magic = encodedBatch({ values: ['a'] }).bytes.subarray(0, 16);
    const noise = Buffer.concat(Array.from({ length: 5000 }, () => magic));
    const batch = encodedBatch({ values: ['a'], position: noise.length });
    expect(await found(Buffer.concat([noise, batch.bytes]))).toEqual([noise.length]);
  });

  test('finds nothing in an empty file, zeros, or less than a header', async () => {
    for (const length of [0, 1, 111, 112, 5000]) {
      expect(await found(new Uint8Array(length))).toEqual([]);
    }
  });
});
