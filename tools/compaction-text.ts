/** What `varve compact` shows: how far it is, what it would do, what it did. */
import type { CompactionLimit } from '../src/log/compaction-plan.ts';
import type { CompactionProgress } from '../src/log/compact-options.ts';
import type { ToldCompaction } from '../src/store/compaction-verbs.ts';
import { barOf } from './status-line.ts';
import { formatTable, type Column } from './table.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from './units.ts';

/** One partition, or a log of its own. */
export interface CompactedPartition {
  /** Null for a log of its own. */
  readonly topic: string | null;
  readonly partition: number;
  /** Null when it failed. */
  readonly result: ToldCompaction | null;
  readonly error: { readonly code: string | null; readonly message: string } | null;
}

/** What is compacted, for one line. */
export interface CompactionPlace {
  /** `orders/0`; null = the one that the user named. */
  readonly name: string | null;
  readonly isPlan: boolean;
  readonly isTerminal: boolean;
}

/** `orders/0: rewriting 512 MiB of 744 MiB (68 %), freed 488 MiB` */
export function progressLine(
  { phase, pass, bytesDone, bytesTotal, freedBytes }: CompactionProgress,
  { name, isPlan, isTerminal }: CompactionPlace,
): string {
  const rewriting = isPlan ? 'comparing' : 'rewriting';
  const doing = phase === 'keys' ? 'reading keys' : rewriting;
  const label = `${name === null ? '' : `${name}: `}${pass > 1 ? `pass ${pass}, ` : ''}${doing}`;
  const share = bytesTotal === 0 ? 1 : Math.min(1, bytesDone / bytesTotal);
  const bytes = `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`;
  const freed = isPlan || phase === 'keys' ? '' : `, freed ${formatBytes(freedBytes)}`;
  if (isTerminal) return `${label} ${barOf(share)} ${bytes}${freed}`;
  return `${label} ${bytes} (${Math.floor(share * 100)} %)${freed}`;
}

/** Why nothing more could be compacted. */
const LIMITS: Readonly<Record<CompactionLimit, string>> = {
  'active-segment': 'newest segment',
  durability: 'not synced',
  lag: 'too young',
  guard: 'still needed',
  damage: 'damage',
};

type Row = ToldCompaction & { readonly topic: string | null; readonly partition: number };

const COLUMNS: readonly (readonly [Column, (row: Row) => string])[] = [
  [{ title: 'topic' }, ({ topic }) => topic ?? ''],
  [{ title: 'partition', align: 'right' }, ({ partition }) => String(partition)],
  [{ title: 'segments', align: 'right' }, ({ segmentCount }) => formatCount(segmentCount)],
  [{ title: 'bytes now', align: 'right' }, ({ bytesBefore }) => formatBytes(bytesBefore)],
  [{ title: 'bytes then', align: 'right' }, ({ bytesAfter }) => formatBytes(bytesAfter)],
  [{ title: 'superseded', align: 'right' }, ({ supersededCount }) => formatCount(supersededCount)],
  [{ title: 'tombstones', align: 'right' }, tombstonesOf],
  [{ title: 'up to', align: 'right' }, ({ limitOffset }) => formatCount(limitOffset)],
  [{ title: 'because of' }, ({ limitedBy }) => LIMITS[limitedBy]],
];

/** `2 of 5`: go of those that there are. */
function tombstonesOf({ droppedTombstoneCount, tombstoneCount }: Row): string {
  return `${formatCount(droppedTombstoneCount)} of ${formatCount(tombstoneCount)}`;
}

/** A line per partition that did not fail. */
export function compactionTable(
  partitions: readonly CompactedPartition[],
  showsTopic: boolean,
): string {
  const columns = showsTopic ? COLUMNS : COLUMNS.slice(1);
  const rows = partitions.flatMap(({ topic, partition, result }) =>
    result === null ? [] : [{ ...result, topic, partition }],
  );
  if (rows.length === 0) return '';
  return formatTable(
    columns.map(([column]) => column),
    rows.map((row) => columns.map(([, cell]) => cell(row))),
  );
}

/** What it comes to, of the partitions that did not fail. */
export function compactionSummary(
  partitions: readonly CompactedPartition[],
  { isDryRun, isStopped }: { readonly isDryRun: boolean; readonly isStopped: boolean },
): string {
  const results = partitions.flatMap(({ result }) => (result === null ? [] : [result]));
  const sum = (of: (result: ToldCompaction) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const passes = Math.max(0, ...results.map(({ passCount }) => passCount));
  const keyless = sum(({ keylessCount }) => keylessCount);
  const note =
    keyless === 0 ? '' : `${formatPlural(keyless, 'record')} without a key: they all stay\n`;
  if (passes === 0) {
    // Whatever failed, or was stopped, may have rewritten segments first.
    const isAll = !isStopped && partitions.every(({ error }) => error === null);
    const rest =
      isAll || isDryRun ? 'nothing to compact; nothing was changed' : 'nothing to compact in these';
    return `${note}${rest}\n`;
  }
  const before = sum(({ bytesBefore }) => bytesBefore);
  const after = sum(({ bytesAfter }) => bytesAfter);
  if (isDryRun) {
    const needed = Math.max(...results.map(({ neededFreeBytes }) => neededFreeBytes));
    const freed = formatBytes(Math.max(0, before - after));
    const cost = `in ${formatPlural(passes, 'pass')}, needs ${formatBytes(needed)} free`;
    return `${note}would free ${freed} ${cost}; nothing was changed, --yes compacts\n`;
  }
  const segments = formatPlural(
    sum(({ rewrittenSegmentCount = 0 }) => rewrittenSegmentCount),
    'segment',
  );
  const duration = formatDuration(sum(({ durationMs = 0 }) => durationMs));
  const superseded = formatPlural(
    sum(({ supersededCount }) => supersededCount),
    'record',
  );
  const dropped = formatPlural(
    sum(({ droppedTombstoneCount }) => droppedTombstoneCount),
    'tombstone',
  );
  return (
    `${note}compacted ${segments} in ${duration}: ${formatBytes(before)} -> ${formatBytes(after)}, ` +
    `${superseded} superseded, ${dropped} dropped\n`
  );
}
