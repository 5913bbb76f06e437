/** Tables of fingerprints and what names them: what is encoded comes back, and nothing else is believed. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { emptyBatchHeader, sealBatch, type BatchHeader } from '../../../src/format/batch-header.ts';
import {
  decodeDedupTable,
  encodeDedupTable,
  isDedupTable,
  type DedupColumns,
  type StoredDedupTable,
} from '../../../src/format/dedup-table-batch.ts';
import {
  decodeIndexBatch,
  encodeIndexBatch,
  type IndexColumns,
} from '../../../src/format/index-batch.ts';
import { indexTablesIn, type TablePlace } from '../../../src/format/index-tables.ts';
import { BATCH_HEADER_BYTES } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';

interface Entry {
  readonly high: number;
  readonly low: number;
  readonly place: number;
}

type Sample = readonly [end: number, timeMs: number];

function columnsOf(entries: readonly Entry[], samples: readonly Sample[]): DedupColumns {
  return {
    count: entries.length,
    highs: Uint32Array.from([...entries.map(({ high }) => high), 7]), // With room to spare.
    lows: Uint32Array.from([...entries.map(({ low }) => low), 7]),
    places: Uint32Array.from([...entries.map(({ place }) => place), 7]),
    sampleCount: samples.length,
    sampleEnds: Uint32Array.from(samples, ([end]) => end),
    sampleTimes: Float64Array.from(samples, ([, timeMs]) => timeMs),
  };
}

function encoded(columns: DedupColumns) {
  const header = Object.assign(emptyBatchHeader(), { logId: 5, segmentId: 6, position: 4096 });
  return { bytes: encodeDedupTable(columns, header), header };
}

function entriesIn(table: StoredDedupTable): Entry[] {
  return Array.from({ length: table.count }, (_, entry) => ({
    high: table.high(entry),
    low: table.low(entry),
    place: table.place(entry),
  }));
}

function samplesIn(table: StoredDedupTable): Sample[] {
  return Array.from({ length: table.sampleCount }, (_, at) => [
    table.sampleEnd(at),
    table.sampleTime(at),
  ]);
}

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const SPAN = 2 ** 32 - 1;

function randomEntries(count: number): Entry[] {
  const random = new SeededRandom(count);
  return Array.from({ length: count }, (_, at) => ({
    high: randomBelow(random, 2 ** 32),
    low: randomBelow(random, 2 ** 32),
    place: 3 * at,
  }));
}

describe('a table of fingerprints', () => {
  test('comes back, by bucket and offset', () => {
    const entry = fc.record({ high: u32, low: u32, step: fc.integer({ min: 1, max: 2 ** 20 }) });
    const step = fc.tuple(
      fc.integer({ min: 1, max: 2 ** 20 }),
      fc.integer({ min: 1, max: 2 ** 40 }),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), fc.array(step), (steps, times) => {
        let place = 0;
        const entries = steps.map(({ high, low, step: by }) => ({
          high,
          low,
          place: (place += by),
        }));
        let [end, timeMs] = [0, 0];
        const samples = times.map(([by, ms]): Sample => [(end += by), (timeMs += ms)]);
        const { bytes, header } = encoded(columnsOf(entries, samples));
        expect(isDedupTable(bytes, 0, header)).toBe(true);
        const table = decodeDedupTable(bytes, header, SPAN);
        if (table === null) throw new Error('it is sound');
        expect(entriesIn(table)).toEqual(entries); // One bucket: in their own order.
        expect(samplesIn(table)).toEqual(samples);
      }),
    );
  });

  test.each([0, 1, 512, 513, 1025, 8191, 8192, 20_000])(
    'of %i entries has them by their upper bits',
    (count) => {
      const entries = randomEntries(count);
      const { bytes, header } = encoded(columnsOf(entries, [[3 * count + 1, 77]]));
      const table = decodeDedupTable(bytes, header, 3 * count + 1);
      if (table === null) throw new Error('it is sound');
      const bits = bytes[BATCH_HEADER_BYTES + 4] ?? -1;
      const buckets = 2 ** bits;
      expect(buckets === 1 || buckets >= count / 512).toBe(true);
      expect(bits >= 10).toBe(count >= 8192);
      const bucketOf = ({ high }: Entry): number => Math.floor((high / 2 ** 32) * buckets);
      const sorted = entries.toSorted((one, other) => bucketOf(one) - bucketOf(other));
      expect(entriesIn(table)).toEqual(sorted);
    },
  );

  test('names no offset beyond its segment', () => {
    const { bytes, header } = encoded(columnsOf(randomEntries(10), [[28, 5]]));
    expect(decodeDedupTable(bytes, header, 28)).not.toBeNull();
    expect(decodeDedupTable(bytes, header, 27)).toBeNull();
  });

  test('that was forged under a right checksum is none, or says other times', () => {
    const entries = randomEntries(30);
    const whole = columnsOf(entries, [
      [40, 2 ** 41],
      [91, 2 ** 41 + 900],
    ]);
    const { bytes, header } = encoded(whole);
    const samplesAt = bytes.length - 20;
    let refused = 0;
    for (let at = BATCH_HEADER_BYTES; at < bytes.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        const forged = bytes.slice();
        forged[at] = (forged[at] ?? 0) ^ flip;
        const lying: BatchHeader = { ...header };
        sealBatch(forged, viewOf(forged), 0, lying);
        const table = decodeDedupTable(forged, lying, SPAN);
        if (table === null) refused++;
        else if (at < samplesAt) throw new Error(`byte ${at} was believed`);
        else expect(entriesIn(table)).toEqual(entries);
      }
    }
    expect(refused).toBeGreaterThan(3 * (samplesAt - BATCH_HEADER_BYTES));
  });

  test.each([
    ['entries', 5],
    ['samples', 9],
  ])('that claims four billion %s costs nothing', (_what, at) => {
    const { bytes, header } = encoded(columnsOf(randomEntries(3), [[10, 5]]));
    viewOf(bytes).setUint32(BATCH_HEADER_BYTES + at, 0xffff_ffff, true);
    expect(decodeDedupTable(bytes, header, SPAN)).toBeNull();
  });

  test('that claims more buckets than any has is none', () => {
    const { bytes, header } = encoded(columnsOf(randomEntries(3), [[10, 5]]));
    for (const bits of [1, 17, 31, 32, 255]) {
      bytes[BATCH_HEADER_BYTES + 4] = bits;
      expect(decodeDedupTable(bytes, header, SPAN)).toBeNull();
    }
  });
});

const COLUMNS: IndexColumns = {
  count: 1,
  offsets: Float64Array.of(9),
  maxCreateTimes: Float64Array.of(5),
  positions: Uint32Array.of(4300),
};

const PLACES: readonly TablePlace[] = [
  { kind: 1, position: 9000, sizeBytes: 400, crc: 0xdead_beef },
  { kind: 9, position: 9400, sizeBytes: 100, crc: 3 },
];

function indexWith(places: readonly TablePlace[]) {
  const header = Object.assign(emptyBatchHeader(), { position: 9500 });
  const bytes = encodeIndexBatch(COLUMNS, header, { endCrc: 0xffff_0001, places });
  return { bytes, header };
}

describe('an index batch with tables in front', () => {
  test('names them, and has its own columns behind', () => {
    const { bytes, header } = indexWith(PLACES);
    expect(indexTablesIn(bytes, header)).toEqual({ endCrc: 0xffff_0001, places: PLACES });
    expect(decodeIndexBatch(bytes, header)).toEqual(COLUMNS);
    expect(viewOf(bytes).getUint32(bytes.length - 4, true)).toBe(bytes.length);
  });

  test('without any is as it always was', () => {
    const { bytes, header } = indexWith([]);
    expect(header.extensionBytes).toBe(0);
    expect(indexTablesIn(bytes, header)).toBeNull();
    expect(decodeIndexBatch(bytes, header)).toEqual(COLUMNS);
  });

  test.each<[string, readonly TablePlace[]]>([
    [
      'a hole between them',
      [{ kind: 1, position: 9000, sizeBytes: 399, crc: 1 }, ...PLACES.slice(1)],
    ],
    ['a hole behind them', PLACES.slice(0, 1)],
    ['one inside the segment header', [{ kind: 1, position: 100, sizeBytes: 9400, crc: 1 }]],
    ['one of no bytes', [...PLACES, { kind: 1, position: 9500, sizeBytes: 0, crc: 1 }]],
  ])('is not believed with %s', (_what, places) => {
    const { bytes, header } = indexWith(places);
    expect(indexTablesIn(bytes, header)).toBeNull();
    expect(decodeIndexBatch(bytes, header)).toBeNull();
  });

  test('is no table, and a table is no index', () => {
    const { bytes, header } = indexWith(PLACES);
    expect(isDedupTable(bytes, 0, header)).toBe(false);
    const table = encoded(columnsOf(randomEntries(3), []));
    expect(decodeIndexBatch(table.bytes, table.header)).toBeNull();
  });
});
