/**
 * What one producer sends to one topic: which numbers its records get, which of them are stored already,
 * and where the others go. All of it is said as things are now: of a table that is loaded, for a step.
 */
import { PRODUCER_CALLS_MAX } from '../core/limits.ts';
import { SequenceGapError } from '../core/producer-errors.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { ProducedTag } from '../log/batch-tag.ts';
import type { RecordRun } from '../log/record-run.ts';
import { CallSequences, type GivenSequence } from './call-sequences.ts';
import type { Flight } from './producer-flight.ts';
import type { ProducerProgress } from './producer-progress.ts';
import type { ProducerTable } from './producer-table.ts';
import type { DuplicateRecord } from './topic-results.ts';
import { SequenceSet, spansOf, type SequenceSpan } from './sequence-set.ts';

/** Who sends. */
export interface ProducerRight {
  readonly name: string;
  readonly producerId: number;
  readonly epoch: number;
  readonly gaps: 'refuse' | 'allow';
  /** @throws FencedError, ClosedError when it is over */
  check(): void;
}

/** Records of a call that go to one partition. */
export interface ProducedPart {
  readonly partition: number;
  readonly sequences: CallSequences;
  readonly records: readonly EncodableRecord[];
}

/** Where they will stand, and when it is known what became of them. */
interface Departure extends Pick<Flight, 'baseOffset' | 'settled' | 'isCommit'> {}

export class ProducerSequencer {
  readonly table: ProducerTable;
  readonly right: ProducerRight;
  /** Highest that this handle sent; null = nothing. */
  #sent: number | null = null;
  /** What commits will send that nobody has secured yet: whoever overtakes them does not skip them. */
  readonly #announced = new Set<readonly SequenceSpan[]>();
  /** What was given and refused before it was on its way, and not sent since: it may come again. */
  readonly #refused = new SequenceSet();

  constructor(table: ProducerTable, right: ProducerRight) {
    this.table = table;
    this.right = right;
  }

  get progress(): ProducerProgress {
    return this.table.progressOf(this.right.producerId);
  }

  /** How far it is, for whoever goes on from there: as if all below `resumeFrom` had been sent by this handle. */
  resumed(): ProducerProgress {
    const { progress, right } = this;
    // Else they would be holes for ever: only the process that left them out knew that they are none.
    if (right.gaps === 'allow') this.#sent ??= progress.resumeFrom - 1;
    return progress;
  }

  /** @throws FencedError, ClosedError when the producer, or the topic, is over */
  check(): void {
    this.right.check();
    this.table.partitions.checkThere();
  }

  /** Where records of a call are, as far as that is known. @param indexes  ascending; default all */
  placesOf(
    sequences: CallSequences,
    indexes: Iterable<number> = Array(sequences.count).keys(),
  ): readonly DuplicateRecord[] {
    const { progress } = this;
    const places: DuplicateRecord[] = [];
    for (const index of indexes) {
      const place = progress.placeOf(sequences.at(index));
      if (place !== null) places.push({ index, ...place });
    }
    return places;
  }

  /** Numbers of the records of a call. @throws RangeError */
  number(given: GivenSequence, count: number): CallSequences {
    return new CallSequences(given, count, this.progress.last + 1);
  }

  /**
   * Whether numbers may be sent now.
   *
   * @throws SequenceGapError; what makes that impossible until the store is opened again
   */
  checkMayCome(sequences: CallSequences): void {
    const { progress } = this;
    const { first, last } = sequences;
    if (last === null) return;
    for (const { doubt } of progress.flights({ first, last })) if (doubt !== null) throw doubt;
    if (this.right.gaps === 'refuse') {
      this.#checkRefused(sequences);
      this.#checkGaps(sequences);
    }
    const { resumeFrom, runCount } = progress;
    if (runCount < PRODUCER_CALLS_MAX || first <= resumeFrom) return;
    // Of a call over several partitions one may be stored before the others: what is to come is no hole.
    if (!progress.isComing(resumeFrom)) throw this.#gapError(resumeFrom, first);
  }

  /** Whether all of them are behind whatever was sent, which will not move: nothing has to be waited for. */
  areNext({ first }: CallSequences): boolean {
    const { progress } = this;
    return !progress.hasCommits && first > progress.last && !progress.isStored(first);
  }

