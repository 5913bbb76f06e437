/**
 * A walk over the source of an exchange: routes each record and copies it for its destination logs.
 *
 * @hot `step`: no allocation per record when its route is remembered.
 */
import { BatchCursor } from '../format/batch-cursor.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { recordsOf, type BatchRecords, type VerifiedBatch } from '../format/batch-records.ts';
import type { Outbox } from './outbox.ts';
import type { Feeder, Outlet } from './outlet.ts';
import { partitionOfCopy } from './placement.ts';
import { shareBoxes } from './shared-boxes.ts';

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

/** Where records with one list of topics go. */
interface Targets {
  readonly topicIds: readonly number[];
  /** The outlets of its topics, as far as they are known and do not depend on the record. */
  readonly known: (Outlet | undefined)[];
  /** Those that get records, and their boxes, each once: as long as `changeCount` is that of the pass. */
  readonly outlets: Outlet[];
  readonly boxes: Outbox[];
  changeCount: number;
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
  #targets: Targets = targetsOf(NOWHERE);
  #served = 0;
  /** Those of other lists of topics, in one version of the topology. */
  readonly #targetsOf = new Map<readonly number[], Targets>();
  #version = -1;
  /** Counts what changes boxes, or who may get records. */
  #changeCount = 0;
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
    if (topologyVersion !== this.#version) this.#targetsOf.clear(); // Topics have other sizes.
    this.#version = topologyVersion;
    this.batchTimeMs = batch.header.appendTimeMs;
    this.#records = recordsOf(batch);
    this.#cursor.reset(this.#records);
    this.#from = from;
    this.#to = Math.min(to, nextOffsetOf(batch.header));
    this.#targets = targetsOf(NOWHERE);
    this.#served = 0;
  }

  /**
   * Goes on with the batch. Outlets that are full are flushed.
   *
   * @returns an outlet that must be made ready first, then goes on where it was; null = all is done
   */
  step(): Outlet | null {
    this.#changeCount++; // Whatever happened since the last time.
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
    const targets = this.#targets;
    const isCommon = this.#served === 0 && (this.#isKnown(targets) || this.#share(targets));
    return isCommon ? this.#addToBoxes(targets) : this.#serveEach(targets);
  }

  #isKnown({ changeCount }: Targets): boolean {
    return changeCount === this.#changeCount;
  }

  /** Finds who gets the records of this list; false = it is not the same for all of them, or not yet. */
  #share(targets: Targets): boolean {
    const { topicIds, outlets } = targets;
    const { offset } = this.#cursor;
    outlets.length = 0;
    for (let at = 0; at < topicIds.length; at++) {
      const outlet = this.#outletAt(at);
      if (targets.known[at] === undefined && outlet !== null) return false; // Of several partitions.
      if (outlet?.feeder !== this) continue;
      if (offset < outlet.position || !outlet.isMarked || !outlet.isOpen) return false;
      outlets.push(outlet);
    }
    for (const outlet of outlets) if (!outlet.hasBox) this.#filled.push(outlet);
    if (shareBoxes(outlets, targets.boxes)) this.#changeCount++;
    targets.changeCount = this.#changeCount;
    return true;
  }

  #addToBoxes({ outlets, boxes }: Targets): null {
    const cursor = this.#cursor;
    const records = this.#records;
    if (records === null) return null;
    let full: Outbox | null = null;
    for (const box of boxes) {
      box.add(records, cursor);
      if (box.isFull) full = box;
    }
    this.copiedBytes += cursor.sizeBytes * outlets.length;
    if (full !== null) this.#flushFull(outlets);
    return null;
  }

  #serveEach({ topicIds }: Targets): Outlet | null {
    const { offset } = this.#cursor;
    for (; this.#served < topicIds.length; this.#served++) {
      const outlet = this.#outletAt(this.#served);
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
      if (topicIds !== this.#targets.topicIds) this.#enter(topicIds);
      if (topicIds.length > 0) return true;
    }
    return false;
  }

  #enter(topicIds: readonly number[]): void {
    const known = this.#targetsOf.get(topicIds);
    this.#targets = known ?? targetsOf(topicIds);
    if (known !== undefined) return;
    if (this.#targetsOf.size >= LISTS_MAX) this.#targetsOf.clear();
    this.#targetsOf.set(topicIds, this.#targets);
  }

  #outletAt(index: number): Outlet | null {
    const { topicIds, known } = this.#targets;
    const same = known[index];
    if (same?.feeder === this) return same;
    const topicId = topicIds[index] ?? 0;
    const { routes, outletOf } = this.#parts;
    const count = routes.partitionCountOf(topicId);
    const outlet = outletOf(topicId, partitionOfCopy(this.#cursor, this.#cursor.offset, count));
    if (count === 1 && outlet !== null) known[index] = outlet;
    return outlet;
  }

  /** Into a box of its own. */
  #copyTo(outlet: Outlet): void {
    const cursor = this.#cursor;
    const records = this.#records;
    if (records === null) return;
    if (!outlet.hasBox) this.#filled.push(outlet);
    const { box: before } = outlet;
    const box = outlet.ownBox();
    if (box !== before) this.#changeCount++;
    box.add(records, cursor);
    this.copiedBytes += cursor.sizeBytes;
    if (box.isFull) this.#flushFull([outlet]);
  }

  /** With the record at which the cursor stands. */
  #flushFull(outlets: readonly Outlet[]): void {
    const position = this.#cursor.offset + 1;
    for (const outlet of outlets) if (outlet.box?.isFull === true) outlet.flush(position);
    this.#changeCount++;
  }
}

function targetsOf(topicIds: readonly number[]): Targets {
  return { topicIds, known: [], outlets: [], boxes: [], changeCount: -1 };
}
