/** Which stretches of a log hold what a share group has not settled. */
import type { OffsetRange } from './unread-ranges.ts';

/**
 * Ranges and offsets as one ascending row of ranges: those that lie near each other are one.
 *
 * @param ranges   ascending, none in another
 * @param offsets  ascending
 * @param gap      offsets between two that are read all the same
 */
export function* spansOf(
  ranges: readonly OffsetRange[],
  offsets: Iterable<number>,
  gap: number,
): Generator<OffsetRange, void, void> {
  let span: OffsetRange | null = null;
  for (const part of merged(ranges, offsets)) {
    if (span !== null && part.from <= span.to + gap) {
      span = { from: span.from, to: Math.max(span.to, part.to) };
      continue;
    }
    if (span !== null) yield span;
    span = part;
  }
  if (span !== null) yield span;
}

/** By where they begin. */
function* merged(
  ranges: readonly OffsetRange[],
  offsets: Iterable<number>,
): Generator<OffsetRange, void, void> {
  let at = 0;
  for (const offset of offsets) {
    for (let range = ranges[at]; range !== undefined && range.from <= offset; range = ranges[at]) {
      yield range;
      at++;
    }
    yield { from: offset, to: offset + 1 };
  }
  yield* ranges.slice(at);
}