  /** What is left out on purpose before and between them: it will not come. */
  skippedBy(sequences: CallSequences): readonly SequenceSpan[] {
    const skipped: SequenceSpan[] = [];
    let next = this.#sent === null ? this.progress.last + 1 : this.#sent + 1;
    for (const { first, last } of sequences.spans) {
      if (last < next) continue;
      if (first > next) skipped.push({ first: next, last: first - 1 });
      next = last + 1;
    }
    const isPlain = this.#announced.size === 0 && this.#refused.spans.length === 0;
    return isPlain ? skipped : this.#withoutOthers(skipped);
  }

  /** A commit will send numbers, whenever it is secured. @returns to be called once, at its end */
  announce(given: GivenSequence, count: number): (isCommitted: boolean) => void {
    const spans = givenSpans(given, count);
    this.#announced.add(spans);
    return (isCommitted) => {
      this.#announced.delete(spans);
      if (!isCommitted) this.refused(given, count);
    };
  }

  /** Numbers were given, and are not on their way: they were not left out on purpose. */
  refused(given: GivenSequence, count: number): void {
    for (const span of givenSpans(given, count)) this.#refused.add(span);
    const { spans } = this.#refused;
    const [first, last] = [spans[0], spans.at(-1)];
    if (spans.length <= PRODUCER_CALLS_MAX || first === undefined || last === undefined) return;
    this.#refused.add({ first: first.first, last: last.last }); // Rather too many than none of them.
  }

  /** They are sent, but for what is stored; `skipped` never will be. */
  sent(sequences: CallSequences, skipped: readonly SequenceSpan[]): void {
    for (const span of skipped) this.progress.passOver(span);
    const { last } = sequences;
    if (last === null) return;
    this.#sent = Math.max(this.#sent ?? -1, last);
    if (this.#refused.spans.length === 0) return;
    for (const span of sequences.spans) this.#refused.delete(span);
  }

  /** They are on their way from now on. @returns what is to be appended */
  begin(
    { partition, sequences, records }: ProducedPart,
    { baseOffset, settled, isCommit }: Departure,
  ): { readonly flight: Flight; readonly run: RecordRun } {
    const { progress, right, table } = this;
    const sent = { partition, baseOffset, spans: sequences.spans };
    const isGapless = right.gaps === 'refuse';
    const flight = progress.begin(sent, { settled, isCommit, isGapless });
    const producer = {
      producerId: right.producerId,
      producerEpoch: right.epoch & 0xffff,
      get confirmed() {
        return progress.confirmed(table.durableOf);
      },
    };
    return { flight, run: { records, tag: new ProducedTag(producer, sequences.list) } };
  }

  #withoutOthers(skipped: readonly SequenceSpan[]): readonly SequenceSpan[] {
    const set = new SequenceSet();
    for (const span of skipped) set.add(span);
    for (const spans of [this.#refused.spans, ...this.#announced]) {
      for (const span of spans) set.delete(span);
    }
    return set.spans;
  }

  /** What was refused is missing: sent again behind others, it would stand behind them in its partition. */
  #checkRefused(sequences: CallSequences): void {
    const { progress } = this;
    let missing = progress.refusedFrom(0);
    for (let at = 0; missing !== null && at < sequences.count; at++) {
      const found = sequences.at(at);
      if (found === missing) missing = progress.refusedFrom(found + 1);
      else if (found > missing && !progress.isSent(found)) throw this.#gapError(missing, found);
    }
  }

  #checkGaps(sequences: CallSequences): void {
    let expected = this.progress.last + 1;
    for (const { first, last } of sequences.spans) {
      if (first > expected) throw this.#gapError(expected, first);
      expected = Math.max(expected, last + 1);
    }
  }

  #gapError(expected: number, found: number): SequenceGapError {
    const { name: producer } = this.right;
    const { name: topic } = this.table.partitions;
    return new SequenceGapError({ producer, topic, expected, found });
  }
}

/** None, of a call that goes on where the producer is. */
function givenSpans(given: GivenSequence, count: number): readonly SequenceSpan[] {
  if (given === undefined || count === 0) return [];
  return typeof given === 'number' ? [{ first: given, last: given + count - 1 }] : spansOf(given);
}
