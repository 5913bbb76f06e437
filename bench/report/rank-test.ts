/**
 * Exact rank statistics for a handful of runs: no normal distribution is assumed, and none is there.
 *
 * Sources: Mann and Whitney, "On a test of whether one of two random variables is stochastically
 * larger than the other" (1947), for the test; Hodges and Lehmann, "Estimates of location based on
 * rank tests" (1963), for the interval. With 5 and 5 runs there are 252 equally likely orders, so
 * both are counted, not approximated.
 */

/** Both ends of an interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Two-sided p of "a and b differ by chance only".
 *
 * 5 against 5 runs: 2/252 = 0.008 when all of one lie above all of the other, 0.016 when one pair is
 * the other way round, 1 when they are mixed. Ties count as half a pair, towards "no difference".
 */
export function rankTest(a: readonly number[], b: readonly number[]): number {
  const pairs = a.length * b.length;
  if (pairs === 0) return 1;
  const above = differences(a, b).reduce((sum, by) => sum + (by > 0 ? 1 : by === 0 ? 0.5 : 0), 0);
  const fewer = Math.ceil(Math.min(above, pairs - above));
  return Math.min(1, 2 * probabilityUpTo(fewer, a.length, b.length));
}

/**
 * By how much b lies above a, with at least the given confidence: the middle of all differences
 * between a run of b and a run of a.
 *
 * 5 against 5 runs at 0.9: without the 4 smallest and the 4 largest of the 25. Without
 * bounds when there are too few runs for the confidence.
 */
export function shiftInterval(
  a: readonly number[],
  b: readonly number[],
  confidence: number,
): Interval {
  const sorted = differences(a, b).toSorted((x, y) => x - y);
  const tail = (1 - confidence) / 2;
  let left = 0;
  while (probabilityUpTo(left, a.length, b.length) <= tail) left++;
  return { low: sorted[left - 1] ?? -Infinity, high: sorted[sorted.length - left] ?? Infinity };
}

function differences(a: readonly number[], b: readonly number[]): number[] {
  return b.flatMap((ofB) => a.map((ofA) => ofB - ofA));
}

/** Probability that at most `pairs` of the pairs have b above a, when only chance orders them. */
function probabilityUpTo(pairs: number, aCount: number, bCount: number): number {
  const ways = orders(aCount, bCount);
  const total = ways.reduce((sum, count) => sum + count, 0);
  return ways.slice(0, pairs + 1).reduce((sum, count) => sum + count, 0) / total;
}

/**
 * How many orders of the runs have 0, 1, 2, ... pairs with b above a.
 *
 * Run by run: a run of b that is placed above `k` runs of a adds k pairs.
 */
function orders(aCount: number, bCount: number): readonly number[] {
  const size = aCount * bCount + 1;
  // ways[n][u]: n runs of b placed, in ascending order of what lies below them, with u pairs.
  const ways = Array.from({ length: bCount + 1 }, () => Array.from({ length: size }, () => 0));
  (ways[0] as number[])[0] = 1;
  for (let below = 0; below <= aCount; below++) {
    for (let placed = 1; placed <= bCount; placed++) {
      const before = ways[placed - 1] as number[]; // Of this `below` too: several may share it.
      const now = ways[placed] as number[];
      for (let pairs = below; pairs < size; pairs++) {
        now[pairs] = (now[pairs] ?? 0) + (before[pairs - below] ?? 0);
      }
    }
  }
  return ways[bCount] ?? [];
}
