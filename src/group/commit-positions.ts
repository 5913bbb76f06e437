/** What a member commits: checked, and journaled under the right that it was read with. */
import { argumentError, checkInteger } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
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

/** What one member may commit, in the order in which it asks for it. */
export class CommitRights {
  /** Throws when the member has lost that right. */
  readonly check: (ownership: Ownership) => void;
  /** The last commit that is being prepared: one whose log is not open yet takes longer. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(check: (ownership: Ownership) => void) {
    this.check = check;
  }

  /** Waits for what is prepared, and for all that the member began to prepare before. */
  inOrder<T>(prepared: Promise<T>): Promise<T> {
    const ready = this.#turn.then(() => prepared);
    this.#turn = ready.catch(() => undefined);
    prepared.catch(() => undefined); // It is heard of when it is its turn.
    return ready;
  }
}

const METADATA_BYTES_MAX = 4096;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Commits positions, none of which may be beyond what readers see.
 *
 * @throws FencedError; RangeError; as `Journal.append`
 */
export async function commitPositions(
  shared: GroupShared,
  positions: readonly OwnedPosition[],
  rights: CommitRights,
): Promise<void> {
  if (positions.length === 0) return;
  const prepared = Promise.all(positions.map((position) => changeOf(shared, position)));
  const changes = await rights.inOrder(prepared);
  // In the step that puts them in the queue: what the next owner commits comes behind.
  for (const { ownership } of positions) rights.check(ownership);
  await shared.committer.commit(changes);
}

async function changeOf(shared: GroupShared, position: OwnedPosition): Promise<PositionChange> {
  const { ownership, offset, epoch, metadata } = position;
  const { partition } = ownership;
  const { logId, visibleOffset } = await shared.logOf(partition);
  checkInteger('offset', offset, { min: 0, max: visibleOffset });
  return { partition, logId, offset, epoch, metadata };
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
