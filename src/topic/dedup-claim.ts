/**
 * The records that one commit wants stored in a topic, unless they are there: known again by an id, or by
 * what is in them.
 *
 * Nothing is held while it waits, for whatever: two commits with each other's ids never wait for each other.
 * In one step all of them are found new, or stored, and the new ones are on their way.
 */
import { assert, present } from '../core/assert.ts';
import { certainError } from '../core/certain-error.ts';
import { FailedError } from '../core/errors.ts';
import { FingerprintTag } from '../log/batch-tag.ts';
import type { RecordRun } from '../log/record-run.ts';
import type { DedupPart } from './dedup-call.ts';
import type { DedupCounts } from './dedup-figures.ts';
import type { DedupFlights } from './dedup-flights.ts';
import type { DedupGate } from './dedup-gate.ts';
import { DedupLook } from './dedup-look.ts';
import type { PendingRun } from './dedup-pending.ts';
import { duplicatesOf, freshIn, runOf, type Sorted } from './dedup-sorting.ts';
import type { PartitionSet } from './partition-set.ts';
import type { DuplicateRecord } from './topic-results.ts';

interface DedupClaimParts {
  readonly gate: Pick<DedupGate, 'current' | 'load'>;
  readonly partitions: PartitionSet;
  readonly flights: DedupFlights;
  readonly counts: DedupCounts;
}

/** Records of one call that go to one partition. */
export class ClaimedRecords {
  readonly part: DedupPart;
  /** Those that are new; null = none is. Known when they are secured. */
  run: PendingRun | null = null;
  /** Of the first of those, once they are committed. */
  baseOffset = -1;

  constructor(part: DedupPart) {
    this.part = part;
  }

  get partition(): number {
    return this.part.partition;
  }

  /** What is to be appended of them. */
  get runs(): readonly RecordRun[] {
    if (this.run === null) return [];
    const { records, words } = this.run;
    return [{ records, tag: new FingerprintTag(words) }];
  }
}

/** Numbers of the records of one call, among all that are claimed. */
export interface ClaimedRange {
  readonly from: number;
  readonly to: number;
}

export class DedupClaim {
  readonly #parts: DedupClaimParts;
  readonly #claimed: ClaimedRecords[] = [];
  #count = 0;
  #look: DedupLook | null = null;
  #failure: Error | null = null;
  /** By their numbers among all that are claimed. */
  readonly #duplicates = new Map<number, DuplicateRecord>();

  constructor(parts: DedupClaimParts) {
    this.#parts = parts;
  }

  /** The records of a call, by partition. @returns as many */
  add(parts: readonly DedupPart[]): { range: ClaimedRange; claimed: readonly ClaimedRecords[] } {
    const from = this.#count;
    const claimed = parts.map(
      (part) => new ClaimedRecords({ ...part, indexes: part.indexes.map((index) => from + index) }),
    );
    this.#claimed.push(...claimed);
    for (const { indexes } of parts) this.#count += indexes.length;
    return { range: { from, to: this.#count }, claimed };
  }

  /** What must end before it can be secured, which never rejects; null = nothing. Asked again and again. */
  obstacle(): Promise<void> | null {
    if (this.#failure !== null) return null;
    const state = this.#parts.gate.current();
    if (state === null) return this.#noting(this.#parts.gate.load());
    if (this.#look?.state !== state) {
      const { partitions, flights, counts } = this.#parts;
      const parts = this.#claimed.map(({ part }) => part);
      this.#look = new DedupLook({ partitions, pending: flights.pending, state, counts }, parts);
    }
    const wait = this.#look.obstacle();
    if (wait !== null) return wait;
    const { sorted, failure } = this.#look;
    if (failure === null) return this.#unsynced(sorted);
    this.#failure = certainError(failure);
    return null;
  }

  /** In the step in which `obstacle` was null: what is new is on its way. @throws why it cannot be told */
  secure(): void {
    if (this.#failure !== null) throw this.#failure;
    const { sorted } = present(this.#look, 'it was looked at');
    for (const [at, claimed] of this.#claimed.entries()) {
      const own = present(sorted[at], 'one for each');
      const fresh = freshIn(own);
      claimed.run = fresh.length === 0 ? null : this.#parts.flights.held(runOf(own, fresh));
    }
  }

  /** They are committed, each at its `baseOffset`. */
  committed(): void {
    const { sorted } = present(this.#look, 'it was secured');
    for (const { run, baseOffset } of this.#claimed) {
      if (run === null) continue;
      assert(baseOffset >= 0, 'what was appended has an offset');
      this.#parts.flights.committed(run, baseOffset);
    }
    const bases = this.#claimed.map(({ baseOffset }) => baseOffset);
    for (const one of duplicatesOf(sorted, bases)) this.#duplicates.set(one.index, one);
    this.#parts.counts.duplicateCount += this.#duplicates.size;
  }

  /** The commit has come to nothing. @param error  tells whether that is certain */
  failed(error: unknown): void {
    for (const claimed of this.#claimed) {
      const { run } = claimed;
      if (run === null) continue;
      if (error instanceof FailedError && error.details.indeterminate) {
        this.#parts.flights.inDoubt(run, error);
      } else this.#parts.flights.dropped(run);
    }
  }

  /** Those of a call that were stored before, or stand twice in the commit; their indexes are the call's. */
  duplicatesIn({ from, to }: ClaimedRange): readonly DuplicateRecord[] {
    const own: DuplicateRecord[] = [];
    for (let number = from; number < to; number++) {
      const one = this.#duplicates.get(number);
      if (one !== undefined) own.push({ ...one, index: number - from });
    }
    return own;
  }

  /** Who is told of a duplicate is told that its record survives a power cut. */
  #unsynced(all: readonly Sorted[]): Promise<void> | null {
    for (const { stored } of all) {
      for (const place of stored) {
        if (place === null) continue;
        const used = this.#parts.partitions.at(place.partition);
        // A log that is closed was synced.
        if (used.opened === null || used.opened.durableOffset > place.offset) continue;
        return this.#noting(used.sync());
      }
    }
    return null;
  }

  async #noting(wait: Promise<void>): Promise<void> {
    try {
      await wait;
    } catch (error) {
      this.#failure = certainError(error);
    }
  }
}
