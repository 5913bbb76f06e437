/**
 * A walk over the source of an exchange: routes each record and copies it for its destination logs.
 *
 * @hot `step`: no allocation per record when its route is remembered.
 */
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import type { Feeder, Outlet } from './outlet.ts';
import { partitionOfCopy } from './placement.ts';

/** Where records go: the common topology, or what a new binding adds to it. */
export interface Routes {
  /** Moves on to the topology of a version. Never back. */
  advanceTo(version: number): void;
  /** @returns ids of topics, ascending; an array of others, too */
  topicsOf(cursor: BatchCursor): readonly number[];
  /** Of a topic, in the version at which it stands. */
  partitionCountOf(topicId: number): number;
  /** Lets go of what can be had again. */
  release(): void;
}

export interface ProjectionPassParts {
  readonly routes: Routes;
  /** The outlet of a destination log; null = it is gone, or not to be fed. */
  readonly outletOf: (topicId: number, partition: number) => Outlet | null;
}

const NOWHERE: readonly number[] = [];
/** Lists of topics whose outlets are remembered. */
const LISTS_MAX = 1024;

export class ProjectionPass implements Feeder {
  /** Everything below was handed to the logs that it feeds, or is in their boxes. */
  position: number;
  batchTimeMs = 0;
  /** Bytes of all copies so far. */
  copiedBytes = 0;
  readonly #parts: ProjectionPassParts;
  readonly #cursor = new BatchCursor();
  #records: BatchRecords | null = null;
  #from = 0;
  #to = 0;
  /** Of the record at which the cursor stands: where it goes, and to how many of them it went. */
  #topicIds: readonly number[] = NOWHERE;
  #served = 0;
  /** The outlets of its topics, as far as they are known and do not depend on the record. */
  #outlets: (Outlet | undefined)[] = [];
  /** Those of other lists, in one version of the topology. */
  readonly #outletsOf = new Map<readonly number[], (Outlet | undefined)[]>();
  #version = -1;
  /** Outlets to which something was added since the last `write`. */
  readonly #filled: Outlet[] = [];

  constructor(parts: ProjectionPassParts, position: number) {
    this.#parts = parts;
    this.position = position;
  }

  /** Whether it stands within a batch: some logs have had records of it that others have not. */
  get isInBatch(): boolean {
    return this.#records !== null;
  }

  /** Begins with a batch of the source, of which the records from `from` to below `to` count. */
  begin(batch: VerifiedBatch, { from, to }: { readonly from: number; readonly to: number }): void {
    const { topologyVersion } = batch.header;
    this.#parts.routes.advanceTo(topologyVersion);
    if (topologyVersion !== this.#version) this.#outletsOf.clear(); // Topics have other sizes.
    this.#version = topologyVersion;
    this.batchTimeMs = batch.header.appendTimeMs;
    this.#records = recordsOf(batch);
    this.#cursor.reset(this.#records);
    this.#from = from;
    this.#to = Math.min(to, nextOffsetOf(batch.header));
    this.#topicIds = NOWHERE;
    this.#served = 0;
  }

  /**
   * Goes on with the batch. Outlets that are full are flushed.
   *
   * @returns an outlet that must be made ready first, then goes on where it was; null = all is done
   */
  step(): Outlet | null {
    do {
      const outlet = this.#serve();
      if (outlet !== null) return outlet;
    } while (this.#next());
    for (const outlet of this.#filled) if (outlet.feeder === this) outlet.copy();
    this.position = this.#to;
    this.#records = null;
    return null;
  }

  /** There is nothing to do for a while. */
  rest(): void {
    this.#parts.routes.release();
  }

  /** Hands over what the boxes hold, and has it written. Between two batches. */
  flush(): void {
    for (const outlet of this.#filled) if (outlet.feeder === this) outlet.flush(this.position);
    this.write();
  }

  /** Has all written that was handed over; what boxes hold is dropped by who calls. */
  write(): void {
    for (const outlet of this.#filled.splice(0)) outlet.write();
  }

  /** Copies the record for all who get it. @returns the first that is not ready */
  #serve(): Outlet | null {
    const { offset } = this.#cursor;
    const outlets = this.#outlets;
    for (; this.#served < this.#topicIds.length; this.#served++) {
      const known = outlets[this.#served];
      const outlet = known?.feeder === this ? known : this.#outletAt(this.#served);
      if (outlet?.feeder !== this || offset < outlet.position) continue;
      if (!outlet.isMarked || !outlet.isOpen) return outlet;
      this.#copyTo(outlet);
    }
    return null;
  }

  /** Moves to the next record that goes anywhere. */
  #next(): boolean {
    const cursor = this.#cursor;
    const { routes } = this.#parts;
    while (cursor.next()) {
      const { offset } = cursor;
      if (offset < this.#from) continue;
      if (offset >= this.#to) return false;
      const topicIds = routes.topicsOf(cursor);
      this.#served = 0;
      if (topicIds !== this.#topicIds) this.#enter(topicIds);
      if (topicIds.length > 0) return true;
    }
    return false;
  }

  #enter(topicIds: readonly number[]): void {
    this.#topicIds = topicIds;
    const known = this.#outletsOf.get(topicIds);
    this.#outlets = known ?? [];
    if (known !== undefined) return;
    if (this.#outletsOf.size >= LISTS_MAX) this.#outletsOf.clear();
    this.#outletsOf.set(topicIds, this.#outlets);
  }

  #outletAt(index: number): Outlet | null {
    const topicId = this.#topicIds[index] ?? 0;
    const { routes, outletOf } = this.#parts;
    const count = routes.partitionCountOf(topicId);
    const outlet = outletOf(topicId, partitionOfCopy(this.#cursor, this.#cursor.offset, count));
    if (count === 1 && outlet !== null) this.#outlets[index] = outlet;
    return outlet;
  }

  #copyTo(outlet: Outlet): void {
    const cursor = this.#cursor;
    const records = this.#records;
    if (records === null) return;
    if (!outlet.hasBox) this.#filled.push(outlet);
    outlet.add(records, cursor);
    this.copiedBytes += cursor.sizeBytes;
    if (outlet.isFull) outlet.flush(cursor.offset + 1);
  }
}
