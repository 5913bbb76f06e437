/** The extension blocks of tagged batches: what is encoded comes back, and nothing else is believed. */
import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { CorruptLogError } from '../../../src/core/errors.ts';
import { TAGGED_RECORDS_MAX } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { emptyBatchHeader } from '../../../src/format/batch-header.ts';
import {
  EXTENSION_BYTES_MAX,
  extensionOf,
  type ExtendedBatch,
} from '../../../src/format/extension.ts';
import { encodeFingerprints, fingerprintsIn } from '../../../src/format/fingerprints-extension.ts';
import { BATCH_HEADER_BYTES, ExtensionType } from '../../../src/format/layout.ts';
import {
  CONSECUTIVE_BYTES,
  distanceBytes,
  encodeConsecutive,
  encodeProduced,
  producedIn,
  SEQUENCE_MAX,
} from '../../../src/format/produced-extension.ts';
import { setU64, viewOf } from '../../../src/format/u64.ts';

type Fields = Partial<ExtendedBatch['header']>;

function batchOf(extension: Uint8Array | null, fields: Fields): ExtendedBatch {
  const header = { ...emptyBatchHeader(), position: 128, baseOffset: 40, ...fields };
  header.lastOffsetDelta = Math.max(0, header.recordCount - 1);
  header.extensionBytes = extension?.length ?? 0;
  return { header, extension, file: 'a.log' };
}

function producedBatch(extension: Uint8Array, sequences: readonly number[], fields: Fields = {}) {
  return batchOf(extension, {
    recordCount: sequences.length,
    producerId: 77,
    producerEpoch: 3,
    baseSequence: (sequences[0] ?? 0) % 2 ** 32,
    ...fields,
  });
}

function sequencesIn(batch: ExtendedBatch): number[] | undefined {
  let index = 0;
  return producedIn(batch)?.runs.flatMap((run) => {
    expect(run.index).toBe(index);
    index += run.count;
    return Array.from({ length: run.count }, (_, n) => run.sequence + n);
  });
}

/** A field of a type with this value. */
function field(type: number, value: readonly number[]): number[] {
  return [type & 0xff, type >> 8, value.length & 0xff, value.length >> 8, ...value];
}

function problemOf(decode: () => unknown): string {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    expect(error.details).toMatchObject({ file: 'a.log', position: 128, kind: 'batch' });
    return error.details.reason.replace('the extension block: ', '');
  }
  return 'none';
}

const u64 = (value: number): number[] => {
  const bytes = new Uint8Array(8);
  setU64(viewOf(bytes), 0, value);
  return [...bytes];
};

describe('the sequences of a producer', () => {
  test('take 16 bytes while they are consecutive, however many', () => {
    for (const count of [1, 2, TAGGED_RECORDS_MAX]) {
      const block = encodeConsecutive(2 ** 40, 2 ** 39);
      expect(block.length).toBe(CONSECUTIVE_BYTES);
      const sequences = Array.from({ length: count }, (_, n) => 2 ** 40 + n);
      const batch = producedBatch(block, sequences);
      expect(encodeProduced(sequences, 2 ** 39)).toEqual(block);
      expect(producedIn(batch)).toEqual({
        producerId: 77,
        producerEpoch: 3,
        confirmed: 2 ** 39,
        runs: [{ sequence: 2 ** 40, index: 0, count }],
      });
    }
  });

  test('come back with gaps of any size', () => {
    const random = new SeededRandom(5);
    let wide = 0;
    for (let round = 0; round < 300; round++) {
      let sequence = Math.floor(random.next() * 2 ** (round % 50));
      const sequences = [sequence];
      for (let n = 0; n < round % 20; n++) {
        const distance =
          random.next() < 0.4 ? 0 : Math.floor(random.next() * 2 ** ((round + n) % 45));
        if (distance >= 2 ** 32) wide++;
        sequences.push((sequence += 1 + distance));
      }
      const block = encodeProduced(sequences, round);
      expect(sequencesIn(producedBatch(block, sequences))).toEqual(sequences);
      const last = sequences.at(-1) ?? 0;
      const isConsecutive = last - (sequences[0] ?? 0) === sequences.length - 1;
      const distances = sequences.slice(1).map((n, at) => distanceBytes(sequences[at] ?? 0, n));
      const bytes = distances.reduce((sum, one) => sum + one, CONSECUTIVE_BYTES);
      expect(block.length).toBe(isConsecutive ? CONSECUTIVE_BYTES : bytes);
    }
    expect(wide).toBeGreaterThan(20);
  });

  test('go up to 2^53 - 2', () => {
    const sequences = [0, SEQUENCE_MAX];
    expect(sequencesIn(producedBatch(encodeProduced(sequences, 0), sequences))).toEqual(sequences);
    expect(distanceBytes(0, SEQUENCE_MAX)).toBe(8);
    const last = encodeConsecutive(SEQUENCE_MAX, SEQUENCE_MAX);
    expect(sequencesIn(producedBatch(last, [SEQUENCE_MAX]))).toEqual([SEQUENCE_MAX]);
  });

  test('must ascend', () => {
    expect(() => encodeProduced([5, 5], 0)).toThrow(AssertionError);
    expect(() => encodeProduced([5, 9, 8], 0)).toThrow(AssertionError);
  });

  test('are not there in other batches', () => {
    expect(producedIn(batchOf(null, { recordCount: 2 }))).toBeNull();
    const other = Uint8Array.from(field(ExtensionType.projected, [1, 2, 3]));
    expect(producedIn(batchOf(other, { recordCount: 2 }))).toBeNull();
  });
});

