/**
 * The leases of one partition of a share group, live: which record is next, who has which, what comes
 * back when. What must survive is journaled by the group, and applied to the table by its entries.
 */
import type { Clock } from '../core/clock.ts';
import { LeaseLostError, type LeaseEnd } from '../core/ownership-errors.ts';
import type { Log } from '../log/log.ts';
import type { LogRecord } from '../log/record.ts';
import type { LeaseJournal, PartitionName } from './lease-journal.ts';
import type { Lease } from './lease.ts';
import { ReadyKind, SUSPECT_CRASHES } from './ready-kind.ts';
import { SlotState } from './record-state.ts';
import { ShareFeed } from './share-feed.ts';
import type { LimitReason, SharePartition, SlotWatcher } from './share-partition.ts';
import type { ShareSettings } from './share-settings.ts';

/** A record that was chosen for a consumer; until its attempt is journaled nothing has changed. */
export interface Claim {
  readonly partition: PartitionLeases;
  readonly offset: number;
  readonly kind: ReadyKind;
  /** Null when it was acquired before: it has a slot, and is read again. */
  readonly record: LogRecord<Uint8Array> | null;
  /** Of its lease, once that begins. */
  leaseNumber: number;
  /** Where the table had it when its lease began. */
  slot: number;
}

/** What a partition tells its group. None may throw. */
export interface PartitionListener {
  readonly topic: string;
  readonly settings: ShareSettings;
  /** There may be something to hand out. */
  ready(): void;
  /** A record came back that may not be tried again. */
  condemned(partition: PartitionLeases): void;
}

export interface PartitionLeasesParts {
  readonly name: PartitionName;
  readonly state: SharePartition;
  readonly log: Log<Uint8Array>;
  /** Lets go of the log. */
  readonly release: () => void;
  readonly listener: PartitionListener;
  readonly clock: Clock;
  readonly leaseJournal: LeaseJournal;
  /** A delay began: somebody has to call `endDelays` when it is over. */
  readonly onDelay: () => void;
}

const KINDS = [ReadyKind.normal, ReadyKind.doubtful, ReadyKind.suspect] as const;

export class PartitionLeases implements SlotWatcher {
  readonly name: PartitionName;
  readonly state: SharePartition;
  readonly log: Log<Uint8Array>;
  readonly feed: ShareFeed;
  /** On their way back because they failed for good: not for the crashes before. */
  readonly givenUp = new Set<number>();
  readonly #parts: PartitionLeasesParts;
  /** When delays were looked at last, wall time. */
  #delayMs = 0;

  constructor(parts: PartitionLeasesParts) {
    const { name, state, log, listener } = parts;
    this.name = name;
    this.state = state;
    this.log = log;
    this.#parts = parts;
    this.feed = new ShareFeed({
      log,
      unread: () => state.unread,
      onArrival: () => listener.ready(),
    });
  }

  /** Takes up what the state has. @param loopMs  the time that leases run on */
  open(loopMs: number): void {
    const { table } = this.state;
    table.shrink();
    table.leaseWheel.rebase(loopMs);
    this.#rebaseDelays(this.#parts.clock.now());
    this.state.watcher = this;
    for (const slot of table.sortedSlots()) {
      table.setPending(slot, false);
      if (table.stateAt(slot) !== SlotState.acquired) this.returned(slot);
    }
  }

  /** Leaves the state as the journal has it. */
  close(): void {
    const { state } = this;
    this.feed.close();
    state.watcher = null;
    state.condemned.clear();
    state.table.unlinkAll();
    this.#parts.release();
  }

  /** Nobody has the record leased any more: ready, or later. */
  returned(slot: number): void {
    const { table } = this.state;
    const { listener, clock, onDelay } = this.#parts;
    table.setPending(slot, false);
    const offset = table.offsetAt(slot);
    const limit = this.limitReached(slot);
    if (limit !== null) {
      table.setPending(slot, true);
      this.state.condemned.set(offset, limit);
      listener.condemned(this);
      return;
    }
    if (this.state.condemned.size > 0) this.state.condemned.delete(offset);
    if (table.stateAt(slot) === SlotState.delayed) {
      if (table.timeAt(slot) > clock.now()) {
        table.delayWheel.insert(slot);
        onDelay();
        return;
      }
      table.setState(slot, SlotState.available);
    }
    table.pushReady(slot);
    listener.ready();
  }

  /** Has those come back whose delay is over. */
  endDelays(): void {
    const { table } = this.state;
    const nowMs = this.#parts.clock.now();
    // The wall clock went back: a wheel that stands in the future would let nothing come before that.
    if (nowMs < this.#delayMs) this.#rebaseDelays(nowMs);
    this.#delayMs = nowMs;
    table.delayWheel.advance(nowMs, (slot) => {
      table.setState(slot, SlotState.available);
      this.returned(slot);
    });
  }

  #rebaseDelays(nowMs: number): void {
    this.state.table.delayWheel.rebase(nowMs);
    this.#delayMs = nowMs;
  }

