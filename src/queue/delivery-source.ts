/** What a worker needs of a queue: where deliveries come from, and how they are settled. */
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { ReleaseOptions } from './delivery.ts';
import type { AcquireOptions } from './share-calls.ts';

/** A record handed out with its lease. */
export interface WorkerDelivery<T = unknown> {
  readonly offset: number;
  readonly partition: number;
  /** How often the record was acquired, from 1. */
  readonly attempt: number;
  /** Earlier attempts that counted as failures. */
  readonly failures: number;
  readonly value: T | null;
  readonly key: string | null;
  /** Aborted with a LeaseLostError when the lease ends without the holder's doing. */
  readonly signal: AbortSignal;
  /** When the lease ends, on the loop's time: ms from now; negative = it is over. */
  readonly leaseLeftMs: number;
  /** From the call of `ack`, `release` or `reject` on; false again when that failed. */
  readonly isSettled: boolean;
  /** @throws LeaseLostError */
  ack(): Promise<void>;
  /** @throws LeaseLostError */
  release(options?: ReleaseOptions): Promise<void>;
  /** @throws LeaseLostError */
  reject(reason?: unknown): Promise<void>;
  /** Extends the lease, in memory. @throws LeaseLostError */
  renew(leaseMs?: number): void;
  /** It was never handed to a handler: the attempt does not count. @throws LeaseLostError */
  giveBack(): Promise<void>;
}

export interface DeliverySource<D extends WorkerDelivery> {
  readonly clock: Clock;
  /** Where the jitter of default delays comes from; the operating system unless given. */
  readonly random?: Random | undefined;
  /** @returns at most `max`; none when `waitMs` passed */
  acquire(options: AcquireOptions): Promise<readonly D[]>;
  /** Acks those whose lease goes on; rejects when that is not all: `isSettled` tells which. */
  ackAll(deliveries: readonly D[]): Promise<void>;
}
