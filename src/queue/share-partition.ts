/**
 * What a share group knows of one partition, as the journal determines it.
 *
 * A record is unread; or it has a slot in the table, because somebody acquired it and it is not
 * settled; or it is dead and kept. What is neither is settled, so stretches of settled records cost
 * nothing. The table also serves the live group, which keeps leases and timers in the same slots: they
 * are no part of the state.
 */
import { DeadRecords } from './dead-records.ts';
import { LeaseTable } from './lease-table.ts';
import { eachOffset, eachRun } from './offset-runs.ts';
import { SUSPECT_CRASHES } from './ready-kind.ts';
import { SlotState } from './record-state.ts';
import type { DeathReason, DiedRecord, EndedPart, ReturnedRecord } from './share-entries.ts';
import { emptyTally, type Tally } from './share-tally.ts';
import { UnreadRanges, type OffsetRange } from './unread-ranges.ts';

/** What holders said of a record: when first, and when last. */
export interface Trouble {
  readonly firstError: string;
  readonly firstErrorMs: number;
  readonly lastError: string;
  readonly lastErrorMs: number;
}

/** What happened to a record while it was tried. */
export interface Trials {
  readonly attempts: number;
  readonly failures: number;
  readonly expiries: number;
  readonly crashes: number;
}

/** A dead record that is kept. */
export interface DeadRecord extends Trials {
  readonly reason: DeathReason;
  readonly trouble: Trouble | null;
  readonly timeMs: number;
}

/** A slot without a lease, as a purge put it aside. */
export interface ShelvedSlot extends Trials {
  readonly offset: number;
  readonly dueMs: number;
  readonly trouble: Trouble | null;
}

/** What the last purge settled. */
export interface Purged {
  readonly timeMs: number;
  readonly unread: OffsetRange[];
  readonly slots: ShelvedSlot[];
}

/** Hears, live, what entries do to slots. Must not throw. */
export interface SlotWatcher {
  /** Nobody has it leased any more. */
  returned(slot: number): void;
}

/** Which limit a record has reached that came back. */
export type LimitReason = Exclude<DeathReason, 'rejected' | 'retention'>;

export class SharePartition {
  readonly logId: number;
  readonly table = new LeaseTable();
  unread: UnreadRanges;
  readonly dead = new DeadRecords();
  readonly troubles = new Map<number, Trouble>();
  readonly tally: Tally = emptyTally();
  purged: Purged | null = null;
  /** Over which limit those are that are being buried, by this process: no part of the state. */
  readonly condemned = new Map<number, LimitReason>();
  /** Null while the group is not used. */
  watcher: SlotWatcher | null = null;
  /** Below it all was settled for good at the last look. */
  #floor = 0;

  constructor(logId: number, startOffset: number) {
    this.logId = logId;
    this.unread = new UnreadRanges(startOffset);
  }

  /** Whether the record is not settled, or is dead and kept, and nobody has it leased or buries it. */
  isUnleased(offset: number): boolean {
    const { table } = this;
    const slot = table.find(offset);
    if (slot >= 0) return table.stateAt(slot) !== SlotState.acquired && !table.isPending(slot);
    return this.unread.has(offset) || this.dead.has(offset);
  }

  /** First offset that is not settled, or was never looked at. O(slots). */
  get firstOffset(): number {
    let offset = this.unread.first;
    for (const dead of this.dead.offsets()) offset = Math.min(offset, dead);
    const { table } = this;
    for (const slot of table.slots()) offset = Math.min(offset, table.offsetAt(slot));
    return offset;
  }

  /**
   * Whether something may lie below `startOffset` that is not settled, or dead and kept, though the log has
   * nothing there any more. O(1); O(slots) after the start was moved, and as long as something does.
   */
  reachesBelow(startOffset: number): boolean {
    if (startOffset <= this.#floor) return false;
    this.#floor = Math.min(this.firstOffset, firstPurgedOffset(this));
    return startOffset > this.#floor;
  }

  /** @param absent  runs of offsets that hold no record */
  acquire(runs: readonly number[], absent: readonly number[]): void {
    const { unread } = this;
    eachRun(absent, (first, count) => void unread.take(first, count));
    eachRun(runs, (first, count) => {
      for (let offset = first; offset < first + count; offset++) this.#acquireOne(offset);
      unread.take(first, count);
    });
  }

  #acquireOne(offset: number): void {
    const { table } = this;
    let slot = table.find(offset);
    if (slot < 0) slot = table.add(offset, SlotState.acquired);
    else if (table.stateAt(slot) === SlotState.acquired) return;
    else {
      table.setState(slot, SlotState.acquired);
      table.setTime(slot, 0);
    }
    table.setAttempts(slot, table.attemptsAt(slot) + 1);
  }

