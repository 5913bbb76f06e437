/** Moves records that a share group has not settled, each exactly once: a copy and its end are one commit. */
import { present } from '../core/assert.ts';
import { isStoreError } from '../core/errors.ts';
import type { Committer } from '../journal/committer.ts';
import { change, type Change } from '../journal/journal.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { Topic } from '../topic/topic.ts';
import { prepareAppends } from '../transaction/prepared-appends.ts';
import { OffsetRuns } from './offset-runs.ts';
import type { PartitionLeases } from './partition-leases.ts';
import type { RedriveSkip } from './redrive-options.ts';
import { recordsRemoved, recordsRevived } from './share-entries.ts';

export interface Move {
  readonly partition: number;
  readonly offset: number;
  /** Whether it is dead and kept here. */
  readonly isDead: boolean;
  /** Where it goes, and as what; null = it is ready again where it is. */
  readonly copy: MoveCopy | null;
}

export interface MoveCopy {
  readonly topic: Topic<Uint8Array>;
  readonly record: RecordInput<Uint8Array>;
}

export interface MoverParts {
  readonly committer: Committer;
  /** A commit has brought records to a topic of that name. */
  readonly arrived: (name: string) => void;
  readonly partitions: () => readonly PartitionLeases[];
  /** Runs a change while nothing is claimed. */
  readonly exclusively: <R>(action: () => Promise<R>) => Promise<R>;
}

/** What is said of records that move, in the commit that moves them. */
export type ChangesOf = (partition: PartitionLeases, moves: readonly Move[]) => readonly Change[];

/** What became of each that was not moved. */
export type Unmoved = ReadonlyMap<Move, RedriveSkip>;

/**
 * Moves records of one partition: all of them in one commit, or, when they are too large for one, each
 * by itself.
 *
 * @param changesOf  how those that move are settled
 * @returns those that were not moved: who has them was quicker, or they are too large
 * @throws as `Committer.commit`
 */
export async function moveRecords(
  parts: MoverParts,
  moves: readonly Move[],
  changesOf: ChangesOf = redriven,
): Promise<Unmoved> {
  const skips = new Map<Move, RedriveSkip>();
  const [first] = moves;
  if (first === undefined) return skips;
  await parts.exclusively(async () => {
    const partition = present(parts.partitions()[first.partition], 'all are open');
    for (const move of moves) {
      const skip = skipOf(partition, move);
      if (skip !== null) skips.set(move, skip);
    }
    const there = moves.filter((move) => !skips.has(move));
    const commit = (some: readonly Move[]) => commitMoves(parts, partition, some, changesOf);
    if (there.length === 0 || (await commit(there))) return;
    for (const move of there) {
      if (!(await commit([move]))) skips.set(move, 'too-large');
    }
  });
  return skips;
}

/** Why it cannot be moved any more. */
function skipOf({ state }: PartitionLeases, { offset, isDead }: Move): RedriveSkip | null {
  if (state.isUnleased(offset)) return state.dead.has(offset) === isDead ? null : 'settled';
  return state.table.find(offset) < 0 ? 'settled' : 'leased';
}

/** @returns false when it is too large: then nothing happened */
async function commitMoves(
  { committer, arrived }: MoverParts,
  partition: PartitionLeases,
  moves: readonly Move[],
  changesOf: ChangesOf,
): Promise<boolean> {
  const giveBacks = moves.map(({ offset }) => partition.withhold(offset));
  try {
    const byTopic = recordsByTopic(moves);
    const appends = await prepareAppends(
      [...byTopic].map(
        ([topic, records]) =>
          () =>
            topic.forCommit(records),
      ),
    );
    await committer.commit({ changes: changesOf(partition, moves), appends });
    for (const { name } of byTopic.keys()) arrived(name);
    return true;
  } catch (error) {
    for (const giveBack of giveBacks) giveBack();
    if (isStoreError(error, 'ERR_VARVE_TOO_LARGE')) return false;
    throw error;
  }
}

function recordsByTopic(
  moves: readonly Move[],
): ReadonlyMap<Topic<Uint8Array>, RecordInput<Uint8Array>[]> {
  const records = new Map<Topic<Uint8Array>, RecordInput<Uint8Array>[]>();
  for (const { copy } of moves) {
    if (copy === null) continue;
    const own = records.get(copy.topic);
    if (own === undefined) records.set(copy.topic, [copy.record]);
    else own.push(copy.record);
  }
  return records;
}

function redriven({ name }: PartitionLeases, moves: readonly Move[]): readonly Change[] {
  const revived = new OffsetRuns();
  const removed = new OffsetRuns();
  for (const { offset, copy } of moves) (copy === null ? revived : removed).add(offset);
  const changes: Change[] = [];
  if (revived.count > 0) changes.push(change(recordsRevived, { ...name, offsets: revived.take() }));
  if (removed.count > 0) {
    const cause = 'redriven' as const;
    changes.push(change(recordsRemoved, { ...name, offsets: removed.take(), cause }));
  }
  return changes;
}
