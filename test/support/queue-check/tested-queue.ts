/** What the harness asks of a queue, whichever it is. */
import type { Content, Counters, DeathReason, Place, Token } from './history.ts';

/** A record under a lease. A late call rejects with `ERR_VARVE_LEASE_LOST`. */
export interface HeldRecord extends Content, Counters {
  readonly token: Token;
  /** Aborted when the lease expires. */
  readonly signal: AbortSignal;
  ack(): Promise<void>;
  release(options: { readonly isFailed: boolean; readonly delayMs: number }): Promise<void>;
  reject(): Promise<void>;
  renew(): Promise<void>;
}

export interface DeadLetter extends Content {
  readonly origin: Place;
  readonly copy: Place;
  readonly reason: DeathReason;
  readonly attempts: number;
}

export interface AcquireOptions {
  /** From 0. */
  readonly consumer: number;
  readonly max: number;
  readonly waitMs: number;
}

export interface TestedQueue {
  send(content: Content): Promise<Place>;
  acquire(options: AcquireOptions): Promise<HeldRecord[]>;
  /** True when nothing is ready, delayed or leased. */
  isSettled(): Promise<boolean>;
  /** Those that it has not returned before. */
  readDeadLetters(): Promise<DeadLetter[]>;
  close(): Promise<void>;
}

export interface QueueSettings {
  readonly directory: string;
  readonly consumers: number;
  readonly leaseMs: number;
  readonly failuresMax: number;
  readonly expiriesMax: number;
  readonly onStall: (ms: number) => void;
  /** The wall clock, which may be set. */
  readonly wallMs: () => number;
  /** Nothing can be written then: calls reject with `ERR_VARVE_DISK_FULL`, and change nothing. */
  readonly isDiskFull: () => boolean;
}
