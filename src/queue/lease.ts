/** The right of one consumer to settle one record, for some time. */
import type { LeaseEnd } from '../core/ownership-errors.ts';
import type { LogRecord } from '../log/record.ts';
import type { ReadyKind } from './ready-kind.ts';
import type { Claim, PartitionLeases } from './partition-leases.ts';

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
  | { readonly kind: 'reject'; readonly error: string };

/** What settles a lease. */
export interface Settling {
  /** Resolves when that is journaled; of a commit, when that has ended, whatever came of it. */
  readonly ended: Promise<void>;
}

/** What the leases of one hand-over share. */
export interface HandOver {
  /** When they began, on the loop's time. */
  readonly startMs: number;
  /** Those of their consumer. */
  readonly leases: LeaseList;
}

/** Leases of one consumer, linked so that adding and removing costs no memory. */
export class LeaseList {
  /** The newest. */
  #first: Lease | null = null;
  #last: Lease | null = null;
  count = 0;

  add(lease: Lease): void {
    lease.next = this.#first;
    lease.previous = null;
    if (this.#first !== null) this.#first.previous = lease;
    else this.#last = lease;
    this.#first = lease;
    this.count++;
  }

  remove(lease: Lease): void {
    const { previous, next } = lease;
    if (previous !== null) previous.next = next;
    else if (this.#first === lease) this.#first = next;
    else return; // It is in no list any more.
    if (next !== null) next.previous = previous;
    else this.#last = previous;
    lease.previous = null;
    lease.next = null;
    this.count--;
  }

  /** Newest first; none may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Lease, void, void> {
    for (let lease = this.#first; lease !== null; lease = lease.next) yield lease;
  }

  /** None may be removed meanwhile. */
  *oldestFirst(): Generator<Lease, void, void> {
    for (let lease = this.#last; lease !== null; lease = lease.previous) yield lease;
  }

  /** Newest first. */
  toArray(): Lease[] {
    return [...this];
  }
}

/** Made for each record that is handed out, so its memory is what queues leave to the collector: few fields. */
export class Lease {
  readonly #claim: Claim;
  readonly #handOver: HandOver;
  /** @internal */
  readonly rawRecord: LogRecord<Uint8Array>;
  /** @internal By its `LeaseList` alone. */
  previous: Lease | null = null;
  /** @internal By its `LeaseList` alone. */
  next: Lease | null = null;
  /** @internal Whether it is with whoever handles it, and not only read ahead. */
  isHandedOut = true;
  /** @internal How it is being settled, or was; `commit`: acked with more; null while it runs. */
  settlement: Settlement['kind'] | 'commit' | null = null;
  /** @internal */
  settling: Settling | null = null;
  /** @internal Why it ended without the holder's doing; null when it did not. */
  lost: LeaseEnd | null = null;
  #ending: AbortController | null = null;

  constructor(claim: Claim, rawRecord: LogRecord<Uint8Array>, handOver: HandOver) {
    this.#claim = claim;
    this.rawRecord = rawRecord;
    this.#handOver = handOver;
  }

  /** @internal */
  get partitionLeases(): PartitionLeases {
    return this.#claim.partition;
  }

  get offset(): number {
    return this.#claim.offset;
  }

  /** @internal Which ready records it was taken from: suspects are counted apart. */
  get kind(): ReadyKind {
    return this.#claim.kind;
  }

  /** @internal Grows with each lease of a process. */
  get leaseNumber(): number {
    return this.#claim.leaseNumber;
  }

  /** @internal When it began, on the loop's time. */
  get startMs(): number {
    return this.#handOver.startMs;
  }

  /** @internal Those of its consumer. */
  get consumerLeases(): LeaseList {
    return this.#handOver.leases;
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

/** Whether it is neither over nor being settled. */
export function isRunning({ lost, settlement }: Lease): boolean {
  return lost === null && settlement === null;
}
