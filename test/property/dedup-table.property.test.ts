/** A dedup table finds what its slow twin finds, whatever was added, forgotten and swept before. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import { DedupShard, LOAD_MAX, SLOTS } from '../../src/topic/dedup-shard.ts';
import { DedupTable, type DedupPlace } from '../../src/topic/dedup-table.ts';
import { PlaceFloors } from '../../src/topic/place-floors.ts';
import { manyExamples, propertyOptions } from '../support/property.ts';
import { ReferenceDedupTable } from '../support/reference/dedup-table.ts';

/** The last one does not fit a byte. */
const PARTITIONS = [0, 1, 200, 300];
const U32_MAX = 2 ** 32 - 1;

/** Few shards, so that they grow; with the first and the last. */
const highs = fc.constantFrom(0, 1, 2 ** 22, U32_MAX - 1, U32_MAX);
/** Few lanes, so that they meet; many at both ends, so that buckets there are passed. */
const lows = fc.oneof(
  fc.nat(3),
  fc.nat(40).map((low) => U32_MAX - low),
  fc.nat(U32_MAX),
  fc.constant(2 ** 31),
);
const partitions = fc.constantFrom(...PARTITIONS);
/** Mostly near each other; now and then several spans on, or back to what may be forgotten. */
const distances = fc.oneof(
  { weight: 8, arbitrary: fc.nat(3) },
  fc.nat(60),
  fc.integer({ min: -20, max: -1 }),
);

