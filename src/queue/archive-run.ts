/**
 * Archives what retention would take from a group: a copy of each record goes to another topic, with headers
 * like those of a dead letter, and in the same commit the group is done with it.
 */
import { present } from '../core/assert.ts';
import { MIB } from '../core/limits.ts';
import { change, type Change, type Journal } from '../journal/journal.ts';
import type { Log } from '../log/log.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { LogRecord } from '../log/record.ts';
import type { PassReason } from '../log/trim-guard.ts';
import type { Topic } from '../topic/topic.ts';
import { unfinishedPassed } from '../topic/unfinished-passed.ts';
import { deadLetterOf, fitting, type Death } from './dead-letter.ts';
import type { PartitionName } from './lease-journal.ts';
import { OffsetRuns } from './offset-runs.ts';
import type { PartitionLeases } from './partition-leases.ts';
import { moveRecords, type Move, type MoverParts } from './redrive-moves.ts';
import { recordsAcquired, recordsDied } from './share-entries.ts';
import type { SharePartition } from './share-partition.ts';
import { firstUnleased, isUnleased } from './unfinished-share.ts';
import type { OffsetRange } from './unread-ranges.ts';

/** Of one commit. */
const PIECE_RECORDS = 1000;
const PIECE_BYTES = 4 * MIB;

/** What of a partition is to be archived, and where. */
export interface ArchiveOrder {
  readonly partition: number;
  readonly toOffset: number;
  readonly reason: PassReason;
  /** Asked before each commit; null = nothing is to be archived any more. */
  readonly target: () => Promise<Topic<Uint8Array> | null>;
  /** Ends it between two commits. */
  readonly signal: AbortSignal;
  /** A commit has brought copies. Must not throw. */
  readonly archived: (piece: ArchivedPiece) => void;
}

export interface ArchivedPiece extends Readonly<Record<'fromOffset' | 'toOffset', number>> {
  /** Copies. */
  readonly count: number;
}

/** Records that go together, and all offsets of which that is known. */
export interface ArchivePiece {
  readonly records: readonly LogRecord<Uint8Array>[];
  /** Runs of offsets of it that hold no record. */
  readonly absent: readonly number[];
  readonly range: OffsetRange;
}

/** Reads what is wanted of a range, in pieces that fit a commit. @throws as `Log.batches`; the signal's reason */
export async function* archivePieces(
  log: Log<Uint8Array>,
  { from, to }: OffsetRange,
  isWanted: (offset: number) => boolean,
  signal: AbortSignal,
): AsyncGenerator<ArchivePiece, void, void> {
  const absent = new OffsetRuns();
  let records: LogRecord<Uint8Array>[] = [];
  let sizeBytes = 0;
  let first = from;
  let next = from;
  const passTo = (offset: number): void => {
    if (offset > next) absent.addRun(next, offset - next);
    next = offset;
  };
  const take = (): ArchivePiece => {
    const piece = { records, absent: absent.take(), range: { from: first, to: next } };
    records = [];
    sizeBytes = 0;
    first = next;
    return piece;
  };
  for await (const batch of log.batches({ from, to }, 'own')) {
    signal.throwIfAborted(); // Between pieces there may be much that nobody wants.
    for (const record of batch) {
      passTo(record.offset);
      next = record.offset + 1;
      if (!isWanted(record.offset)) continue;
      records.push(record);
      sizeBytes += record.sizeBytes;
      if (records.length >= PIECE_RECORDS || sizeBytes >= PIECE_BYTES) yield take();
    }
  }
  passTo(to);
  if (next > first) yield take();
}

/** Null when what is said of it does not fit its headers. */
export function archivedCopy(
  record: LogRecord<Uint8Array>,
  death: Death,
  { name }: Topic<Uint8Array>,
): RecordInput<Uint8Array> | null {
  return fitting(() => deadLetterOf(record, death, { name, routingKey: null }));
}

/** Of a record that nobody tried. */
export const UNTRIED = {
  attempts: 0,
  failures: 0,
  expiries: 0,
  crashes: 0,
  trouble: null,
} as const;

export interface ShareArchiveParts extends MoverParts {
  readonly name: PartitionName;
  /** Name of the topic. */
  readonly topic: string;
  readonly state: SharePartition;
  readonly log: Log<Uint8Array>;
  readonly journal: Journal;
  readonly nowMs: () => number;
}

