/**
 * The time that leases run on: monotonic time without what the event loop was stalled.
 *
 * A handler that blocks the loop also blocks whoever would renew or settle: to take its leases away
 * then would hand their records out twice. So a stall moves the end of every running lease, once.
 */
import type { Clock, Timer } from '../core/clock.ts';

/** How often it is looked whether a lease ended: leases end so much later, at most. */
const TICK_MS = 50;
/** What a tick may come late before it counts as a stall. */
const LATE_MS_MAX = 100;
/** A delay is looked at so often at least: the wall clock may jump. */
const DELAY_POLL_MS = 1000;

/** Somebody whose leases and delays come to an end. */
export interface LoopClockUser {
  /** Leases that run now. */
  readonly runningLeases: number;
  /** When the next delay ends, wall time; Infinity = there is none. */
  readonly nextDueMs: number;
  /** @param nowMs  of this clock */
  tick(nowMs: number): void;
}

export class LoopClock {
  readonly #clock: Clock;
  readonly #onStalled: (stallMs: number) => void;
  readonly #users = new Set<LoopClockUser>();
  #stalledMs = 0;
  #timer: Timer | null = null;
  /** When the timer is due, monotonic. */
  #dueMs = 0;
  /** Whether it was set for leases, and so tells a stall. */
  #isTicking = false;

  constructor(clock: Clock, onStalled: (stallMs: number) => void) {
    this.#clock = clock;
    this.#onStalled = onStalled;
  }

  /** ms since an arbitrary start. While a tick is overdue in a stall, the time of that tick. */
  now(): number {
    const monotonicMs = this.#clock.monotonic();
    const isStalled = this.#timer !== null && this.#isTicking && this.#isLate(monotonicMs);
    return (isStalled ? this.#dueMs : monotonicMs) - this.#stalledMs;
  }

  /** Time that leases were spared so far, ms. */
  get stalledMs(): number {
    return this.#stalledMs;
  }

  add(user: LoopClockUser): void {
    this.#users.add(user);
    this.poke();
  }

  remove(user: LoopClockUser): void {
    this.#users.delete(user);
    if (this.#users.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /**
   * A lease or a delay began: looks whether the timer is due early enough. Cheap.
   *
   * @param sinceMs  when it began, on this clock: a stall between then and now counts, too
   */
  poke(sinceMs = this.now()): void {
    if (this.#timer !== null && this.#isTicking) return;
    const hasLeases = this.#hasLeases();
    const delayMs = hasLeases ? TICK_MS : this.#delayMs();
    if (delayMs === Number.POSITIVE_INFINITY) return;
    const dueMs = sinceMs + this.#stalledMs + delayMs;
    if (this.#timer !== null && this.#dueMs <= dueMs && !hasLeases) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#isTicking = hasLeases;
    const leftMs = Math.max(0, dueMs - this.#clock.monotonic());
    this.#timer = this.#clock.setTimer(() => this.#tick(), leftMs);
  }

  #tick(): void {
    this.#timer = null;
    const monotonicMs = this.#clock.monotonic();
    if (this.#isTicking && this.#isLate(monotonicMs)) {
      const lateMs = monotonicMs - this.#dueMs;
      this.#stalledMs += lateMs;
      this.#onStalled(lateMs);
    }
    const nowMs = this.now();
    for (const user of this.#users) user.tick(nowMs);
    this.poke(nowMs);
  }

  #isLate(monotonicMs: number): boolean {
    return monotonicMs - this.#dueMs > LATE_MS_MAX;
  }

  #hasLeases(): boolean {
    for (const { runningLeases } of this.#users) if (runningLeases > 0) return true;
    return false;
  }

  /** Infinity = nothing to wait for. */
  #delayMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const user of this.#users) dueMs = Math.min(dueMs, user.nextDueMs);
    if (dueMs === Number.POSITIVE_INFINITY) return dueMs;
    return Math.min(DELAY_POLL_MS, Math.max(0, dueMs - this.#clock.now()));
  }
}