describe('what is said of a producer is refused', () => {
  const block = (value: readonly number[]) =>
    Uint8Array.from(field(ExtensionType.produced, [...value]));
  const two = (...distances: number[]) => block([...u64(5), ...u64(0), ...distances]);

  test.each<[string, Uint8Array | null, Fields, string]>([
    ['a producer without sequences', null, {}, 'it lacks the sequences of producer 77'],
    ['an epoch alone', null, { producerId: 0, baseSequence: 0 }, 'it lacks the sequences of'],
    ['a short field', block([1, 2]), {}, '2 bytes hold no sequences'],
    ['sequences without a producer', two(), { producerId: 0 }, 'the batch has no producer'],
    ['a producer above 2^53', two(), { producerId: -1 }, 'the batch has no producer'],
    ['a batch without records', two(), { recordCount: 0 }, 'the batch has no records'],
    ['a base that the header denies', two(), { baseSequence: 6 }, 'is 5, that of the header 6'],
    [
      'a confirmed one above 2^53',
      block([...u64(0), 0, 0, 0, 0, 0, 0, 0, 0x20]),
      {},
      'what is confirmed',
    ],
    [
      'a base above 2^53',
      block([0, 0, 0, 0, 0, 0, 0, 0x20, ...u64(0)]),
      {},
      'the base sequence is above',
    ],
    ['too few distances', two(0), { recordCount: 3 }, 'sequence 2 cannot be read'],
    ['too many distances', two(0, 0), {}, 'more than 2 sequences'],
    ['half a distance', two(0x80), {}, 'sequence 1 cannot be read'],
    ['a distance in a longer form', two(0x80, 0), {}, 'sequence 1 cannot be read'],
    ['an endless distance', two(...Array<number>(9).fill(0xff), 1), {}, 'sequence 1 cannot'],
    ['a last one above', two(...Array<number>(7).fill(0xff), 0x7f), {}, 'is above 2^53 - 2'],
    [
      'consecutive ones that go above',
      block([...u64(SEQUENCE_MAX), ...u64(0)]),
      { baseSequence: SEQUENCE_MAX % 2 ** 32 },
      'a sequence is above 2^53 - 2',
    ],
    ['a field that ends behind the block', block([]).fill(9, 2, 3), {}, 'does not fit 4 bytes'],
    ['half a head', Uint8Array.of(...two(), 3, 0), {}, 'does not fit 22 bytes'],
    ['two fields', Uint8Array.of(...two(), ...two()), {}, 'two fields of type 3'],
  ])('%s', (_what, extension, fields, problem) => {
    const batch = producedBatch(extension ?? new Uint8Array(0), [5, 6], fields);
    const bare = extension === null ? { ...batch, extension: null } : batch;
    expect(problemOf(() => producedIn(bare))).toContain(problem);
  });
});

