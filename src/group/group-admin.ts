/** Looking at consumer groups, and setting them back or forth: how far behind each one is. */
import { argumentError, checkArray, checkInteger } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { appendTimeAt, resolveOffset, type PartitionLog } from '../topic/partition-log.ts';
import { checkPosition, type CommitPosition } from './commit-positions.ts';
import type { CommittedPosition } from './group-state.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { checkStart, readFromOf, START_FORMS, type StartFrom } from '../topic/start-position.ts';

/** How far a group has come in one partition. */
export interface PartitionLag {
  readonly partition: number;
  /** Next offset to read; null when the group never committed here. */
  readonly committedOffset: number | null;
  readonly metadata: string;
  readonly startOffset: number;
  readonly endOffset: number;
  /** Offsets that it has yet to read, from what is left; gaps and compacted records count, too. */
  readonly lag: number;
  /** How long the oldest of them has been there, by append time, ms; null = there is none. */
  readonly oldestUnreadAgeMs: number | null;
}

/**
 * Kafka's verbs; `{ shiftBy }`: so many offsets forth or, negative, back; `{ positions }`: each
 * partition to an offset of its own, and no others.
 */
export type ResetTo =
  | StartFrom
  | 'current'
  | { readonly shiftBy: number }
  | { readonly positions: readonly CommitPosition[] };

export interface ResetOptions {
  /** Only these; default all. */
  readonly partitions?: readonly number[] | undefined;
  /** Says what would change, and changes nothing; default true. */
  readonly dryRun?: boolean | undefined;
}

/** What a reset changes in one partition. */
export interface PartitionReset {
  readonly partition: number;
  readonly from: number | null;
  readonly to: number;
}

/** @param committed  null when the group never committed there */
export async function lagOf(
  log: PartitionLog,
  committed: CommittedPosition | null,
  clock: Clock,
): Promise<PartitionLag> {
  const { partition } = log;
  const { startOffset, visibleOffset } = log.log;
  const next = Math.max(committed?.offset ?? 0, startOffset);
  const oldestMs = next < visibleOffset ? await appendTimeAt(log, next) : null;
  return {
    partition,
    committedOffset: committed?.offset ?? null,
    metadata: committed?.metadata ?? '',
    startOffset,
    endOffset: visibleOffset,
    lag: Math.max(0, visibleOffset - next),
    oldestUnreadAgeMs: oldestMs === null ? null : Math.max(0, clock.now() - oldestMs),
  };
}

/** Throws unless it is one of the forms. */
export function checkReset(to: ResetTo): ResetTo {
  if (to === 'current') return to;
  const isOne = to !== null && typeof to === 'object' && Object.keys(to).length === 1;
  if (isOne && 'shiftBy' in to) {
    checkInteger('to.shiftBy', to.shiftBy, { min: Number.MIN_SAFE_INTEGER });
    return to;
  }
  if (isOne && 'positions' in to) {
    checkArray('to.positions', to.positions);
    for (const position of to.positions) checkPosition(position);
    return to;
  }
  const isStart = isOne && !('shiftBy' in to) && !('positions' in to);
  if (isStart || to === 'earliest' || to === 'latest') return checkStart('to', to);
  const forms = `${START_FORMS}, { shiftBy }, { positions } or 'current'`;
  throw argumentError(TypeError, 'to', forms, to);
}

const KNOWN: ReadonlySet<string> = new Set<keyof ResetOptions>(['partitions', 'dryRun']);

/** With the default of `dryRun`. @throws TypeError: what is not said clearly must not change anything */
export function checkResetOptions(
  given: ResetOptions,
): ResetOptions & { readonly dryRun: boolean } {
  const { partitions, dryRun = true } = plainOptions(given, KNOWN);
  if (partitions !== undefined) checkArray('partitions', partitions);
  return { partitions, dryRun: checkBoolean('dryRun', dryRun) };
}

/** Partitions that a reset is for: those that were named, or all. */
export function partitionsOf(
  to: ResetTo,
  named: readonly number[] | undefined,
  count: number,
): readonly number[] {
  if (typeof to !== 'object' || !('positions' in to)) {
    return named === undefined ? Array.from({ length: count }, (_, at) => at) : [...new Set(named)];
  }
  const partitions = new Set(to.positions.map(({ partition }) => partition));
  if (named !== undefined || partitions.size < to.positions.length) {
    throw argumentError(TypeError, 'to.positions', 'each partition once, and nowhere else', to);
  }
  return [...partitions];
}

/** Where a reset leads in one partition, never outside of what is readable. */
export async function resetOf(
  log: PartitionLog,
  committed: CommittedPosition | null,
  { to, clock }: { readonly to: ResetTo; readonly clock: Clock },
): Promise<PartitionReset> {
  const { partition } = log;
  const { startOffset, visibleOffset } = log.log;
  const from = committed?.offset ?? null;
  const current = from ?? startOffset;
  let wanted = current;
  if (typeof to === 'object' && 'shiftBy' in to) wanted = current + to.shiftBy;
  else if (typeof to === 'object' && 'offset' in to) wanted = to.offset;
  else if (typeof to === 'object' && 'positions' in to) {
    wanted = to.positions.find((one) => one.partition === partition)?.offset ?? current;
  } else if (to !== 'current') wanted = await resolveOffset(log, readFromOf(to, clock));
  return { partition, from, to: Math.min(Math.max(wanted, startOffset), visibleOffset) };
}
