/**
 * Offers calls at the times of a schedule, whether or not earlier ones were answered.
 *
 * Every call is due at its scheduled time and is measured from it, so that a log which makes its
 * callers wait is not asked less often, nor its queue left out ("coordinated omission", Gil Tene;
 * wrk2 does the same). The generator shares the event loop with the log, as a service would: a turn
 * issues all that is due, then lets I/O go on. It sleeps by a timer only while the next arrival is
 * more than 3 ms away, and wakes 2 ms early, because timers are late by up to a millisecond; from
 * there it spins by `setImmediate`, which polls for I/O in each turn.
 */

const SLEEP_MS_MIN = 3;
const WAKE_EARLY_MS = 2;
/** A call that was issued later than this behind its time counts as late. */
const LATE_MS = 1;

export interface OpenLoopResult {
  /** From the start of the schedule to the last answer. */
  readonly elapsedMs: number;
  /** Calls that the generator itself issued late: the loop was busy elsewhere, or is too slow. */
  readonly lateCount: number;
  readonly lateMaxMs: number;
}

export interface OpenLoopOptions {
  /** Ms from the start, ascending. */
  readonly arrivals: Float64Array;
  /** Issues call `n`; its promise is awaited at the end. */
  readonly call: (n: number) => Promise<void>;
}

/**
 * Runs the whole schedule and waits for the answers.
 *
 * @param onStart  gets the time, by `performance.now`, that the arrivals count from
 * @throws what the first call that failed threw, at once
 */
export async function runOpenLoop(
  { arrivals, call }: OpenLoopOptions,
  onStart: (startMs: number) => void = () => {},
): Promise<OpenLoopResult> {
  const startMs = performance.now();
  let lateCount = 0;
  let lateMaxMs = 0;
  onStart(startMs);
  await new Promise<void>((resolve, reject) => {
    let next = 0;
    let left = arrivals.length;
    let hasFailed = false;
    const answered = () => {
      if (--left === 0) resolve();
    };
    const failed = (error: unknown) => {
      hasFailed = true;
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const turn = () => {
      if (hasFailed) return;
      const nowMs = performance.now() - startMs;
      while (next < arrivals.length && (arrivals[next] as number) <= nowMs) {
        const lateMs = nowMs - (arrivals[next] as number);
        if (lateMs > LATE_MS) lateCount++;
        lateMaxMs = Math.max(lateMaxMs, lateMs);
        call(next++).then(answered, failed);
      }
      if (next === arrivals.length) return;
      const gapMs = (arrivals[next] as number) - nowMs;
      if (gapMs > SLEEP_MS_MIN) setTimeout(turn, gapMs - WAKE_EARLY_MS);
      else setImmediate(turn);
    };
    if (left === 0) resolve();
    turn();
  });
  return { elapsedMs: performance.now() - startMs, lateCount, lateMaxMs };
}