describe('fingerprints', () => {
  const words = Uint32Array.of(1, 2, 0, 0, 0xffff_ffff, 0, 0, 0xffff_ffff);

  test('come back for each record, and for a part of them', () => {
    const all = fingerprintsIn(batchOf(encodeFingerprints(words, 0, 4), { recordCount: 4 }));
    const seen = [0, 1, 2, 3].map((at) => [all?.high(at), all?.low(at), all?.has(at)]);
    expect(seen).toEqual([
      [1, 2, true],
      [0, 0, false],
      [0xffff_ffff, 0, true],
      [0, 0xffff_ffff, true],
    ]);
    const part = fingerprintsIn(batchOf(encodeFingerprints(words, 2, 3), { recordCount: 1 }));
    expect([part?.count, part?.high(0), part?.low(0)]).toEqual([1, 0xffff_ffff, 0]);
  });

  test('of a full batch fit beside the sequences of consecutive records', () => {
    const full = encodeFingerprints(new Uint32Array(2 * TAGGED_RECORDS_MAX), 0, TAGGED_RECORDS_MAX);
    expect(full.length + CONSECUTIVE_BYTES).toBeLessThan(EXTENSION_BYTES_MAX);
  });

  test('stand beside sequences', () => {
    const block = Uint8Array.of(...encodeConsecutive(9, 1), ...encodeFingerprints(words, 0, 2));
    const batch = producedBatch(block, [9, 10]);
    expect(sequencesIn(batch)).toEqual([9, 10]);
    expect(fingerprintsIn(batch)?.low(0)).toBe(2);
  });

  test.each([
    ['one too few', encodeFingerprints(words, 0, 3), '24 bytes are not the fingerprints of 4'],
    ['a byte too many', Uint8Array.from(field(4, Array<number>(33).fill(1))), '33 bytes are not'],
    ['a block that ends too soon', encodeFingerprints(words, 0, 4).subarray(0, 30), 'does not fit'],
  ])('are refused with %s', (_what, extension, problem) => {
    const batch = batchOf(extension, { recordCount: 4 });
    expect(problemOf(() => fingerprintsIn(batch))).toContain(problem);
  });

  test('are not there in other batches', () => {
    expect(fingerprintsIn(batchOf(null, { recordCount: 4 }))).toBeNull();
    expect(fingerprintsIn(producedBatch(encodeConsecutive(9, 1), [9]))).toBeNull();
  });
});

test('the block of a stored batch is found without its records', () => {
  const bytes = new Uint8Array(10 + BATCH_HEADER_BYTES + 20).fill(7);
  bytes.set([1, 2, 3], 10 + BATCH_HEADER_BYTES);
  expect(extensionOf(bytes, 10, { extensionBytes: 3 })).toEqual(Uint8Array.of(1, 2, 3));
  expect(extensionOf(bytes, 10, { extensionBytes: 0 })).toBeNull();
});

test('bytes by chance are decoded, or refused as damage, and never more than is there', () => {
  const random = new SeededRandom(8);
  const byte = () => Math.floor(random.next() * 256);
  const seen = { produced: 0, fingerprints: 0, refused: 0, none: 0 };
  for (let round = 0; round < 20_000; round++) {
    const recordCount = Math.floor(random.next() * 4);
    const lengths = [8 * recordCount, 16, 16 + recordCount - 1, Math.floor(random.next() * 40)];
    const length = Math.max(0, lengths[round % 4] ?? 0);
    const type = [3, 4, 2, byte()][Math.floor(random.next() * 4)] ?? 0;
    const value = Array.from({ length }, () => (random.next() < 0.8 ? 0 : byte()));
    const block = Uint8Array.from(field(type, value));
    if (random.next() < 0.3) block[Math.floor(random.next() * block.length)] = byte();
    const baseSequence = viewOf(Uint8Array.from([...block, 0, 0, 0, 0, 0, 0, 0, 0])).getUint32(
      4,
      true,
    );
    const producerId = type === 3 ? 1 : 0;
    const fields = { recordCount, producerId, baseSequence: type === 3 ? baseSequence : 0 };
    const batch = batchOf(block.subarray(0, Math.ceil(random.next() * block.length * 6)), fields);
    for (const decode of [producedIn, fingerprintsIn] as const) {
      let found: ReturnType<typeof decode> = null;
      if (problemOf(() => (found = decode(batch))) !== 'none') seen.refused++;
      const read = found as ReturnType<typeof producedIn> | ReturnType<typeof fingerprintsIn>;
      if (read === null) seen.none++;
      else if ('runs' in read) {
        const { runs } = read;
        expect(runs.reduce((sum, { count }) => sum + count, 0)).toBe(recordCount);
        const last = runs.at(-1) ?? { sequence: NaN, count: 0 };
        expect(last.sequence + last.count - 1).toBeLessThanOrEqual(SEQUENCE_MAX);
        seen.produced++;
      } else {
        expect(read.count).toBe(recordCount);
        seen.fingerprints++;
      }
    }
  }
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(300);
});
