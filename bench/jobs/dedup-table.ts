/**
 * Deduplication alone: no disk, no payload. A window has a steady number of ids; a thousand new ones come
 * at a time, each is looked up and none is found, then all are in, and as many leave at the front.
 *
 * What is timed is what an append with ids has more to do in memory: the fingerprint, the look-up, the
 * entry. Making the ids is not.
 */
import { assert } from '../../src/core/assert.ts';
import { Fingerprint } from '../../src/core/fingerprint.ts';
import { MIB } from '../../src/core/limits.ts';
import { DedupTable } from '../../src/topic/dedup-table.ts';
import type { Job, Sample } from '../core/job.ts';

export type DedupTableParameters = {
  readonly side: 'table' | 'map';
  /** Ids in the window, a multiple of 1000. */
  readonly ids: number;
  readonly partitions: number;
  /** Per run; a multiple of 1000. */
  readonly records: number;
};

const BATCH = 1000;
const SEED = 0x0f_1e2d_3c4b_5a69;
const CHANCE = 0x9e37_79b9;

/** What is measured, and what it is compared with. */
interface Window {
  /** Of a window that is full. */
  readonly byteLength: number | null;
  /** A thousand ids, none of which may be in: adds them, and lets a thousand go. */
  turn(ids: readonly string[]): void;
}

export async function openJob(
  _directory: string,
  { side, ids, partitions, records }: DedupTableParameters,
): Promise<Job> {
  assert(ids % BATCH === 0, 'a window is a multiple of a batch');
  const window = side === 'table' ? new TableWindow(ids, partitions) : new MapWindow(ids);
  let made = ids;
  return {
    run(): Promise<Sample> {
      let ms = 0;
      for (let left = records; left > 0; left -= BATCH) {
        const batch = Array.from({ length: BATCH }, () => idOf(made++));
        const startMs = performance.now();
        window.turn(batch);
        ms += performance.now() - startMs;
      }
      const { byteLength } = window;
      const extra = byteLength === null ? {} : { extra: { mib: byteLength / MIB } };
      return Promise.resolve({ bytes: 0, records, ms, ...extra });
    },
    close: () => Promise.resolve(),
  };
}

/** As the engine uses the table. */
class TableWindow implements Window {
  readonly #table = new DedupTable();
  readonly #fingerprint = new Fingerprint(SEED);
  readonly #list = new Uint32Array(2 * BATCH);
  readonly #partitions: number;
  readonly #ids: number;
  /** Of each partition, on which the batches go in turn. */
  readonly #ends: number[];
  #partition = 0;

  constructor(ids: number, partitions: number) {
    assert(ids % (BATCH * partitions) === 0, 'each partition has as many batches');
    this.#ids = ids;
    this.#partitions = partitions;
    this.#ends = Array.from({ length: partitions }, () => 0);
    for (let partition = 0; partition < partitions; partition++) this.#table.begin(partition, 0);
    let chance = CHANCE;
    for (let left = ids; left > 0; left -= BATCH) {
      for (let at = 0; at < this.#list.length; at++) {
        chance = nextChance(chance);
        this.#list[at] = chance;
      }
      this.#add();
    }
  }

  get byteLength(): number {
    return this.#table.byteLength;
  }

  turn(ids: readonly string[]): void {
    const fingerprint = this.#fingerprint;
    const list = this.#list;
    let at = 0;
    for (const id of ids) {
      fingerprint.ofText(id);
      list[at++] = fingerprint.high;
      list[at++] = fingerprint.low;
    }
    // Now and then it may be one: 10 million of 2^42 have its 42 bits.
    const suspect = this.#table.firstSuspect(list);
    if (suspect >= 0) assert(this.#table.firstSuspect(list, suspect + 1) < 0, 'all ids are new');
    const partition = this.#add();
    this.#table.evict(partition, (this.#ends[partition] ?? 0) - this.#ids / this.#partitions);
  }

  /** Adds the list to the partition whose turn it is. */
  #add(): number {
    const partition = this.#partition;
    const end = this.#ends[partition] ?? 0;
    this.#table.addRun(partition, end, this.#list);
    this.#ends[partition] = end + BATCH;
    this.#partition = (partition + 1) % this.#partitions;
    return partition;
  }
}

/** As one would write it: a map of offsets by id, and the ids in their order. */
class MapWindow implements Window {
  readonly byteLength = null;
  readonly #offsets = new Map<string, number>();
  /** A ring. */
  readonly #ids: string[];
  #end = 0;

  constructor(ids: number) {
    this.#ids = Array.from({ length: ids }, (_, number) => idOf(number));
    for (const id of this.#ids) this.#offsets.set(id, this.#end++);
  }

  turn(ids: readonly string[]): void {
    const offsets = this.#offsets;
    for (const id of ids) assert(!offsets.has(id), 'all ids are new');
    for (const id of ids) {
      const at = this.#end % this.#ids.length;
      offsets.delete(this.#ids[at] ?? '');
      offsets.set(id, this.#end++);
      this.#ids[at] = id;
    }
  }
}

/** 36 characters, as a UUID has; a flat text. */
function idOf(number: number): string {
  const digits = String(number).padStart(12, '0');
  return Buffer.from(`0b8f4c1e-7d1a-4f0e-9b1c-${digits}`, 'latin1').toString('latin1');
}

/** Xorshift (Marsaglia 2003), the same each time. */
function nextChance(chance: number): number {
  let next = chance ^ (chance << 13);
  next ^= next >>> 17;
  return (next ^ (next << 5)) >>> 0;
}
