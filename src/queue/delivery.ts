/** A record in the hands of a consumer, with the right to settle it. */
import { argumentError } from '../core/assert.ts';
import type { LogRecord } from '../log/record.ts';
import { errorText } from './error-text.ts';
import { Lease, type LeaseList, type LeaseParts, type Settlement } from './lease.ts';
import type { SharePartition } from './share-partition.ts';
import { checkReleaseOptions } from './share-calls.ts';
import { leaseToken } from './share-listing.ts';

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
  readonly leases: LeaseList;
  readonly ownerEpoch: number;
  readonly leaseMs: number;
  settle(leases: readonly Lease[], how: Settlement): Promise<void>;
  renew(lease: Lease, leaseMs: number): void;
  leftMs(lease: Lease): number;
  dueMs(delayMs: number): number;
}

const ACK: Settlement = { kind: 'ack' };
const UNDELIVERED: Settlement = { kind: 'undelivered' };

/**
 * One record under a lease, made by `acquire`. Exactly one of `ack`, `release` and `reject` ends it;
 * when its time is over first, the record is ready again for anybody.
 */
export class Delivery<T> extends Lease {
  readonly record: LogRecord<T>;
  /** How often the record was acquired, this time included: from 1. It stays at 65,535. */
  readonly attempt: number;
  /** Attempts before that counted as failures. */
  readonly failures: number;
  /** Leases before that ran out. */
  readonly expiries: number;
  /** Crashes of the process while somebody had it. */
  readonly crashes: number;
  readonly #keeper: LeaseKeeper;

  /** @internal */
  constructor(parts: LeaseParts, keeper: LeaseKeeper, record: LogRecord<T>) {
    super(parts, keeper.leases);
    const { slot } = parts;
    const { table }: SharePartition = parts.partition.state;
    this.record = record;
    this.attempt = table.attemptsAt(slot);
    this.failures = table.failuresAt(slot);
    this.expiries = table.expiriesAt(slot);
    this.crashes = table.crashesAt(slot);
    this.#keeper = keeper;
  }

  get partition(): number {
    return this.partitionLeases.name.partition;
  }

  /** The decoded value; null = the record has none. @throws CodecError */
  get value(): T | null {
    return this.record.value;
  }

  get key(): string | null {
    return this.record.key;
  }

  /** Header values by name, copied. */
  get headers(): ReadonlyMap<string, Uint8Array> {
    return this.record.headers;
  }

  /** The sender's time, ms since the Unix epoch. */
  get createTimeMs(): number {
    return this.record.createTimeMs;
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
    return this.#keeper.ownerEpoch;
  }

  /** How long the lease still lasts, ms; negative = it is over. */
  get leaseLeftMs(): number {
    return this.lost === null ? this.#keeper.leftMs(this) : -1;
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
    if (this.settlement === 'ack' && this.settled !== null) return this.settled;
    return this.#keeper.settle([this], ACK);
  }

  /**
   * Gives the record back: to be handed out again, at its place, now or later.
   *
   * @throws as `ack`; TypeError, RangeError
   */
  async release(options: ReleaseOptions = {}): Promise<void> {
    const { delayMs, failed, error } = checkReleaseOptions(options);
    const dueMs = delayMs === 0 ? 0 : this.#keeper.dueMs(delayMs);
    const how = { kind: 'release', dueMs, isFailed: failed, error: errorText(error) } as const;
    await this.#keeper.settle([this], how);
  }

  /**
   * Gives the record up: it is never handed out again. With a dead-letter queue a copy goes there, in
   * the same commit; without, it is kept as dead.
   *
   * @param reason  for the dead letter: an Error, or what will be its text
   * @throws as `ack`
   */
  async reject(reason?: unknown): Promise<void> {
    await this.#keeper.settle([this], { kind: 'reject', error: errorText(reason) });
  }

  /** Gives the record back as if it had not been acquired: the attempt does not count. @throws as `ack` */
  async giveBack(): Promise<void> {
    await this.#keeper.settle([this], UNDELIVERED);
  }

  /**
   * Has the lease last `leaseMs` from now on, up to 12 h since it began. In memory, cheap.
   *
   * @param leaseMs  10..43_200_000; default that of the group
   * @throws LeaseLostError when it is over
   */
  renew(leaseMs: number = this.#keeper.leaseMs): void {
    this.#keeper.renew(this, leaseMs);
  }

  /** What `console.log` shows: no value, which may be large or secret. */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    const { partition, offset, key, attempt, failures, token, isSettled } = this;
    return { partition, offset, key, attempt, failures, token, isSettled };
  }
}

/** Throws unless all of them are deliveries. */
export function checkDeliveries<T>(deliveries: readonly Delivery<T>[]): readonly Delivery<T>[] {
  if (!Array.isArray(deliveries))
    throw argumentError(TypeError, 'deliveries', 'an array', deliveries);
  for (const each of deliveries) {
    if (!(each instanceof Delivery))
      throw argumentError(TypeError, 'deliveries', 'deliveries', each);
  }
  return deliveries;
}
