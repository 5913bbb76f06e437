/** Medians and spreads: what a few noisy runs can say. */

/** The middle value; the mean of the middle two of an even number. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Largest over smallest: 1 = no spread. */
export function spread(values: readonly number[]): number {
  return Math.max(...values) / Math.min(...values);
}