  end({ acked, undelivered, expired, returned }: EndedPart, timeMs: number): void {
    this.#eachLeased(acked, (slot, offset) => {
      this.#settle(slot, offset);
      this.tally.acked++;
    });
    const { table } = this;
    this.#eachLeased(undelivered, (slot) => {
      table.setAttempts(slot, Math.max(0, table.attemptsAt(slot) - 1));
      this.#back(slot, 0);
    });
    this.#eachLeased(expired, (slot) => {
      table.setExpiries(slot, table.expiriesAt(slot) + 1);
      this.#back(slot, 0);
    });
    for (const record of returned) this.#return(record, timeMs);
  }

  #return({ offset, isFailed, dueMs, error }: ReturnedRecord, timeMs: number): void {
    const { table } = this;
    const slot = table.find(offset);
    if (slot < 0 || table.stateAt(slot) !== SlotState.acquired) return;
    if (isFailed) table.setFailures(slot, table.failuresAt(slot) + 1);
    this.#noteError(offset, error, timeMs);
    this.#back(slot, dueMs);
  }

  /** @param isKept  whether it stays as dead */
  die({ offset, reason, error }: DiedRecord, isKept: boolean, timeMs: number): void {
    const { table } = this;
    const slot = table.find(offset);
    if (reason === 'retention') {
      this.#archived(slot, offset);
      return;
    }
    if (slot < 0) return;
    // Of one that came back before, and is over the limit, its last attempt was counted then.
    const isLeased = table.stateAt(slot) === SlotState.acquired;
    if (isLeased && reason === 'failures') table.setFailures(slot, table.failuresAt(slot) + 1);
    if (isLeased && reason === 'lease-expired') table.setExpiries(slot, table.expiriesAt(slot) + 1);
    this.#noteError(offset, error, timeMs);
    if (isKept) {
      const trouble = this.troubles.get(offset) ?? null;
      this.dead.set(offset, { reason, trouble, timeMs, ...this.trialsAt(slot) });
    }
    this.#settle(slot, offset);
    this.tally[reason]++;
  }

  /** A copy of it is elsewhere. What nobody ever acquired has no slot. */
  #archived(slot: number, offset: number): void {
    if (slot < 0) this.tally.trimmed += this.unread.take(offset, 1);
    else if (this.table.stateAt(slot) !== SlotState.acquired) {
      this.#settle(slot, offset);
      this.tally.trimmed++;
    }
  }

  /** @returns whether the record was there, and nobody had it leased */
  remove(offset: number, cause: 'cancelled' | 'redriven' | 'missing'): boolean {
    const { table } = this;
    const slot = table.find(offset);
    if (slot >= 0) {
      if (table.stateAt(slot) === SlotState.acquired) return false;
      this.#settle(slot, offset);
    } else if (!this.dead.delete(offset) && this.unread.take(offset, 1) === 0) return false;
    this.tally[cause]++;
    return true;
  }

  /** A dead record is ready again. */
  revive(offset: number): void {
    if (!this.dead.delete(offset)) return;
    this.#shelveBack({ offset, dueMs: 0, trouble: null, ...NO_TRIALS });
    this.tally.revived++;
  }

  /** Everything below `endOffset` that nobody has leased is settled, and put aside. */
  purge(endOffset: number, timeMs: number): void {
    const unread = this.unread.cut(endOffset);
    const slots: ShelvedSlot[] = [];
    // From the highest on: what is last in its heap leaves no hole that others have to fill.
    for (const slot of this.#unleasedBelow(endOffset).reverse()) slots.push(this.#shelve(slot));
    this.purged = { timeMs, unread, slots: slots.reverse() };
    this.tally.purged += purgedCount(this.purged);
  }

  undoPurge(): void {
    const { purged } = this;
    if (purged === null) return;
    this.purged = null;
    this.tally.purged -= purgedCount(purged);
    this.unread.restore(purged.unread);
    for (const slot of purged.slots) this.#shelveBack(slot);
  }

  /** Records below `startOffset` are not there any more. What is leased stays until its lease ends. */
  trim(startOffset: number): void {
    this.tally.trimmed += this.unread.takeBelow(startOffset);
    for (const slot of this.#unleasedBelow(startOffset)) {
      this.#settle(slot, this.table.offsetAt(slot));
      this.tally.trimmed++;
    }
    this.dead.deleteBelow(startOffset);
    const { purged } = this;
    if (purged === null) return;
    const unread = purged.unread
      .filter(({ to }) => to > startOffset)
      .map(({ from, to }) => ({ from: Math.max(from, startOffset), to }));
    const slots = purged.slots.filter(({ offset }) => offset >= startOffset);
    this.purged = { ...purged, unread, slots };
  }

  /** How many records are leased that are suspected of crashes. */
  get leasedSuspectCount(): number {
    const { table } = this;
    if (table.leasedCount === 0) return 0;
    const isLeasedSuspect = (slot: number) =>
      table.stateAt(slot) === SlotState.acquired && table.crashesAt(slot) >= SUSPECT_CRASHES;
    return table.slots().filter(isLeasedSuspect).length;
  }

  /** The process that held all leases is gone. @param isCaught  one suspect alone was leased */
  crash(isCaught: boolean): void {
    const { table } = this;
    for (const slot of this.#leased()) {
      const isSuspect = table.crashesAt(slot) >= SUSPECT_CRASHES;
      if (isCaught && isSuspect) table.setFailures(slot, table.failuresAt(slot) + 1);
      table.setCrashes(slot, table.crashesAt(slot) + 1);
      this.#back(slot, 0);
    }
  }

  trialsAt(slot: number): Trials {
    const { table } = this;
    return {
      attempts: table.attemptsAt(slot),
      failures: table.failuresAt(slot),
      expiries: table.expiriesAt(slot),
      crashes: table.crashesAt(slot),
    };
  }

  /** Puts a slot in place that nobody has leased: from a snapshot, or from the shelf. */
  #shelveBack(shelved: ShelvedSlot): void {
    const { offset, dueMs, trouble, attempts, failures, expiries, crashes } = shelved;
    if (this.table.find(offset) >= 0) return;
    const isLeased = false;
    const slot = this.place({ offset, dueMs, isLeased, attempts, failures, expiries, crashes });
    if (trouble !== null) this.troubles.set(offset, trouble);
    this.watcher?.returned(slot);
  }

  /** Makes a slot with all that the state knows of it. */
  place(
    given: Trials & { readonly offset: number; readonly dueMs: number; readonly isLeased: boolean },
  ): number {
    const { table } = this;
    const { offset, dueMs, isLeased, attempts, failures, expiries, crashes } = given;
    const unleased = dueMs > 0 ? SlotState.delayed : SlotState.available;
    const slot = table.add(offset, isLeased ? SlotState.acquired : unleased);
    table.setTime(slot, dueMs);
    table.setAttempts(slot, attempts);
    table.setFailures(slot, failures);
    table.setExpiries(slot, expiries);
    table.setCrashes(slot, crashes);
    return slot;
  }

  #shelve(slot: number): ShelvedSlot {
    const { table } = this;
    const offset = table.offsetAt(slot);
    // Field by field, here and where it comes back: of millions, spreading takes half of the time.
    const shelved = {
      offset,
      dueMs: table.timeAt(slot),
      trouble: this.troubles.get(offset) ?? null,
      attempts: table.attemptsAt(slot),
      failures: table.failuresAt(slot),
      expiries: table.expiriesAt(slot),
      crashes: table.crashesAt(slot),
    };
    this.#settle(slot, offset);
    return shelved;
  }

  #back(slot: number, dueMs: number): void {
    const { table } = this;
    table.setState(slot, dueMs > 0 ? SlotState.delayed : SlotState.available);
    table.setTime(slot, dueMs);
    this.watcher?.returned(slot);
  }

  #settle(slot: number, offset: number): void {
    this.table.remove(slot);
    if (this.troubles.size > 0) this.troubles.delete(offset);
    if (this.condemned.size > 0) this.condemned.delete(offset);
  }

  #noteError(offset: number, error: string, timeMs: number): void {
    if (error === '') return;
    const { firstError = error, firstErrorMs = timeMs } = this.troubles.get(offset) ?? {};
    this.troubles.set(offset, { firstError, firstErrorMs, lastError: error, lastErrorMs: timeMs });
  }

  #eachLeased(runs: readonly number[], action: (slot: number, offset: number) => void): void {
    const { table } = this;
    eachOffset(runs, (offset) => {
      const slot = table.find(offset);
      if (slot >= 0 && table.stateAt(slot) === SlotState.acquired) action(slot, offset);
    });
  }

  #leased(): Int32Array {
    return this.#slotsWhere((_offset, isLeased) => isLeased);
  }

  #unleasedBelow(endOffset: number): Int32Array {
    return this.#slotsWhere((offset, isLeased) => offset < endOffset && !isLeased);
  }

  /** By offset. */
  #slotsWhere(isWanted: (offset: number, isLeased: boolean) => boolean): Int32Array {
    const { table } = this;
    const slots = table.sortedSlots();
    let count = 0;
    for (const slot of slots) {
      const isLeased = table.stateAt(slot) === SlotState.acquired;
      if (isWanted(table.offsetAt(slot), isLeased)) slots[count++] = slot;
    }
    return slots.subarray(0, count);
  }
}

const NO_TRIALS: Trials = { attempts: 0, failures: 0, expiries: 0, crashes: 0 };

/** First offset that a purge put aside; Infinity when there is none. */
export function firstPurgedOffset({ purged }: SharePartition): number {
  const [range] = purged?.unread ?? [];
  const [slot] = purged?.slots ?? [];
  const infinity = Number.POSITIVE_INFINITY;
  return Math.min(range?.from ?? infinity, slot?.offset ?? infinity);
}

/** How many records a purge put aside. */
export function purgedCount(purged: Purged | null): number {
  if (purged === null) return 0;
  const { unread, slots } = purged;
  return slots.length + unread.reduce((sum, { from, to }) => sum + to - from, 0);
}
