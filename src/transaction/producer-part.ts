/**
 * Records of one call that a producer sends in a transaction. Which of them are stored already is known when
 * nothing of the producer is on its way to the topic any more that could be one of them; their numbers are
 * on their way from there on, and free again when the transaction comes to nothing.
 */
import { toError } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import { FailedError } from '../core/errors.ts';
import { randomBelow } from '../core/random.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { BATCH_HEADER_BYTES } from '../format/layout.ts';
import { CONSECUTIVE_BYTES, distanceBytes } from '../format/produced-extension.ts';
import { recordCountOf, runBytesOf, type RecordRun } from '../log/record-run.ts';
import { CallSequences, type GivenSequence } from '../topic/call-sequences.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { ProducerAppends } from '../topic/producer-appends.ts';
import type { ProducedInput } from '../topic/producer-inputs.ts';
import type { Flight } from '../topic/producer-flight.ts';
import type { ProducerSequencer } from '../topic/producer-sequencer.ts';
import type { SequenceSpan } from '../topic/sequence-set.ts';
import type { PlacedRecords } from '../topic/topic-results.ts';
import type { ProducerAppendResult, ProducerBatchResult } from '../topic/producer-results.ts';
import type { LateRuns } from './commit-log.ts';
import { COMMIT_DURABILITY } from './commit-part.ts';

/** Records of the call that go to one partition. */
export class ProducedPiece implements LateRuns {
  readonly partition: number;
  /** Which of the call's records they are. */
  readonly indexes: number[] = [];
  /** What is to be appended of them, once they are secured. */
  runs: readonly RecordRun[] = [];
  /** Null = all of them are stored already. */
  flight: Flight | null = null;
  baseOffset = -1;

  constructor(partition: number) {
    this.partition = partition;
  }

  /** Of those that are appended. */
  get recordCount(): number {
    return recordCountOf(this.runs);
  }
}

export interface ProducedCall extends ProducedInput {
  /** The one that its topic has. */
  readonly appends: ProducerAppends;
  readonly sequence: GivenSequence;
}

export class ProducerPart {
  /** Ascending by partition. */
  readonly pieces: readonly ProducedPiece[];
  readonly #call: ProducedCall;
  /** Whether the calls before it were answered. */
  #isNext = false;
  /** Why it cannot be, found while it waited. */
  #failure: Error | null = null;
  #sequences: CallSequences | null = null;
  /** Indexes of those that are stored, or that an earlier call of the transaction has. */
  readonly #before: number[] = [];
  #skipped: readonly SequenceSpan[] = [];
  #settle: () => void = () => undefined;
  #withdraw: (isCommitted: boolean) => void = () => undefined;

  constructor(call: ProducedCall) {
    this.#call = call;
    this.pieces = divided(call);
  }

  /** Of all that it may bring. */
  get bytesMax(): number {
    const { records, sequence } = this.#call;
    const isList = typeof sequence === 'object';
    const spanned = isList ? (sequence.at(-1) ?? 0) - (sequence[0] ?? 0) : records.length;
    const each = distanceBytes(0, Math.max(1, spanned));
    const heads = this.pieces.length * (BATCH_HEADER_BYTES + CONSECUTIVE_BYTES);
    return runBytesOf([{ records, tag: null }]) + heads + each * records.length;
  }

  /** It is part of the transaction: `committed` or `failed` will be called. */
  join(): void {
    const { sequence, records } = this.#call;
    this.#withdraw = this.#sequencer.announce(sequence, records.length);
  }

  /** @returns null = there is nothing to wait for. Never throws: others may be on their way */
  prepare(): Promise<void> | null {
    const { table } = this.#sequencer;
    return table.isLoaded ? null : table.load();
  }