/**
 * Archives what a share group has not settled, and nobody has leased.
 *
 * @returns why some of it stays; null = nothing was in the way
 * @throws as `Log.batches`, as `Committer.commit`, as `target`; the signal's reason: what was archived before
 *   stays so
 */
export async function archiveShare(
  parts: ShareArchiveParts,
  order: ArchiveOrder,
): Promise<string | null> {
  const { log, state } = parts;
  const from = firstUnleased(state, log.startOffset);
  const to = Math.min(order.toOffset, log.visibleOffset);
  let problem: string | null = null;
  if (from >= to) return problem;
  const isWanted = (offset: number): boolean => isUnleased(state, offset);
  for await (const piece of archivePieces(log, { from, to }, isWanted, order.signal)) {
    const target = await order.target();
    if (target === null) break;
    problem = (await archiveOne(parts, order, { ...piece, target })) ?? problem;
  }
  return problem;
}

async function archiveOne(
  parts: ShareArchiveParts,
  order: ArchiveOrder,
  { records, absent, target }: ArchivePiece & { readonly target: Topic<Uint8Array> },
): Promise<string | null> {
  let problem: string | null = null;
  const moves = records.flatMap((record) => {
    const copy = archivedCopy(record, deathOf(parts, record.offset), target);
    problem ??= copy === null ? tooLarge(record.offset) : null;
    return copy === null ? [] : [moveOf(parts, target, { record: copy, offset: record.offset })];
  });
  const unmoved = await moveRecords(parts, moves, (partition, moved) =>
    archivedChanges(partition, moved, { order, nowMs: parts.nowMs() }),
  );
  for (const [{ offset }, why] of unmoved) if (why === 'too-large') problem ??= tooLarge(offset);
  const moved = moves.filter((move) => !unmoved.has(move));
  if (moved.length > 0) order.archived(pieceOf(moved));
  if (absent.length > 0) await passAbsent(parts, absent);
  return problem;
}

function moveOf(
  { name }: ShareArchiveParts,
  target: Topic<Uint8Array>,
  { record, offset }: { readonly record: RecordInput<Uint8Array>; readonly offset: number },
): Move {
  return { partition: name.partition, offset, isDead: false, copy: { topic: target, record } };
}

function deathOf({ name, topic, state, nowMs }: ShareArchiveParts, offset: number): Death {
  const { group, partition } = name;
  const slot = state.table.find(offset);
  const place = { topic, group, partition, offset, reason: 'retention' as const, timeMs: nowMs() };
  if (slot < 0) return { ...UNTRIED, ...place };
  return { ...state.trialsAt(slot), trouble: state.troubles.get(offset) ?? null, ...place };
}

interface Told {
  readonly order: ArchiveOrder;
  readonly nowMs: number;
}

/** The group is done with them, and each is counted: in the commit that brings the copies. */
function archivedChanges(
  { name }: PartitionLeases,
  moves: readonly Move[],
  { order, nowMs }: Told,
): readonly Change[] {
  const records = moves.map(({ offset }) => ({ offset, reason: 'retention' as const, error: '' }));
  const counted = {
    ...name,
    groupKind: 'share' as const,
    reason: order.reason,
    outcome: 'archived' as const,
    ...pieceOf(moves),
    timeMs: nowMs,
  };
  return [
    change(recordsDied, { ...name, records, isKept: false, timeMs: nowMs }),
    change(unfinishedPassed, counted),
  ];
}

function pieceOf(moves: readonly Move[]): ArchivedPiece {
  const { offset: fromOffset } = present(moves[0], 'one at least');
  const { offset: last } = present(moves.at(-1), 'one at least');
  return { count: moves.length, fromOffset, toOffset: last + 1 };
}

/** Else they would count as unfinished, for nobody comes past them. */
function passAbsent(
  { name, journal, exclusively }: ShareArchiveParts,
  absent: readonly number[],
): Promise<unknown> {
  const parts = [{ ...name, offsets: [], absent }];
  return exclusively(() => journal.append(recordsAcquired, { parts }, 'os'));
}

export function tooLarge(offset: number): string {
  return `the record at offset ${offset} is too large to be archived`;
}
