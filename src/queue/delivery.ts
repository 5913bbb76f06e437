/** A record in the hands of a consumer, with the right to settle it. */
import { toError } from '../core/abort.ts';
import { argumentError, checkArray, checkFunction } from '../core/assert.ts';
import type { RecordCause } from '../log/record-cause.ts';
import type { LogRecord, RecordOrigin } from '../log/record.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { ackIn, type Acknowledgeable, type PartCollector } from '../transaction/commit-part.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { AckPart } from './ack-part.ts';
import { errorText } from './error-text.ts';
import { checkRunning, type LeaseEnds } from './lease-ends.ts';
import { Lease, type HandOver, type Settlement } from './lease.ts';
import type { Claim } from './partition-leases.ts';
import { checkReleaseOptions } from './share-calls.ts';
import { leaseToken } from './share-listing.ts';
import { checkLeaseMs } from './share-settings.ts';

export interface ReleaseOptions {
  /** Not handed out again before so many ms, by the wall clock, 0..10 years; default 0. */
  readonly delayMs?: number | undefined;
  /** Counts as a failure: at `failuresMax` the record is dead; default false. */
  readonly failed?: boolean | undefined;
  /** Why, for the dead letter: an Error, or what will be its text, cut to 1000 characters. */
  readonly error?: unknown;
}

/** What a delivery asks of the group. */
export interface LeaseKeeper {
  readonly ownerEpoch: number;
  readonly leaseMs: number;
  /** The topic of the group. */
  readonly topic: PartitionSet;
  settle(leases: readonly Lease[], how: Settlement): Promise<void>;
  /** What a commit tells that acks some. */
  readonly ends: LeaseEnds;
  readonly transactions: TransactionRegistry;
  renew(lease: Lease, leaseMs: number): void;
  leftMs(lease: Lease): number;
  dueMs(delayMs: number): number;
}

/** What the deliveries of a consumer out of one partition share. */
export interface DeliveryOrigin<T> extends RecordOrigin<T> {
  readonly keeper: LeaseKeeper;
}

const ACK: Settlement = { kind: 'ack' };
const UNDELIVERED: Settlement = { kind: 'undelivered' };
/** The lease is the bound: it may be renewed for hours. */
const WITHOUT_TIMEOUT = { timeoutMs: null, name: '' };

/**
 * One record under a lease, made by `acquire`. Exactly one of `ack`, `release` and `reject` ends it;
 * when its time is over first, the record is ready again for anybody.
 */
export class Delivery<T> extends Lease implements Acknowledgeable {
  /** How often the record was acquired, this time included: from 1. It stays at 65,535. */
  readonly attempt: number;
  /** Attempts before that counted as failures. */
  readonly failures: number;
  /** Leases before that ran out. */
  readonly expiries: number;
  /** Crashes of the process while somebody had it. */
  readonly crashes: number;
  readonly #origin: DeliveryOrigin<T>;

  /** @internal */
  constructor(
    claim: Claim,
    rawRecord: LogRecord<Uint8Array>,
    handOver: HandOver,
    origin: DeliveryOrigin<T>,
  ) {
    super(claim, rawRecord, handOver);
    const { slot } = claim;
    const { table } = claim.partition.state;
    this.attempt = table.attemptsAt(slot);
    this.failures = table.failuresAt(slot);
    this.expiries = table.expiriesAt(slot);
    this.crashes = table.crashesAt(slot);
    this.#origin = origin;
  }

  get partition(): number {
    return this.partitionLeases.name.partition;
  }

