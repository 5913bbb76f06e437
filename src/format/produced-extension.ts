/**
 * Which sequences the records of a producer's batch have, and how far it got before.
 *
 *     base sequence u64 | confirmed u64 | unless they are consecutive, per further record: LEB128
 *
 * What follows are distances from one sequence to the next, less 1. The header of the batch names the
 * producer; its base sequence and epoch are the low bits.
 */
import { assert, present } from '../core/assert.ts';
import type { BatchHeader } from './batch-header.ts';
import {
  EXTENSION_HEAD_BYTES,
  extensionError,
  soundField,
  writeExtensionHead,
  type ExtendedBatch,
} from './extension.ts';
import { ExtensionType } from './layout.ts';
import { getU64, setU64, viewOf } from './u64.ts';

/** Highest sequence: the next one is a number too. */
export const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER - 1;

const BASE_AT = 0;
const CONFIRMED_AT = 8;
const DISTANCES_AT = 16;
/** Of a distance below 2^53. */
const DISTANCE_BYTES_MAX = 8;
const TWO_POW_7 = 2 ** 7;
const TWO_POW_32 = 2 ** 32;

/** The block of records with consecutive sequences. */
export const CONSECUTIVE_BYTES = EXTENSION_HEAD_BYTES + DISTANCES_AT;

/** Records of a batch whose sequences follow each other. */
export interface SequenceRun {
  /** Of the first of them. */
  readonly sequence: number;
  /** Of the first of them: how many records stand before it in the batch. */
  readonly index: number;
  readonly count: number;
}

/** What a batch of a producer says. */
export interface ProducedRecords {
  readonly producerId: number;
  /** Its lower 16 bits. */
  readonly producerEpoch: number;
  /** What this producer sent to this topic below was synced, or never sent, when this was encoded. */
  readonly confirmed: number;
  /** Of all records, in order; sequences ascend. */
  readonly runs: readonly SequenceRun[];
}

/** Bytes of the distance between two sequences that follow each other in a batch. */
export function distanceBytes(before: number, after: number): number {
  let bytes = 1;
  for (let left = after - before - 1; left >= TWO_POW_7; bytes++) {
    left = Math.floor(left / TWO_POW_7);
  }
  return bytes;
}

/** The extension block of records with sequences from `sequence` on. */
export function encodeConsecutive(sequence: number, confirmed: number): Uint8Array {
  const block = new Uint8Array(CONSECUTIVE_BYTES);
  writeHead(block, sequence, confirmed);
  return block;
}

/** The extension block of records with these sequences, which ascend; at least one. */
export function encodeProduced(sequences: readonly number[], confirmed: number): Uint8Array {
  const [first] = sequences;
  const sequence = present(first, 'a batch has a record');
  const last = present(sequences.at(-1), 'it has a first one');
  if (last - sequence === sequences.length - 1) return encodeConsecutive(sequence, confirmed);
  let bytes = CONSECUTIVE_BYTES;
  let before = sequence;
  for (const after of sequences.slice(1)) {
    bytes += distanceBytes(before, after);
    before = after;
  }
  const block = new Uint8Array(bytes);
  writeHead(block, sequence, confirmed);
  writeDistances(block, sequences);
  return block;
}

function writeHead(block: Uint8Array, sequence: number, confirmed: number): void {
  const view = viewOf(block);
  const valueBytes = block.length - EXTENSION_HEAD_BYTES;
  const at = writeExtensionHead(view, 0, { type: ExtensionType.produced, valueBytes });
  setU64(view, at + BASE_AT, sequence);
  setU64(view, at + CONFIRMED_AT, confirmed);
}

