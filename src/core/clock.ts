/**
 * Time as a seam: wall time, monotonic time and timers.
 *
 * The engine never reads a clock of its own, so tests (ours and our users') decide what time it
 * is: `ManualClock` moves only when told to.
 */

/** A pending callback of `Clock.setTimer`. */
export interface Timer {
  /** Idempotent; after it returns the callback will not run. */
  cancel(): void;
}

export interface TimerOptions {
  /** Whether a pending timer keeps the process alive; default false. */
  readonly keepsAlive?: boolean;
}

export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. May jump either way. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never goes back. */
  monotonic(): number;
  /** Runs `callback` once after `delayMs`. */
  setTimer(callback: () => void, delayMs: number, options?: TimerOptions): Timer;
  /**
   * Keeps the process alive until it is cancelled: somebody waits, for something that need not come
   * from the disk. Left out where a clock keeps no process alive, as that of a test.
   */
  keepAlive?(): Timer;
}

/** Longest delay that Node's timers take. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The operating system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(callback, delayMs, options = {}) {
    if (delayMs > TIMER_MS_MAX) return longTimer(callback, delayMs, options);
    const handle = setTimeout(callback, delayMs);
    if (options.keepsAlive !== true) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  keepAlive() {
    if (vigilCount++ === 0) {
      vigil ??= setInterval(() => undefined, TIMER_MS_MAX);
      vigil.ref();
    }
    let isOver = false;
    return {
      cancel: () => {
        if (!isOver && --vigilCount === 0) vigil?.unref();
        isOver = true;
      },
    };
  },
};

/** One for all who keep the process alive: they begin and end with every wait. */
let vigil: NodeJS.Timeout | null = null;
let vigilCount = 0;

/** Longer than Node's timers take: beyond it they fire at once. */
function longTimer(callback: () => void, delayMs: number, options: TimerOptions): Timer {
  const goOn = (): void => {
    timer = systemClock.setTimer(callback, delayMs - TIMER_MS_MAX, options);
  };
  let timer = systemClock.setTimer(goOn, TIMER_MS_MAX, options);
  return { cancel: () => timer.cancel() };
}

/**
 * Runs `callback` in the next turn of the event loop, when it has seen what ended meanwhile. No
 * clock decides when that is, so a test cannot either: only how work is cut may depend on it.
 */
export function inNextTurn(callback: () => void): void {
  setImmediate(callback);
}

/** As `inNextTurn`, for those who wait. */
export function nextTurn(): Promise<void> {
  return new Promise(inNextTurn);
}

/** Waits for work that never rejects, but not for longer than `delayMs`. @returns whether it has ended */
export function endsWithin(
  clock: Clock,
  work: Promise<unknown>,
  delayMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(() => resolve(false), delayMs);
    const end = (): void => {
      timer.cancel();
      resolve(true);
    };
    void work.then(end);
  });
}

interface ManualTimer extends Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock for tests: it stands still until `advance`, `stall` or `jumpTo`.
 *
 * Timers fire inside `advance`, in due order, and those due at the same instant in the order they
 * were set; a callback may set further timers, which fire in the same call when they are due.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #nextOrder = 0;
  readonly #timers = new Set<ManualTimer>();

  /** @param startMs wall time, ms since the Unix epoch; default 2026-01-01T00:00:00Z */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimerCount(): number {
    return this.#timers.size;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer: ManualTimer = {
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#nextOrder++,
      callback,
      cancel: () => void this.#timers.delete(timer),
    };
    this.#timers.add(timer);
    return timer;
  }

  /** Moves wall and monotonic time on by `deltaMs` and fires what becomes due. */
  advance(deltaMs: number): void {
    const endMs = this.#monotonicMs + deltaMs;
    for (;;) {
      const timer = this.#earliest();
      if (timer === null || timer.dueMs > endMs) break;
      this.#timers.delete(timer);
      this.#moveTo(timer.dueMs);
      timer.callback();
    }
    this.#moveTo(endMs);
  }

  /**
   * Lets time pass as when the event loop is blocked: nothing fires meanwhile, then everything that
   * became due does, late.
   */
  stall(deltaMs: number): void {
    this.#moveTo(this.#monotonicMs + deltaMs);
    this.advance(0);
  }

  /** Sets the wall clock alone, as an operator or NTP would. Monotonic time and timers stay. */
  jumpTo(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  #moveTo(monotonicMs: number): void {
    const stepMs = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#wallMs += stepMs;
    this.#monotonicMs += stepMs;
  }

  #earliest(): ManualTimer | null {
    let earliest: ManualTimer | null = null;
    for (const timer of this.#timers) {
      if (
        earliest === null ||
        timer.dueMs < earliest.dueMs ||
        (timer.dueMs === earliest.dueMs && timer.order < earliest.order)
      ) {
        earliest = timer;
      }
    }
    return earliest;
  }
}
