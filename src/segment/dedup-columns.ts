/**
 * Gathers from the batches of a segment, in their order, what its dedup tables say: the same whether it is
 * just being sealed, or looked at years later.
 *
 * A table takes so many entries and no more, so that neither who writes it nor who reads it needs much
 * memory: the next batch begins another one.
 */
import { assert } from '../core/assert.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import type { VerifiedBatch } from '../format/batch-records.ts';
import { dedupTableBytes, type DedupColumns } from '../format/dedup-table-batch.ts';
import { EXTENSION_BYTES_MAX, extensionOf } from '../format/extension.ts';
import { fingerprintsIn, type Fingerprints } from '../format/fingerprints-extension.ts';
import { BatchKind, CREATE_TIME_MS_MAX } from '../format/layout.ts';

/** With so many entries, or samples, a table takes no further batch: 6 MiB of each. */
const ENTRIES_MAX = 2 ** 19;
const SPAN_MAX = 2 ** 32;
const SLOTS_MIN = 1024;

/** The columns of one table after the other; their arrays are used again. */
export class DedupTableColumns implements DedupColumns {
  count = 0;
  highs = new Uint32Array(SLOTS_MIN);
  lows = new Uint32Array(SLOTS_MIN);
  places = new Uint32Array(SLOTS_MIN);
  sampleCount = 0;
  sampleEnds = new Uint32Array(SLOTS_MIN);
  sampleTimes = new Float64Array(SLOTS_MIN);
  /** Whether the offsets and times of the segment so far are such as a table can say. */
  isFit = true;
  readonly #baseOffset: number;
  readonly #entriesMax: number;

  /** @param entriesMax  fewer in tests alone */
  constructor(baseOffset: number, entriesMax = ENTRIES_MAX) {
    this.#baseOffset = baseOffset;
    this.#entriesMax = entriesMax;
  }

  /** Whether what was gathered is to be a table, before another batch is added. */
  get isFull(): boolean {
    return this.count >= this.#entriesMax || this.sampleCount >= this.#entriesMax;
  }

  get isEmpty(): boolean {
    return this.count === 0 && this.sampleCount === 0;
  }

  /** The next table begins. */
  clear(): void {
    this.count = 0;
    this.sampleCount = 0;
  }

  /** @throws CorruptLogError when its extension block says what cannot be */
  add({ bytes, at, header, file }: Omit<VerifiedBatch, 'view'>): void {
    if (header.kind === BatchKind.gap) return;
    const endPlace = nextOffsetOf(header) - this.#baseOffset;
    this.isFit &&= endPlace < SPAN_MAX && header.appendTimeMs <= CREATE_TIME_MS_MAX;
    if (!this.isFit) return;
    const extension = extensionOf(bytes, at, header);
    const fingerprints = fingerprintsIn({ header, extension, file });
    if (fingerprints !== null) this.#addAll(header.baseOffset - this.#baseOffset, fingerprints);
    this.#note(endPlace, header.appendTimeMs);
  }

  #addAll(place: number, fingerprints: Fingerprints): void {
    for (let index = 0; index < fingerprints.count; index++) {
      if (!fingerprints.has(index)) continue;
      if (this.count === this.highs.length) this.#grow();
      this.highs[this.count] = fingerprints.high(index);
      this.lows[this.count] = fingerprints.low(index);
      this.places[this.count] = place + fingerprints.delta(index);
      this.count++;
    }
  }

  /** Batches of the same time share a sample, and so does one whose time went back. */
  #note(endPlace: number, timeMs: number): void {
    const last = this.sampleCount - 1;
    if (last >= 0 && timeMs <= (this.sampleTimes[last] ?? 0)) {
      this.sampleEnds[last] = endPlace;
      return;
    }
    if (this.sampleCount === this.sampleEnds.length) {
      this.sampleEnds = twice(this.sampleEnds, new Uint32Array(2 * this.sampleCount));
      this.sampleTimes = twice(this.sampleTimes, new Float64Array(2 * this.sampleCount));
    }
    this.sampleEnds[this.sampleCount] = endPlace;
    this.sampleTimes[this.sampleCount] = timeMs;
    this.sampleCount++;
  }

  #grow(): void {
    const slots = 2 * this.count;
    this.highs = twice(this.highs, new Uint32Array(slots));
    this.lows = twice(this.lows, new Uint32Array(slots));
    this.places = twice(this.places, new Uint32Array(slots));
  }
}

function twice<A extends Uint32Array | Float64Array>(from: A, into: A): A {
  into.set(from);
  return into;
}

assert(
  dedupTableBytes(ENTRIES_MAX + EXTENSION_BYTES_MAX / 8, ENTRIES_MAX) < BATCH_BYTES_MAX,
  'a table with its last batch is a batch',
);
