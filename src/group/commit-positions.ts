/** What a member commits: checked, and journaled under the right that it was read with. */
import { argumentError, checkInteger } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { Ownership } from './coordinator.ts';
import type { GroupShared } from './group-shared.ts';
import type { CommittedPosition, PositionChange } from './group-state.ts';

/** A position to commit: the next offset to read. */
export interface CommitPosition {
  readonly partition: number;
  readonly offset: number;
}

export interface CommitOptions {
  /** The caller's note, at most 4096 bytes of UTF-8; default none. */
  readonly metadata?: string | undefined;
}

/** A position, and the right under which it is committed. */
export interface OwnedPosition {
  readonly ownership: Ownership;
  readonly offset: number;
  readonly epoch: number;
  readonly metadata: string;
}

const METADATA_BYTES_MAX = 4096;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Commits positions, none of which may be beyond what readers see.
 *
 * @param positions   of partitions that the member owns now
 * @param checkOwned  throws when it does not any more
 * @throws FencedError; RangeError; as `Journal.append`
 */
export function commitPositions(
  shared: GroupShared,
  positions: readonly OwnedPosition[],
  checkOwned: (ownership: Ownership) => void,
): Promise<void> {
  if (positions.length === 0) return Promise.resolve();
  const changes: PositionChange[] = [];
  for (const position of positions) {
    const log = shared.openedLogOf(position.ownership.partition);
    // Mostly it is open: its batch was just read.
    if (log === null) return commitOpened(shared, positions, checkOwned);
    changes.push(changeOf(log, position));
  }
  return shared.commit(changes);
}

/** The same where logs must be opened first. */
async function commitOpened(
  shared: GroupShared,
  positions: readonly OwnedPosition[],
  checkOwned: (ownership: Ownership) => void,
): Promise<void> {
  const changes: PositionChange[] = [];
  for (const position of positions) {
    const { partition } = position.ownership;
    changes.push(await shared.withLog(partition, async (log) => changeOf(log, position)));
  }
  // In the step that puts them in the queue: what the next owner commits comes behind.
  for (const { ownership } of positions) checkOwned(ownership);
  await shared.commit(changes);
}

function changeOf(
  { logId, visibleOffset }: Log<Uint8Array>,
  { ownership, offset, epoch, metadata }: OwnedPosition,
): PositionChange {
  checkInteger('offset', offset, { min: 0, max: visibleOffset });
  return { partition: ownership.partition, logId, offset, epoch, metadata };
}

/** Where a committed position lets a read begin. */
export function placeOf({ offset, epoch }: CommittedPosition): ReadFrom {
  return epoch === 0 ? offset : { offset, epoch }; // 0: committed by number, not from a batch.
}

export function checkMetadata(metadata: unknown): void {
  if (typeof metadata !== 'string') throw argumentError(TypeError, 'metadata', 'text', metadata);
  if (LONE_SURROGATE.test(metadata)) {
    throw argumentError(RangeError, 'metadata', 'text without lone surrogates', metadata);
  }
  const bytes = Buffer.byteLength(metadata, 'utf8');
  if (bytes <= METADATA_BYTES_MAX) return;
  throw new TooLargeError({ what: 'metadata', bytes, bytesMax: METADATA_BYTES_MAX });
}

export function isList(
  what: CommitPosition | readonly CommitPosition[],
): what is readonly CommitPosition[] {
  return Array.isArray(what);
}
