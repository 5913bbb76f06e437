/**
 * How far one producer is in one topic: which of its sequences are stored, which are on their way, and
 * below which nothing is open any more.
 *
 * A sequence is stored when its append was answered, or was found in a log: not when it is encoded, for a
 * full disk takes that back. What is stored may still go with a power cut, so what is `confirmed`, which
 * is written down, counts only what is synced in its log.
 */
import { assert } from '../core/assert.ts';
import type { SequenceRun } from '../format/produced-extension.ts';
import {
  firstOf,
  firstSpans,
  lastOf,
  runsOf,
  type DurableOf,
  type Flight,
  type FlightOptions,
  type Sent,
  type UnsyncedRecords,
} from './producer-flight.ts';
import { ProducerPlaces, type RecordPlace } from './producer-places.ts';
import type { ProducedRun } from './producer-state.ts';
import { UnsyncedList } from './producer-unsynced.ts';
import { SequenceSet, type SequenceSpan } from './sequence-set.ts';

export class ProducerProgress {
  /** Grows when a commit is given numbers, or numbers do not come to be stored: who looked before looks again. */
  revision = 0;
  #confirmed = 0;
  /** Those that are stored, from `confirmed` on. */
  readonly #stored = new SequenceSet();
  /** And those that will never be sent. */
  readonly #passed = new SequenceSet();
  /** Those of producers that leave out nothing which were refused on their way, and not sent since. */
  readonly #refused = new SequenceSet();
  readonly #flights = new Set<Flight>();
  /** Of them, those of commits. */
  #commitCount = 0;
  readonly #unsynced = new UnsyncedList();
  readonly #places = new ProducerPlaces();
  #lastStored = -1;
  /** Highest that is on its way, or was, and is stored. */
  #lastSent = -1;
  /** Lowest that is on its way, infinite = none is; null = it has to be looked for. */
  #lowestInFlight: number | null = Number.POSITIVE_INFINITY;
  /** Of those below `confirmed`, which are synced: what is above a power cut may take. */
  #lastConfirmed = -1;

  /** As a note has it. */
  restoreNote({ confirmed, runs }: { confirmed: number; runs: readonly ProducedRun[] }): void {
    this.#confirmed = Math.max(this.#confirmed, confirmed);
    for (const run of runs) {
      this.#stored.add(run);
      this.#passed.add(run);
      this.#lastStored = Math.max(this.#lastStored, run.last);
    }
    this.#places.restore(runs.filter(({ count }) => count > 0));
    this.#forgetBelow();
  }

