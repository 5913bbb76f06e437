/** The right of one consumer to settle one record, for some time. */
import type { LeaseEnd } from '../core/ownership-errors.ts';
import type { LogRecord } from '../log/record.ts';
import type { ReadyKind } from './lease-table.ts';
import type { PartitionLeases } from './partition-leases.ts';

/** How a holder may settle a record. */
export type Settlement =
  | { readonly kind: 'ack' }
  /** It was never handed to a handler. */
  | { readonly kind: 'undelivered' }
  | {
      readonly kind: 'release';
      /** Wall time before which it is not handed out again; 0 = at once. */
      readonly dueMs: number;
      readonly isFailed: boolean;
      readonly error: string;
    }
  | { readonly kind: 'reject'; readonly error: string }
  /** Acknowledged, with more that is journaled in the same commit. */
  | { readonly kind: 'commit'; readonly journal: () => Promise<void> };

/** What makes a lease. */
export interface LeaseParts {
  readonly partition: PartitionLeases;
  readonly offset: number;
  /** Which ready records it was taken from: suspects are counted apart. */
  readonly kind: ReadyKind;
  readonly leaseNumber: number;
  /** When it began, on the loop's time. */
  readonly startMs: number;
  readonly rawRecord: LogRecord<Uint8Array>;
  /** Where the table has it now. */
  readonly slot: number;
}

/** Leases of one consumer, linked so that adding and removing costs no memory. */
export class LeaseList {
  #first: Lease | null = null;
  count = 0;

  add(lease: Lease): void {
    lease.next = this.#first;
    lease.previous = null;
    if (this.#first !== null) this.#first.previous = lease;
    this.#first = lease;
    this.count++;
  }

  remove(lease: Lease): void {
    const { previous, next } = lease;
    if (previous !== null) previous.next = next;
    else if (this.#first === lease) this.#first = next;
    else return; // It is in no list any more.
    if (next !== null) next.previous = previous;
    lease.previous = null;
    lease.next = null;
    this.count--;
  }

  /** Newest first; none may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Lease, void, void> {
    for (let lease = this.#first; lease !== null; lease = lease.next) yield lease;
  }

  /** Newest first. */
  toArray(): Lease[] {
    return [...this];
  }
}

export class Lease {
  /** @internal */
  readonly partitionLeases: PartitionLeases;
  readonly offset: number;
  /** @internal */
  readonly kind: ReadyKind;
  /** @internal Grows with each lease of a process. */
  readonly leaseNumber: number;
  /** @internal */
  readonly startMs: number;
  /** @internal */
  readonly rawRecord: LogRecord<Uint8Array>;
  /** @internal Those of its consumer. */
  readonly consumerLeases: LeaseList;
  /** @internal By its `LeaseList` alone. */
  previous: Lease | null = null;
  /** @internal By its `LeaseList` alone. */
  next: Lease | null = null;
  /** @internal Whether it is with whoever handles it, and not only read ahead. */
  isHandedOut = true;
  /** @internal How it is being settled, or was; null while it runs. */
  settlement: Settlement['kind'] | null = null;
  /** @internal Resolves when that is journaled. */
  settled: Promise<void> | null = null;
  /** @internal Why it ended without the holder's doing; null when it did not. */
  lost: LeaseEnd | null = null;
  #ending: AbortController | null = null;

  constructor(parts: LeaseParts, consumerLeases: LeaseList) {
    const { partition, offset, kind, leaseNumber, startMs, rawRecord } = parts;
    this.partitionLeases = partition;
    this.offset = offset;
    this.kind = kind;
    this.leaseNumber = leaseNumber;
    this.startMs = startMs;
    this.rawRecord = rawRecord;
    this.consumerLeases = consumerLeases;
  }

  /** Aborted with `LeaseLostError` when the lease ends without the holder's doing. */
  get signal(): AbortSignal {
    if (this.#ending === null) {
      this.#ending = new AbortController();
      const { lost } = this;
      if (lost !== null) this.#ending.abort(this.partitionLeases.lostError(this.offset, lost));
    }
    return this.#ending.signal;
  }

  /** @internal */
  lose(reason: LeaseEnd): void {
    this.lost = reason;
    this.#ending?.abort(this.partitionLeases.lostError(this.offset, reason));
  }
}
