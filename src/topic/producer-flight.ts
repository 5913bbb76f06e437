/** Records of one call of a producer, for one partition: on their way, or stored and not synced. */
import { present } from '../core/assert.ts';
import type { ProducedRun } from './producer-state.ts';
import type { SequenceSpan } from './sequence-set.ts';

/** Records that one partition gets. */
export interface Sent {
  readonly partition: number;
  /** Offset of the first of them; the others follow. Of a commit: they will not stand below. */
  readonly baseOffset: number;
  /** Ascending. */
  readonly spans: readonly SequenceSpan[];
}

/** Records of one call that are on their way to one partition. */
export interface Flight extends Sent {
  /** Of a commit: where they will stand is not known, so what is sent behind them waits. */
  readonly isCommit: boolean;
  /** What is refused of it is to come before all that was not sent yet: its producer leaves out nothing. */
  readonly isGapless: boolean;
  /** Resolves, and never rejects, when it is known what became of them. */
  readonly settled: Promise<void>;
  /** Nobody knows what became of them until the store is opened again; null = they are on their way. */
  doubt: Error | null;
}

/** What is known of records when they begin. */
export interface FlightOptions extends Pick<Flight, 'settled'> {
  /** Default false. */
  readonly isCommit?: boolean;
  /** Default false. */
  readonly isGapless?: boolean;
}

/** Stored, and not known to be synced. */
export interface UnsyncedRecords extends Sent {
  readonly nextOffset: number;
}

/** Below which offset a partition is durable. */
export type DurableOf = (partition: number) => number;

export function firstOf(spans: readonly SequenceSpan[]): number {
  return present(spans[0], 'there are records').first;
}

export function lastOf(spans: readonly SequenceSpan[]): number {
  return present(spans.at(-1), 'there are records').last;
}

/** The first `count` numbers of them. */
export function firstSpans(spans: readonly SequenceSpan[], count: number): readonly SequenceSpan[] {
  const taken: SequenceSpan[] = [];
  let left = count;
  for (const { first, last } of spans) {
    if (left === 0) break;
    const own = Math.min(left, last - first + 1);
    taken.push({ first, last: first + own - 1 });
    left -= own;
  }
  return taken;
}

/** Where they stand, span by span. */
export function runsOf({ partition, baseOffset, spans }: Sent): readonly ProducedRun[] {
  let offset = baseOffset;
  return spans.map(({ first, last }) => {
    const count = last - first + 1;
    offset += count;
    return { first, last, count, partition, baseOffset: offset - count };
  });
}
