/** Where a group begins in a partition, decided once. */
import { FencedError } from '../core/errors.ts';
import { commitPositions, type CommitRights, type OwnedPosition } from './commit-positions.ts';
import type { Ownership } from './coordinator.ts';
import type { GroupShared } from './group-shared.ts';
import { resolveOffset } from './partition-log.ts';
import { readFromOf, type StartFrom } from './start-position.ts';

export interface Anchoring {
  /** Partitions that came to a member. */
  readonly ownerships: readonly Ownership[];
  readonly from: StartFrom;
  readonly rights: CommitRights;
}

/**
 * Commits the start of the group where it never committed, unless the start is the same whenever it
 * is looked at: the next owner would begin at *its* `latest`, and what was appended in between, or
 * was handed to a member that died, nobody would read.
 */
export async function anchorStarts(
  shared: GroupShared,
  { ownerships, from, rights }: Anchoring,
): Promise<void> {
  if (from === 'earliest' || (typeof from === 'object' && 'offset' in from)) return;
  const unknown = ownerships.filter(({ partition }) => shared.committed(partition) === null);
  if (unknown.length === 0) return;
  const readFrom = readFromOf(from, shared.clock);
  const starts = await Promise.all(
    unknown.map(async (ownership): Promise<OwnedPosition> => {
      const { partition } = ownership;
      const offset = await shared.withLog(partition, (log) =>
        resolveOffset({ partition, log }, readFrom),
      );
      return { ownership, offset, epoch: 0, metadata: '' };
    }),
  );
  try {
    await commitPositions(shared, starts, rights);
  } catch (error) {
    if (!(error instanceof FencedError)) throw error; // Whoever has it now says where it begins.
  }
}
