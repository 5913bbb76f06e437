/** A consumer that waits for records. */
import { onAbort, toError } from '../core/abort.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { LogRecord } from '../log/record.ts';
import type { Claim } from './partition-leases.ts';
import type { HandOver, Lease, LeaseList } from './lease.ts';

/** Who leases records. */
export interface Consumer<L extends Lease = Lease> {
  readonly leases: LeaseList;
  /** Records that were chosen for it, and are not leased yet. */
  claimedCount: number;
  /** Records that it may still lease, besides. */
  readonly room: number;
  make(claim: Claim, rawRecord: LogRecord<Uint8Array>, handOver: HandOver): L;
  closedError(): Error;
}

export interface AcquireWish {
  readonly max: number;
  readonly leaseMs: number;
  /** 0 = only what is ready; Infinity = until there is something. */
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Whether the process stays alive while it waits. */
  readonly keepsAlive: boolean;
}

/** What becomes of a request. */
interface Answer<L> {
  /** A method, for its parameter is then compared both ways: a request is made for one kind of lease. */
  resolve(leases: readonly L[]): void;
  reject(error: Error): void;
}

export class AcquireRequest<L extends Lease = Lease> {
  readonly consumer: Consumer<L>;
  readonly max: number;
  readonly leaseMs: number;
  /** Whether the time is over that it was ready to wait. */
  isDue: boolean;
  /** Chosen so far: more is on its way from the disk. */
  readonly claims: Claim[] = [];
  /** Whether it was answered: what is on its way to it goes back. */
  isOver = false;
  /** Resolves when its attempts are journaled, or come to nothing; null = that has not begun. */
  handed: Promise<void> | null = null;
  readonly #wish: AcquireWish;
  readonly #clock: Clock;
  /** Null once it is used: what still holds the request does not hold its leases. */
  #answer: Answer<L> | null;
  #isWaiting = false;
  #timer: Timer | undefined;
  #vigil: Timer | undefined;
  #unwatch: (() => void) | null = null;

  constructor(consumer: Consumer<L>, wish: AcquireWish, clock: Clock, answer: Answer<L>) {
    this.consumer = consumer;
    this.max = wish.max;
    this.leaseMs = wish.leaseMs;
    this.isDue = wish.waitMs === 0;
    this.#wish = wish;
    this.#clock = clock;
    this.#answer = answer;
  }

  /** Begins to wait, once. @param onEnd  called when its time is over, or the signal aborted it */
  wait(onEnd: () => void): void {
    const { waitMs, signal, keepsAlive } = this.#wish;
    if (this.isOver || this.#isWaiting) return;
    this.#isWaiting = true;
    if (signal !== undefined) {
      this.#unwatch = onAbort(signal, () => {
        this.reject(toError(signal.reason));
        onEnd();
      });
    }
    if (this.isOver || this.isDue) return;
    if (Number.isFinite(waitMs)) {
      const onDue = (): void => {
        this.isDue = true;
        onEnd();
      };
      this.#timer = this.#clock.setTimer(onDue, waitMs, { keepsAlive });
    } else if (keepsAlive) this.#vigil = this.#clock.keepAlive?.();
  }

  resolve(leases: readonly L[]): void {
    this.#end()?.resolve(leases);
  }

  reject(error: Error): void {
    this.#end()?.reject(error);
  }

  /** @returns what to answer; null when it was answered */
  #end(): Answer<L> | null {
    const answer = this.#answer;
    this.#answer = null;
    this.isOver = true;
    this.#timer?.cancel();
    this.#vigil?.cancel();
    this.#unwatch?.();
    return answer;
  }
}
