/**
 * Where the records of a projected batch come from: the exchange, the stream of its projection, and the
 * offset of each record in the exchange's source log.
 *
 *     exchange id u64 | stream u64 | position u64 | first source offset u64 | per further record: LEB128
 *
 * What follows are distances from one source offset to the next, less 1: a byte each, mostly.
 */
import { assert } from '../core/assert.ts';
import type { BatchHeader } from './batch-header.ts';
import {
  EXTENSION_HEAD_BYTES,
  EXTENSION_VALUE_BYTES_MAX,
  findExtension,
  findField,
} from './extension.ts';
import { ExtensionType } from './layout.ts';
import { getU64, setU64, viewOf } from './u64.ts';

const EXCHANGE_AT = 0;
const STREAM_AT = 8;
const POSITION_AT = 16;
const FIRST_AT = 24;
const DISTANCES_AT = 32;
/** Of a distance below 2^53. */
const DISTANCE_BYTES_MAX = 8;
const TWO_POW_7 = 2 ** 7;

/** What a projected batch says of itself, but for the offsets of its records. */
export interface ProjectedFrom {
  readonly exchangeId: number;
  /** 0 = what all bindings share; else the binding that is being backfilled. */
  readonly stream: number;
  /** Everything of the source below is in this log, as far as it belongs here. */
  readonly position: number;
}

/** Collects the source offsets of a batch, and encodes them. One for all batches. */
export class ProjectedExtension {
  #bytes = new Uint8Array(EXTENSION_HEAD_BYTES + EXTENSION_VALUE_BYTES_MAX);
  #end = 0;
  #lastOffset = -1;

  constructor() {
    this.clear();
  }

  /** Begins the next batch. */
  clear(): void {
    this.#end = EXTENSION_HEAD_BYTES + DISTANCES_AT;
    this.#lastOffset = -1;
  }

  /** Begins with what another has so far. */
  copyFrom(other: ProjectedExtension): void {
    this.#bytes.set(other.#bytes.subarray(0, other.#end));
    this.#end = other.#end;
    this.#lastOffset = other.#lastOffset;
  }

  /** Whether another record fits. */
  get hasRoom(): boolean {
    return this.#end + DISTANCE_BYTES_MAX <= this.#bytes.length;
  }

  /** The source offset of the next record, above that of the last one. */
  add(sourceOffset: number): void {
    assert(sourceOffset > this.#lastOffset, 'source offsets ascend');
    if (this.#lastOffset < 0)
      setU64(viewOf(this.#bytes), EXTENSION_HEAD_BYTES + FIRST_AT, sourceOffset);
    else this.#addDistance(sourceOffset - this.#lastOffset - 1);
    this.#lastOffset = sourceOffset;
  }

  /** The extension block of the batch; good until `clear`. */
  encode({ exchangeId, stream, position }: ProjectedFrom): Uint8Array {
    assert(position > this.#lastOffset, 'the position lies behind the records');
    const view = viewOf(this.#bytes);
    view.setUint16(0, ExtensionType.projected, true);
    view.setUint16(2, this.#end - EXTENSION_HEAD_BYTES, true);
    setU64(view, EXTENSION_HEAD_BYTES + EXCHANGE_AT, exchangeId);
    setU64(view, EXTENSION_HEAD_BYTES + STREAM_AT, stream);
    setU64(view, EXTENSION_HEAD_BYTES + POSITION_AT, position);
    return this.#bytes.subarray(0, this.#end);
  }

  #addDistance(distance: number): void {
    let left = distance;
    while (left >= TWO_POW_7) {
      this.#bytes[this.#end++] = (left % TWO_POW_7) | TWO_POW_7;
      left = Math.floor(left / TWO_POW_7);
    }
    this.#bytes[this.#end++] = left;
  }
}

/** What a verified batch at `bytes[at]` says of where it comes from; null when it was not projected. */
export function projectedFrom(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
): ProjectedFrom | null {
  const value = findExtension(bytes, at, header, ExtensionType.projected);
  if (value === null || value.length < DISTANCES_AT) return null;
  const view = viewOf(value);
  const exchangeId = getU64(view, EXCHANGE_AT);
  const stream = getU64(view, STREAM_AT);
  const position = getU64(view, POSITION_AT);
  return { exchangeId, stream, position };
}

/**
 * The source offset of one record of a projected batch, by its index there; null when the batch was not
 * projected, or does not say. O(index).
 */
export function sourceOffsetOf(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  index: number,
): number | null {
  const value = findExtension(bytes, at, header, ExtensionType.projected);
  if (value === null || value.length < DISTANCES_AT) return null;
  return new SourceOffsets(value).at(index);
}

/** The sources of the records of one projected batch; null when `block`, its extension block, has none. */
export function sourcesIn(block: Uint8Array): SourceOffsets | null {
  const value = findField(block, ExtensionType.projected);
  return value === null || value.length < DISTANCES_AT ? null : new SourceOffsets(value);
}

/** Walks the source offsets of a projected batch: each record after the one before costs nothing. */
export class SourceOffsets implements ProjectedFrom {
  readonly #value: Uint8Array;
  /** The record that was asked for last, its source offset, and where the next distance stands. */
  #index = 0;
  #offset: number;
  #next = DISTANCES_AT;

  /** @param value  of the field, checked to be long enough */
  constructor(value: Uint8Array) {
    this.#value = value;
    this.#offset = getU64(viewOf(value), FIRST_AT);
  }

  get exchangeId(): number {
    return getU64(viewOf(this.#value), EXCHANGE_AT);
  }

  get stream(): number {
    return getU64(viewOf(this.#value), STREAM_AT);
  }

  get position(): number {
    return getU64(viewOf(this.#value), POSITION_AT);
  }

  /** As `sourceOffsetOf`; O(index) for a record in front of the one before. */
  at(index: number): number | null {
    if (index < this.#index) this.#rewind();
    while (this.#index < index) {
      const distance = this.#nextDistance();
      if (distance === null) return null; // It has fewer than the batch has records.
      this.#offset += distance + 1;
      this.#index++;
    }
    const offset = this.#offset;
    return Number.isSafeInteger(offset) && offset >= 0 ? offset : null;
  }

  #rewind(): void {
    this.#index = 0;
    this.#offset = getU64(viewOf(this.#value), FIRST_AT);
    this.#next = DISTANCES_AT;
  }

  #nextDistance(): number | null {
    let distance = 0;
    let factor = 1;
    let at = this.#next;
    for (;;) {
      const byte = this.#value[at++];
      if (byte === undefined) return null;
      distance += (byte % TWO_POW_7) * factor;
      if (byte < TWO_POW_7) break;
      factor *= TWO_POW_7;
    }
    this.#next = at;
    return distance;
  }
}