const commands = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      partition: partitions,
      skipped: distances,
      fingerprints: fc.array(fc.tuple(highs, lows), { maxLength: 60 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('new run' as const),
      partition: partitions,
      skipped: distances,
      fingerprints: fc.array(fc.tuple(highs, lows), { maxLength: 60 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('replace' as const),
      /** Which of the entries, of those that are forgotten or were never there too. */
      which: fc.nat(),
      partition: partitions,
      skipped: distances,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('back' as const),
      partition: partitions,
      back: distances,
      high: highs,
      low: lows,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('evict' as const),
      partition: partitions,
      kept: fc.oneof(fc.nat(5), fc.nat(300)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('sweep' as const), shards: fc.nat(2048) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('reserve' as const), count: fc.nat(50_000) }),
  },
);

type Command = typeof commands extends fc.Arbitrary<infer C> ? C : never;

const spans = fc.oneof(fc.constant(2 ** 32 - 1), fc.integer({ min: 1, max: 70 }));
const starts = fc.constantFrom(0, 1000, 2 ** 32 - 20, 2 ** 53 - 20_000);

class Pair {
  readonly table: DedupTable;
  readonly twin = new ReferenceDedupTable();
  readonly #span: number;
  readonly #start: number;
  /** Of entries, whatever became of them. */
  readonly #added: (DedupPlace & { readonly high: number; readonly low: number })[] = [];
  /** All that was ever added, and what is next to it. */
  readonly #asked = new Map<string, readonly [number, number]>();
  readonly #ends = new Map<number, number>();

  constructor(span: number, start: number) {
    this.table = new DedupTable(span);
    this.#span = span;
    this.#start = start;
    for (const partition of PARTITIONS) {
      this.table.begin(partition, start);
      this.twin.begin(partition, start);
      this.#ends.set(partition, start);
    }
  }

  run(command: Command): void {
    if (command.kind === 'run') this.#addRun(command);
    else if (command.kind === 'new run') this.#addNewRun(command);
    else if (command.kind === 'replace') this.#replace(command);
    else if (command.kind === 'back') this.#addBack(command);
    else if (command.kind === 'evict') {
      const offset = this.#endOf(command.partition) - command.kept;
      this.table.evict(command.partition, offset);
      this.twin.evict(command.partition, offset);
    } else if (command.kind === 'sweep') this.table.sweep(command.shards);
    else this.table.reserve(command.count);
  }

  #addRun({ partition, skipped, fingerprints }: Command & { kind: 'run' }): void {
    const base = Math.max(0, this.#endOf(partition) + skipped);
    this.table.addRun(partition, base, Uint32Array.from(fingerprints.flat()));
    fingerprints.forEach(([high, low], at) => {
      if (high !== 0 || low !== 0) this.#know(high, low, partition, base + at);
    });
    this.#ends.set(partition, Math.max(this.#endOf(partition), base + fingerprints.length));
  }

  /** Stops where one may be there already; it may stop early, but never late. */
  #addNewRun({ partition, skipped, fingerprints }: Command & { kind: 'new run' }): void {
    const base = Math.max(0, this.#endOf(partition) + skipped);
    const run = Uint32Array.from(fingerprints.flat());
    const stop = this.table.addRunNew(partition, base, run);
    const count = stop < 0 ? fingerprints.length : stop;
    fingerprints.slice(0, count).forEach(([high, low], at) => {
      if (high === 0 && low === 0) return;
      expect(this.twin.find(high, low), 'none is passed over').toEqual([]);
      this.#know(high, low, partition, base + at);
    });
    this.#ends.set(partition, Math.max(this.#endOf(partition), base + count));
    if (stop < 0) return;
    expect(this.table.firstSuspect(run.subarray(2 * stop, 2 * stop + 2))).toBe(0);
  }

  #replace({ which, partition, skipped }: Command & { kind: 'replace' }): void {
    const before = this.#added[which % Math.max(1, this.#added.length)];
    if (before === undefined) return;
    const { high, low } = before;
    const offset = Math.max(0, this.#endOf(partition) + skipped);
    const generationOf = (place: DedupPlace) =>
      Math.floor((place.offset - this.#start) / this.#span);
    const after = { partition, offset };
    const isCounted = offset >= this.twin.startOf(partition);
    this.table.replace(high, low, before, after);
    if (isCounted && generationOf(before) === generationOf(after)) {
      this.twin.remove(high, low, before);
    }
    this.#know(high, low, partition, offset);
    this.#ends.set(partition, Math.max(this.#endOf(partition), offset + 1));
  }

  /** Out of order, and below what is forgotten: as it comes when a table is loaded. */
  #addBack({ partition, back, high, low }: Command & { kind: 'back' }): void {
    const offset = Math.max(0, this.#endOf(partition) - back);
    this.table.add(high, low, partition, offset);
    this.#know(high, low, partition, offset);
  }

  #know(high: number, low: number, partition: number, offset: number): void {
    this.twin.add(high, low, partition, offset);
    this.#added.push({ high, low, partition, offset });
    for (const [one, other] of [
      [high, low],
      [high ^ 1, low],
      [(high ^ (1 << 22)) >>> 0, low],
      [high, (low ^ 1) >>> 0],
    ] as const) {
      this.#asked.set(`${one} ${other}`, [one, other]);
    }
  }

  expectEqual(): void {
    for (const [high, low] of this.#asked.values()) {
      const found = sorted(this.table.find(high, low));
      expect(found).toEqual(sorted(this.twin.find(high, low)));
      const list = Uint32Array.of(0, 0, high, low);
      const isNone = high === 0 && low === 0;
      if (found.length > 0 && !isNone) expect(this.table.firstSuspect(list)).toBe(1);
    }
    expect(this.table.count).toBeGreaterThanOrEqual(this.twin.entries.length);
  }

  #endOf(partition: number): number {
    return this.#ends.get(partition) ?? Number.NaN;
  }
}

function sorted(places: readonly DedupPlace[]): DedupPlace[] {
  return [...places].sort((one, two) => one.partition - two.partition || one.offset - two.offset);
}

test('a dedup table finds what its slow twin finds', () => {
  fc.assert(
    fc.property(spans, starts, fc.array(commands, { maxLength: 40 }), (span, start, list) => {
      const pair = new Pair(span, start);
      for (const command of list) pair.run(command);
      pair.expectEqual();
      pair.table.sweep();
      pair.expectEqual();
      expect(pair.table.count).toBe(pair.twin.entries.length);
    }),
    manyExamples(300),
  );
});

/** A shard, and a list of its entries. */
class ShardPair {
  readonly #floors = new PlaceFloors();
  readonly #partitions: readonly number[];
  #shard: DedupShard;
  #entries: { low: number; place: number; partition: number }[] = [];
  #next = 0;

  constructor(buckets: number, partitions: readonly number[]) {
    this.#shard = new DedupShard(buckets, this.#floors);
    this.#partitions = partitions;
    for (const partition of partitions) this.#floors.set(partition, 0);
  }

  add(low: number): void {
    if (this.#shard.isFull) return;
    const place = this.#next++;
    const partition = present(this.#partitions[place % this.#partitions.length], 'one of them');
    this.#shard.add(low, place, partition);
    this.#entries.push({ low, place, partition });
  }

  /** Of each partition as much, or half as much. */
  forget(floor: number): void {
    for (const [at, partition] of this.#partitions.entries()) {
      const own = at % 2 === 0 ? floor : Math.floor(floor / 2);
      const reached = Math.max(this.#floors.places[partition] ?? 0, Math.min(this.#next, own));
      this.#floors.set(partition, reached);
      this.#entries = this.#entries.filter(
        (entry) => entry.partition !== partition || entry.place >= reached,
      );
    }
    this.#shard.purge();
  }

  remake(buckets: number): void {
    this.#shard = this.#shard.remade(buckets);
  }

  expectEqual(): void {
    expect(this.#shard.count).toBe(this.#entries.length);
    for (const { low } of this.#entries) {
      const same = this.#entries
        .filter((entry) => entry.low === low)
        .map(({ place, partition }) => ({ partition, place }));
      const found = this.#shard.find(low).toSorted((one, two) => one.place - two.place);
      expect(found).toEqual(same);
      expect(this.#shard.mayHave(low)).toBe(true);
    }
  }
}

describe('a shard', () => {
  test('finds each entry that is not forgotten after any number of purges', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.record({ lows: fc.array(lows, { maxLength: 50 }), floor: fc.nat(200) })),
        fc.constantFrom([0], [0, 1, 255], [255, 0], [0, 7, 255, 256, 300]),
        (buckets, rounds, partitions) => {
          const shard = new ShardPair(buckets, partitions);
          for (const { lows: added, floor } of rounds) {
            for (const low of added) shard.add(low);
            shard.forget(floor);
            shard.expectEqual();
          }
          shard.remake(buckets + 2);
          shard.expectEqual();
        },
      ),
      manyExamples(300),
    );
  });

  test('takes as many as its load allows, also when all want the same bucket', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), lows, (buckets, low) => {
        const floors = new PlaceFloors();
        floors.set(buckets * SLOTS, 0);
        const shard = new DedupShard(buckets, floors);
        while (!shard.isFull) shard.add(low, shard.count, shard.count);
        expect(shard.count).toBe(Math.floor(buckets * SLOTS * LOAD_MAX));
        expect(shard.find(low)).toHaveLength(shard.count);
        expect(shard.remade(buckets + 1).find(low)).toHaveLength(shard.count);
      }),
      propertyOptions(),
    );
  });
});