  /** Chooses the next record, the one with the lowest offset of those that are allowed. */
  claim(isAllowed: (kind: ReadyKind) => boolean): Claim | null {
    const { table } = this.state;
    let best = -1;
    let kind: ReadyKind = ReadyKind.normal;
    for (const each of KINDS) {
      const slot = table.minReady(each);
      if (slot < 0 || !isAllowed(each)) continue;
      if (best >= 0 && table.offsetAt(slot) > table.offsetAt(best)) continue;
      best = slot;
      kind = each;
    }
    if (best >= 0) {
      table.popReady(kind);
      table.setPending(best, true);
      return makeClaim(this, table.offsetAt(best), kind, null);
    }
    const record = this.feed.take();
    if (record === null) return null;
    if (!table.fits(record.offset)) {
      this.feed.giveBack(record); // It has to wait for one that is 2^32 offsets before it.
      return null;
    }
    return makeClaim(this, record.offset, ReadyKind.normal, record);
  }

  /** Journals attempts at claims of this partition. */
  journal(claims: readonly Claim[]): Promise<void> {
    const absent = this.feed.takeAbsent();
    const journaled = this.#parts.leaseJournal.acquired(this.name, (to) => {
      for (const { offset } of claims) to.offsets.add(offset);
      for (const [first, count] of absent) to.absent.addRun(first, count);
    });
    if (absent.length === 0) return journaled;
    return journaled.catch((error: unknown) => {
      this.feed.giveBackAbsent(absent);
      throw error;
    });
  }

  /** A claim came to nothing: the record is ready again, unless it is gone. */
  unclaim({ offset, record }: Claim): void {
    const { table } = this.state;
    const slot = table.find(offset);
    if (record !== null && slot < 0) {
      this.feed.giveBack(record);
    } else if (slot >= 0 && table.stateAt(slot) !== SlotState.acquired) this.returned(slot);
  }

  /**
   * Has nothing happen to a record that nobody has leased or claimed, while it is being moved.
   *
   * @returns ends that, when it was not moved
   */
  withhold(offset: number): () => void {
    const { table } = this.state;
    const slot = table.find(offset);
    if (slot < 0) return () => undefined;
    table.removeReady(slot);
    if (table.delayWheel.isLinked(slot)) table.delayWheel.remove(slot);
    table.setPending(slot, true);
    return () => {
      const found = table.find(offset);
      if (found >= 0 && table.stateAt(found) !== SlotState.acquired) this.returned(found);
    };
  }

  /** Begins a lease of a record whose attempt is journaled. */
  begin(claim: Claim, leaseNumber: number, deadlineMs: number): void {
    const { table } = this.state;
    const slot = table.find(claim.offset);
    claim.leaseNumber = leaseNumber;
    claim.slot = slot;
    table.beginLease(slot, leaseNumber >>> 0, deadlineMs);
  }

  /** The slot of a lease that runs, and is not being settled; -1 = it is over. */
  find({ offset, leaseNumber }: Lease): number {
    const { table } = this.state;
    const slot = table.find(offset);
    if (slot < 0 || table.stateAt(slot) !== SlotState.acquired) return -1;
    return table.leaseAt(slot) === leaseNumber >>> 0 ? slot : -1;
  }

  /** It is being settled, so it cannot end otherwise. */
  hold(lease: Lease): void {
    this.state.table.setPending(this.find(lease), true);
  }

  /** To settle it came to nothing: the lease runs on. @returns false when it is over all the same */
  letGo(lease: Lease): boolean {
    const slot = this.find(lease);
    if (slot < 0) return false;
    const { table } = this.state;
    table.setPending(slot, false);
    if (!table.leaseWheel.isLinked(slot)) table.leaseWheel.insert(slot);
    return true;
  }

  renew(slot: number, deadlineMs: number): void {
    const { table } = this.state;
    if (table.leaseWheel.isLinked(slot)) table.leaseWheel.remove(slot);
    table.setTime(slot, deadlineMs);
    table.leaseWheel.insert(slot);
  }

  /** Offsets whose leases are over, and are not being settled. Once each: somebody has to end them. */
  takeDue(nowMs: number): readonly number[] {
    const { table } = this.state;
    const due: number[] = [];
    table.leaseWheel.advance(nowMs, (slot) => {
      // `letGo` puts it back, if that comes to nothing.
      if (!table.isPending(slot)) due.push(table.offsetAt(slot));
    });
    return due;
  }

  /** Whether its time is over, and it is neither ended nor being settled. */
  isOver(lease: Lease): boolean {
    const slot = this.find(lease);
    const { table } = this.state;
    return slot >= 0 && !table.isPending(slot) && !table.leaseWheel.isLinked(slot);
  }

  lostError(offset: number, reason: LeaseEnd): LeaseLostError {
    const { topic } = this.#parts.listener;
    const { group, partition } = this.name;
    return new LeaseLostError({ topic, group, partition, offset, reason });
  }

  /** Which limit the record has reached: it may not be tried again; null = it may. */
  limitReached(slot: number): LimitReason | null {
    const { table } = this.state;
    const { failuresMax, expiriesMax } = this.#parts.listener.settings;
    if (failuresMax !== null && table.failuresAt(slot) >= failuresMax) {
      const isCrash = table.crashesAt(slot) > SUSPECT_CRASHES;
      return isCrash && !this.givenUp.has(table.offsetAt(slot)) ? 'crash' : 'failures';
    }
    const hasExpired = expiriesMax !== null && table.expiriesAt(slot) >= expiriesMax;
    return hasExpired ? 'lease-expired' : null;
  }
}

function makeClaim(
  partition: PartitionLeases,
  offset: number,
  kind: ReadyKind,
  record: LogRecord<Uint8Array> | null,
): Claim {
  return { partition, offset, kind, record, leaseNumber: 0, slot: -1 };
}