  /** A batch that was found in a log. */
  restoreBatch(
    { partition, baseOffset }: Pick<Sent, 'partition' | 'baseOffset'>,
    { confirmed, runs }: { readonly confirmed: number; readonly runs: readonly SequenceRun[] },
  ): void {
    this.#confirmed = Math.max(this.#confirmed, confirmed);
    this.#keep(
      partition,
      runs.map(({ sequence, index, count }) => ({
        first: sequence,
        last: sequence + count - 1,
        count,
        partition,
        baseOffset: baseOffset + index,
      })),
    );
    this.#forgetBelow();
  }

  /** All has been found, in the one log that there is: what is missing in between was never stored. */
  closeHoles(): void {
    this.#passed.add({ first: this.#confirmed, last: this.#lastStored });
  }

  /** Highest that is stored; -1 = none is. */
  get lastStored(): number {
    return this.#lastStored;
  }

  /** Highest that is stored or on its way; -1 = none is. */
  get last(): number {
    return Math.max(this.#lastStored, this.#lastSent);
  }

  /** The lowest that is open: neither stored nor passed over. */
  get resumeFrom(): number {
    const gap = this.#passed.gapFrom(this.#confirmed);
    return Math.min(gap, Math.max(this.#lastStored + 1, this.#confirmed));
  }

  /** How many holes there are, and runs between them. */
  get runCount(): number {
    return this.#passed.spans.length;
  }

  isStored(sequence: number): boolean {
    return sequence < this.#confirmed || this.#stored.has(sequence);
  }

  /** Whether it is stored, or on its way, or was and is in doubt. */
  isSent(sequence: number): boolean {
    return this.isStored(sequence) || this.#flightOf(sequence) !== null;
  }

  /** Whether it is on its way, and what becomes of it will be known. */
  isComing(sequence: number): boolean {
    return this.#flightOf(sequence)?.doubt === null;
  }

  /** The lowest from `sequence` on that was refused on its way, and has to come before all behind it. */
  refusedFrom(sequence: number): number | null {
    return this.#refused.firstFrom(sequence);
  }

  /** Where it is, when it is in one of the last batches. */
  placeOf(sequence: number): RecordPlace | null {
    return this.#places.of(sequence);
  }

  /** Whether a commit is on its way: where its records will stand is not known. */
  get hasCommits(): boolean {
    return this.#commitCount > 0;
  }

  /** What is on its way, and whoever sends numbers of `span` waits for; all without one. */
  flights(span: SequenceSpan = { first: 0, last: Number.MAX_SAFE_INTEGER }): readonly Flight[] {
    if (this.#commitCount === 0 && span.first > this.#lastSent) return NO_FLIGHTS;
    return [...this.#flights].filter(({ isCommit, spans }) => {
      return isCommit || (firstOf(spans) <= span.last && lastOf(spans) >= span.first);
    });
  }

  /** Nobody will ever send them: whoever counts passed them over. */
  passOver(span: SequenceSpan): void {
    this.#passed.add(span);
    this.#refused.delete(span);
  }

  /** Before anything of them is encoded. @param sent.spans  none is stored or on its way */
  begin(
    { partition, baseOffset, spans }: Sent,
    { settled, isCommit = false, isGapless = false }: FlightOptions,
  ): Flight {
    assert(spans.length > 0, 'a flight has records');
    const flight = { partition, baseOffset, spans, isCommit, isGapless, settled, doubt: null };
    for (const span of spans) {
      this.#passed.delete(span);
      this.#refused.delete(span);
    }
    this.#flights.add(flight);
    this.#lastSent = Math.max(this.#lastSent, lastOf(spans));
    if (this.#lowestInFlight !== null)
      this.#lowestInFlight = Math.min(this.#lowestInFlight, firstOf(spans));
    if (isCommit) {
      this.#commitCount++;
      this.revision++;
    }
    return flight;
  }

  /**
   * It is known what became of them.
   *
   * @param storedCount  of the first of them; the others were refused
   * @param baseOffset   where they stand, if that was not known when they began
   */
  end(flight: Flight, storedCount: number, baseOffset = flight.baseOffset): void {
    assert(this.#flights.delete(flight), 'a flight ends once');
    if (flight.isCommit) this.#commitCount--;
    if (this.#lowestInFlight === firstOf(flight.spans)) this.#lowestInFlight = null;
    const { partition } = flight;
    const spans = firstSpans(flight.spans, storedCount);
    if (spans.length === 0 || lastOf(spans) < lastOf(flight.spans)) this.#refuse(flight, spans);
    if (spans.length === 0) return;
    this.#keep(partition, runsOf({ partition, baseOffset, spans }));
    const nextOffset = baseOffset + storedCount;
    this.#unsynced.add({ partition, baseOffset, nextOffset, spans });
  }

  /** Nobody will know what became of them until the store is opened again. */
  leaveInDoubt(flight: Flight, why: Error): void {
    flight.doubt = why;
    this.revision++;
  }

  /** What was found behind the synced end of a partition. */
  foundUnsynced(records: UnsyncedRecords): void {
    this.#unsynced.add(records);
  }

  /** Below it a note may say that it tells all of a partition: it does not tell what is not synced. */
  openOffset(partition: number, durableOf: DurableOf): number {
    let offset = Number.POSITIVE_INFINITY;
    for (const open of [...this.#flights, ...this.#unsynced.at(durableOf)]) {
      if (open.partition === partition) offset = Math.min(offset, open.baseOffset);
    }
    return offset;
  }

  /** Whether something is on its way, or not known to be synced. */
  isOpen(durableOf: DurableOf): boolean {
    return this.#flights.size > 0 || this.#unsynced.at(durableOf).length > 0;
  }

  /** Partitions that have to be synced for all stored numbers of `span` to be. */
  unsyncedPartitions(durableOf: DurableOf, span?: SequenceSpan): readonly number[] {
    const partitions = new Set<number>();
    for (const { partition, spans } of this.#unsynced.at(durableOf)) {
      const isAsked = ({ first, last }: SequenceSpan) =>
        span === undefined || (first <= span.last && last >= span.first);
      if (spans.some(isAsked)) partitions.add(partition);
    }
    return [...partitions];
  }

  /** All below is synced in its log, or will never be sent. Never goes back. */
  confirmed(durableOf: DurableOf): number {
    const open = Math.min(this.#lowestOnTheWay(), this.#unsynced.lowest(durableOf));
    const confirmed = Math.min(this.resumeFrom, open);
    if (confirmed > this.#confirmed) {
      this.#confirmed = confirmed;
      this.#forgetBelow();
    }
    return this.#confirmed;
  }

  /** What may be noted: nothing that a power cut could take back. */
  note(durableOf: DurableOf): { confirmed: number; runs: ProducedRun[] } {
    const confirmed = this.confirmed(durableOf);
    const synced = new SequenceSet();
    for (const span of this.#stored.spans) synced.add(span);
    for (const { spans } of this.#unsynced.at(durableOf)) {
      for (const span of spans) synced.delete(span);
    }
    const known = synced.spans.map(({ first, last }) => unplaced({ first, last }));
    if (known.length === 0 && this.#lastConfirmed >= 0) {
      known.push(unplaced({ first: this.#lastConfirmed, last: this.#lastConfirmed }));
    }
    const placed = this.#places.runs.flatMap((run) => {
      const count = Math.min(run.count, durableOf(run.partition) - run.baseOffset);
      return count > 0 ? [{ ...run, count, last: run.first + count - 1 }] : [];
    });
    return { confirmed, runs: [...known, ...placed] };
  }

  #flightOf(sequence: number): Flight | null {
    for (const flight of this.#flights) {
      const isOf = ({ first, last }: SequenceSpan) => first <= sequence && sequence <= last;
      if (flight.spans.some(isOf)) return flight;
    }
    return null;
  }

  #refuse({ isGapless, spans }: Flight, stored: readonly SequenceSpan[]): void {
    this.revision++;
    this.#lastSent = -1;
    for (const { spans: sent } of this.#flights)
      this.#lastSent = Math.max(this.#lastSent, lastOf(sent));
    if (!isGapless) return;
    for (const span of spans) this.#refused.add(span);
    for (const span of stored) this.#refused.delete(span);
  }

  #keep(partition: number, runs: readonly ProducedRun[]): void {
    for (const run of runs) {
      this.#stored.add(run);
      this.#passed.add(run);
      this.#lastStored = Math.max(this.#lastStored, run.last);
    }
    this.#places.add(partition, runs);
  }

  /** The lowest that is on its way; infinite = none is. Most end in the order in which they begin. */
  #lowestOnTheWay(): number {
    if (this.#lowestInFlight === null) {
      this.#lowestInFlight = Number.POSITIVE_INFINITY;
      for (const { spans } of this.#flights) {
        this.#lowestInFlight = Math.min(this.#lowestInFlight, firstOf(spans));
      }
    }
    return this.#lowestInFlight;
  }

  #forgetBelow(): void {
    for (const { first, last } of this.#stored.spans) {
      if (first >= this.#confirmed) break;
      this.#lastConfirmed = Math.max(this.#lastConfirmed, Math.min(last, this.#confirmed - 1));
    }
    this.#stored.deleteBelow(this.#confirmed);
    this.#passed.deleteBelow(this.#confirmed);
  }
}

const NO_FLIGHTS: readonly Flight[] = [];

/** That they are stored, and not where. */
function unplaced({ first, last }: SequenceSpan): ProducedRun {
  return { first, last, count: 0, partition: 0, baseOffset: 0 };
}
