/** When the calls of an open loop are due: by a schedule that does not know how the log fares. */
import type { Random } from '../../src/core/random.ts';

/**
 * Arrival times in ms from the start, ascending: a Poisson process, as many independent callers
 * make it. Gaps are exponential, so there are bursts, and queues behind them, at any mean rate.
 */
export function poissonArrivals(
  count: number,
  ratePerSecond: number,
  random: Random,
): Float64Array<ArrayBuffer> {
  const arrivals = new Float64Array(count);
  const meanGapMs = 1e3 / ratePerSecond;
  let atMs = 0;
  for (let n = 0; n < count; n++) {
    atMs -= Math.log(1 - random.next()) * meanGapMs; // next() < 1, so the logarithm is finite.
    arrivals[n] = atMs;
  }
  return arrivals;
}