  /** Calls of the producer that came before, whatever they bring; then what is on its way of these numbers. */
  obstacle(): Promise<void> | null {
    const { appends } = this.#call;
    if (!this.#isNext) {
      this.#isNext = true;
      if (!appends.isIdle) return appends.idle();
    }
    if (this.#failure !== null) return null; // `secure` says so.
    const span = this.#span();
    if (span === null) return null;
    const { progress, table } = this.#sequencer;
    const flights = progress.flights(span).filter(({ doubt }) => doubt === null);
    if (flights.length > 0) return Promise.all(flights.map(({ settled }) => settled)).then(nothing);
    // It is told as durable: what is stored of it must be, too.
    if (progress.unsyncedPartitions(table.durableOf, span).length === 0) return null;
    return table.sync(progress, span).catch((error: unknown) => {
      this.#failure = toError(error);
    });
  }

  /** @throws FencedError, ClosedError, SequenceGapError, RangeError; what keeps it from being known */
  secure(): void {
    const sequencer = this.#sequencer;
    if (this.#failure !== null) throw this.#failure;
    sequencer.check();
    const sequences = this.#numbered();
    sequencer.checkMayCome(sequences);
    this.#sequences = sequences;
    this.#skipped = sequencer.skippedBy(sequences);
    const settled = new Promise<void>((resolve) => (this.#settle = resolve));
    let sizeBytes = 0;
    for (const piece of this.pieces) {
      const own = this.#secured(piece, sequences, settled);
      piece.runs = own === null ? [] : [own];
      sizeBytes += runBytesOf(piece.runs);
    }
    if (sizeBytes === 0) return this.#settle();
    sequencer.table.sending(sequencer.right.producerId, sizeBytes);
    this.#call.appends.joined(settled);
  }

  /** It is committed: its pieces know where they are. */
  committed(): void {
    const sequencer = this.#sequencer;
    if (this.#sequences !== null) sequencer.sent(this.#sequences, this.#skipped);
    for (const { flight, recordCount, baseOffset } of this.pieces) {
      if (flight !== null) sequencer.progress.end(flight, recordCount, baseOffset);
    }
    this.#ended(true);
  }

  /** It came to nothing, or nobody knows what became of it. */
  failed(error: unknown): void {
    const { progress } = this.#sequencer;
    for (const { flight } of this.pieces) {
      if (flight === null) continue;
      const isKnown = !(error instanceof FailedError && error.details.indeterminate);
      if (isKnown) progress.end(flight, 0);
      else progress.leaveInDoubt(flight, error);
    }
    this.#ended(false);
  }

  /** Behind `committed`. */
  get batchResult(): ProducerBatchResult {
    const sequences = this.#told;
    const { count, last: lastSequence } = sequences;
    const placements: PlacedRecords[] = [];
    let recordCount = 0;
    for (const { partition, baseOffset, recordCount: own } of this.pieces) {
      if (own > 0) placements.push({ partition, baseOffset, recordCount: own });
      recordCount += own;
    }
    const before = this.#before.toSorted((one, other) => one - other);
    const duplicates = this.#sequencer.placesOf(sequences, before);
    const duplicateCount = count - recordCount;
    const durability = COMMIT_DURABILITY;
    return { placements, recordCount, duplicateCount, duplicates, lastSequence, durability };
  }

  /** Behind `committed`, of one record. */
  get result(): ProducerAppendResult {
    const { first: sequence } = this.#told;
    const durability = COMMIT_DURABILITY;
    const { partition, baseOffset: offset, flight } = present(this.pieces[0], 'a record has one');
    if (flight !== null) return { duplicate: false, sequence, partition, offset, durability };
    const stored = this.#sequencer.progress.placeOf(sequence) ?? { partition: null, offset: null };
    return { duplicate: true, sequence, ...stored, durability };
  }

  get #told(): CallSequences {
    return present(this.#sequences, 'it was secured');
  }

  get #sequencer(): ProducerSequencer {
    return this.#call.appends.sequencer;
  }

  #numbered(): CallSequences {
    const { sequence, records } = this.#call;
    return this.#sequencer.number(sequence, records.length);
  }

  /** Of its numbers, as they would be now; null = it has none. */
  #span(): SequenceSpan | null {
    try {
      const { first, last } = this.#numbered();
      return last === null ? null : { first, last };
    } catch {
      return null; // `secure` says so.
    }
  }

  /** @returns what is to be appended of a piece; null = nothing */
  #secured(
    piece: ProducedPiece,
    sequences: CallSequences,
    settled: Promise<void>,
  ): RecordRun | null {
    const { progress, table } = this.#sequencer;
    const { partition } = piece;
    const own: number[] = [];
    const records: EncodableRecord[] = [];
    for (const index of piece.indexes) {
      const sequence = sequences.at(index);
      if (progress.isSent(sequence)) {
        this.#before.push(index);
        continue;
      }
      own.push(sequence);
      records.push(present(this.#call.records[index], 'divided by its index'));
    }
    if (own.length === 0) return null;
    // What is appended behind may be taken back before it is encoded; nothing that is synced is.
    const { opened } = table.partitions.at(partition);
    const baseOffset = present(opened, 'it was prepared').syncedOffset;
    const part = { partition, sequences: new CallSequences(own, own.length, 0), records };
    const { flight, run } = this.#sequencer.begin(part, { baseOffset, settled, isCommit: true });
    piece.flight = flight;
    return run;
  }

  #ended(isCommitted: boolean): void {
    if (this.pieces.some(({ flight }) => flight !== null)) this.#sequencer.table.settled();
    this.#withdraw(isCommitted);
    this.#settle();
  }
}

/** Those that may go to any partition stand together. */
function divided({ records, partitions, sequence, appends }: ProducedCall): ProducedPiece[] {
  const pieces = new Map<number, ProducedPiece>();
  const any =
    partitions?.includes(null) === true ? anyOf(appends.sequencer.table.partitions, sequence) : 0;
  for (const index of records.keys()) {
    const partition = partitions?.[index] ?? any;
    const piece = pieces.get(partition) ?? new ProducedPiece(partition);
    pieces.set(partition, piece);
    piece.indexes.push(index);
  }
  return [...pieces.values()].toSorted((one, two) => one.partition - two.partition);
}

/** The same one for a number that is sent again, though nothing depends on it. */
function anyOf({ count, random }: PartitionSet, sequence: GivenSequence): number {
  if (sequence === undefined) return randomBelow(random, count);
  return (typeof sequence === 'number' ? sequence : (sequence[0] ?? 0)) % count;
}

function nothing(): void {
  // What is waited for has no result.
}
