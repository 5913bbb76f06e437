/** Where a group begins in a partition, decided once. */
import { present } from '../core/assert.ts';
import type { ReadFrom } from '../log/read-options.ts';
import { placeOf } from './commit-positions.ts';
import type { Ownership } from './coordinator.ts';
import type { GroupShared } from './group-shared.ts';
import type { PositionChange } from './group-state.ts';
import { resolveOffset } from '../topic/partition-log.ts';
import { readFromOf, type StartFrom } from '../topic/start-position.ts';

export interface Anchoring {
  /** Partitions that came to a member. */
  readonly ownerships: readonly Ownership[];
  readonly from: StartFrom;
  /** Whether the member still has it. */
  readonly isValid: (ownership: Ownership) => boolean;
}

/** Where who takes a partition over goes on. */
export function startIn(shared: GroupShared, partition: number, from: StartFrom): ReadFrom {
  const committed = shared.committed(partition);
  return committed === null ? readFromOf(from, shared.clock) : placeOf(committed);
}

/**
 * Commits the start of the group where it never committed, unless the start is the same whenever it
 * is looked at: the next owner would begin at *its* `latest`, and what was appended in between, or
 * was handed to a member that died, nobody would read.
 */
export async function anchorStarts(
  shared: GroupShared,
  { ownerships, from, isValid }: Anchoring,
): Promise<void> {
  if (from === 'earliest' || (typeof from === 'object' && 'offset' in from)) return;
  const unknown = ownerships.filter(({ partition }) => shared.committed(partition) === null);
  if (unknown.length === 0) return;
  const readFrom = readFromOf(from, shared.clock);
  const starts = await Promise.all(
    unknown.map(({ partition }) =>
      shared.withLog(partition, async (log): Promise<PositionChange> => {
        const offset = await resolveOffset({ partition, log }, readFrom);
        return { partition, logId: log.logId, offset, epoch: 0, metadata: '' };
      }),
    ),
  );
  // Who has lost one meanwhile leaves it to whoever has it now.
  const ours = starts.filter((_start, at) => isValid(present(unknown[at], 'as many')));
  if (ours.length > 0) await shared.commitStarts(ours);
}