function writeDistances(block: Uint8Array, sequences: readonly number[]): void {
  let at = CONSECUTIVE_BYTES;
  for (let index = 1; index < sequences.length; index++) {
    const before = present(sequences[index - 1], 'below the length');
    const after = present(sequences[index], 'below the length');
    assert(after > before, 'sequences ascend');
    let left = after - before - 1;
    for (; left >= TWO_POW_7; left = Math.floor(left / TWO_POW_7)) {
      block[at++] = (left % TWO_POW_7) | TWO_POW_7;
    }
    block[at++] = left;
  }
}

/**
 * What a batch says of its producer; null when it has none.
 *
 * @throws CorruptLogError when it contradicts itself: under a right checksum a hostile file or a bug
 */
export function producedIn(batch: ExtendedBatch): ProducedRecords | null {
  const { header, extension } = batch;
  const { producerId, producerEpoch } = header;
  if (extension === null && isUnproduced(header)) return null;
  const value = soundField(batch, ExtensionType.produced);
  if (value === null) {
    if (isUnproduced(header)) return null;
    throw extensionError(batch, `it lacks the sequences of producer ${producerId}`);
  }
  if (value.length < DISTANCES_AT) {
    throw extensionError(batch, `${value.length} bytes hold no sequences`);
  }
  const view = viewOf(value);
  const confirmed = getU64(view, CONFIRMED_AT);
  if (confirmed < 0) throw extensionError(batch, 'what is confirmed is above 2^53 - 1');
  const sequence = getU64(view, BASE_AT);
  const problem = headProblem(header, sequence);
  if (problem !== null) throw extensionError(batch, problem);
  return { producerId, producerEpoch, confirmed, runs: runsIn(batch, value, sequence) };
}

/** Whether the header names no producer. */
function isUnproduced({ producerId, baseSequence, producerEpoch }: BatchHeader): boolean {
  return producerId === 0 && baseSequence === 0 && producerEpoch === 0;
}

function headProblem(header: BatchHeader, sequence: number): string | null {
  const { producerId, baseSequence, recordCount } = header;
  if (producerId <= 0) return 'it has sequences, and the batch has no producer';
  if (recordCount === 0) return 'it has sequences, and the batch has no records';
  if (sequence < 0) return 'the base sequence is above 2^53 - 1';
  if (baseSequence === sequence % TWO_POW_32) return null;
  return `the base sequence is ${sequence}, that of the header ${baseSequence}`;
}

function runsIn(batch: ExtendedBatch, value: Uint8Array, base: number): readonly SequenceRun[] {
  const { recordCount } = batch.header;
  const runs: SequenceRun[] = [];
  let run = { sequence: base, index: 0, count: 1 };
  let sequence = base;
  if (value.length === DISTANCES_AT) {
    run.count = recordCount;
    sequence += recordCount - 1;
  } else {
    const distances = new Distances(value);
    for (let index = 1; index < recordCount; index++) {
      const distance = distances.next();
      if (distance === null) throw extensionError(batch, `sequence ${index} cannot be read`);
      sequence += distance + 1;
      if (distance === 0) run.count++;
      else {
        runs.push(run);
        run = { sequence, index, count: 1 };
      }
    }
    if (!distances.isOver) throw extensionError(batch, `more than ${recordCount} sequences`);
  }
  if (sequence > SEQUENCE_MAX) throw extensionError(batch, 'a sequence is above 2^53 - 2');
  runs.push(run);
  return runs;
}

class Distances {
  readonly #value: Uint8Array;
  #at = DISTANCES_AT;

  constructor(value: Uint8Array) {
    this.#value = value;
  }

  get isOver(): boolean {
    return this.#at === this.#value.length;
  }

  /** Null when none follows whole, in its shortest form. */
  next(): number | null {
    let distance = 0;
    let factor = 1;
    for (let count = 1; count <= DISTANCE_BYTES_MAX; count++) {
      const byte = this.#value[this.#at++];
      if (byte === undefined) return null;
      distance += (byte % TWO_POW_7) * factor;
      if (byte < TWO_POW_7) return byte === 0 && count > 1 ? null : distance;
      factor *= TWO_POW_7;
    }
    return null;
  }
}