  /** The record itself: the same at each place where it is read. */
  get record(): LogRecord<T> {
    return this.rawRecord.as(this.#origin);
  }

  /** The decoded value; null = the record has none. @throws CodecError */
  get value(): T | null {
    return this.rawRecord.valueBy(this.#origin.codec);
  }

  get key(): string | null {
    return this.rawRecord.key;
  }

  /** Header values by name, copied. */
  get headers(): ReadonlyMap<string, Uint8Array> {
    return this.rawRecord.headers;
  }

  /** As `LogRecord.cause`. */
  get cause(): RecordCause | null {
    return this.rawRecord.cause;
  }

  /** The sender's time, ms since the Unix epoch. */
  get createTimeMs(): number {
    return this.rawRecord.createTimeMs;
  }

  /**
   * Names this lease for ever, as text. Of two tokens of a record the later one is the greater, by
   * `ownerEpoch` and then by `leaseNumber`: a system that remembers the greatest can refuse a holder
   * whose lease is over.
   */
  get token(): string {
    const { ownerEpoch, leaseNumber, partition, offset } = this;
    return leaseToken({ ownerEpoch, leaseNumber, partition, offset });
  }

  /** Grows with each process that leases records of the group. */
  get ownerEpoch(): number {
    return this.#origin.keeper.ownerEpoch;
  }

  /** How long the lease still lasts, ms; negative = it is over. */
  get leaseLeftMs(): number {
    return this.lost === null ? this.#origin.keeper.leftMs(this) : -1;
  }

  /** Whether the holder settled it, or is about to. */
  get isSettled(): boolean {
    return this.settlement !== null;
  }

  /**
   * The record is done with: it is never handed out again. A second call is the first one.
   *
   * @throws LeaseLostError when the lease is over: nothing changed; DiskFullError (the lease goes on,
   *   try again); FailedError
   *
   * Durability: as the topic's level, `sync` by default: it survives a power cut when this resolves.
   * Cost: all acks of a turn of the event loop, and of what waits for the same sync, share it.
   */
  ack(): Promise<void> {
    if (this.settlement === 'ack' && this.settling !== null) return this.settling.ended;
    return this.#origin.keeper.settle([this], ACK);
  }

  /**
   * Gives the record back: to be handed out again, at its place, now or later.
   *
   * @throws as `ack`; TypeError, RangeError
   */
  async release(options: ReleaseOptions = {}): Promise<void> {
    const { delayMs, failed, error } = checkReleaseOptions(options);
    const dueMs = delayMs === 0 ? 0 : this.#origin.keeper.dueMs(delayMs);
    const how = { kind: 'release', dueMs, isFailed: failed, error: errorText(error) } as const;
    await this.#origin.keeper.settle([this], how);
  }

  /**
   * Gives the record up: it is never handed out again. With a dead-letter queue a copy goes there, in
   * the same commit; without, it is kept as dead.
   *
   * @param reason  for the dead letter: an Error, or what will be its text
   * @throws as `ack`
   */
  async reject(reason?: unknown): Promise<void> {
    await this.#origin.keeper.settle([this], { kind: 'reject', error: errorText(reason) });
  }

  /** Gives the record back as if it had not been acquired: the attempt does not count. @throws as `ack` */
  async giveBack(): Promise<void> {
    await this.#origin.keeper.settle([this], UNDELIVERED);
  }

  /**
   * Acknowledges the record in one commit with what `action` appends and sends: after any crash all of it
   * is there, or nothing, and the record is handed out again.
   *
   * As `Store.transaction` with the delivery acked, but for how long it may take, which the lease says:
   * that goes on as before while `action` runs. When it ends meanwhile, or the record is settled otherwise,
   * nothing is committed.
   *
   * @param action  collects; its own effects elsewhere are not undone
   * @returns what it returned, when all is durable
   * @throws LeaseLostError when the lease is over; as `Store.transaction`: the lease goes on
   *
   * Durability and cost: as `Store.transaction`.
   */
  transaction<R>(action: (transaction: Transaction) => R | Promise<R>): Promise<R> {
    try {
      checkFunction('action', action);
      checkRunning(this); // Of a closed store too, this is what its holder is told.
      return this.#origin.keeper.transactions.run((transaction) => {
        transaction.ack(this);
        return action(transaction);
      }, WITHOUT_TIMEOUT);
    } catch (error) {
      return Promise.reject(toError(error));
    }
  }

  /** For `Transaction.ack`. */
  [ackIn](into: PartCollector, all: readonly unknown[]): void {
    into.part(AckPart).add(into, checkDeliveries(all));
  }

  /** @internal */
  get keeper(): LeaseKeeper {
    return this.#origin.keeper;
  }

  /**
   * Has the lease last `leaseMs` from now on, up to 12 h since it began. In memory, cheap.
   *
   * @param leaseMs  10..43_200_000; default that of the group
   * @throws LeaseLostError when it is over; TypeError, RangeError
   */
  renew(leaseMs: number = this.#origin.keeper.leaseMs): void {
    this.#origin.keeper.renew(this, checkLeaseMs(leaseMs));
  }

  /** What `console.log` shows: no value, which may be large or secret. */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    const { partition, offset, key, attempt, failures, token, isSettled } = this;
    return { partition, offset, key, attempt, failures, token, isSettled };
  }
}

/** Throws unless all of them are deliveries. */
export function checkDeliveries<D>(all: readonly D[]): readonly (D & Delivery<unknown>)[] {
  checkArray('deliveries', all);
  if (all.every((each) => each instanceof Delivery)) return all;
  throw argumentError(TypeError, 'deliveries', 'deliveries alone', all);
}
