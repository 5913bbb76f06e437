/** What a member commits: checked, and journaled under the right that it was read with. */
import { argumentError, checkInteger } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import type { Log } from '../log/log.ts';
import { plainOptions } from '../core/options.ts';
import { LogRecord } from '../log/record.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { Ownership } from './coordinator.ts';
import type { GroupShared } from './group-shared.ts';
import type { CommittedPosition, PositionChange } from './group-state.ts';
import { PositionClaims } from './position-claims.ts';

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
  /** Of a batch: what was committed when the member was given it. Null = given by number, on purpose. */
  readonly committedOffset: number | null;
}

/** What one member may commit, in the order in which it asks for it. */
export class CommitRights {
  /** Throws when the member has lost that right. */
  readonly check: (ownership: Ownership) => void;
  /** Calls `lost` with what `check` would throw, once the right is lost. @returns ends that */
  readonly watch: (ownership: Ownership, lost: (reason: Error) => void) => () => void;
  readonly claims = new PositionClaims();
  /** One behind the other: to prepare one whose log is not open yet takes longer. */
  readonly #turns = new Mutex();
  #preparingCount = 0;

  constructor({ check, watch }: Pick<CommitRights, 'check' | 'watch'>) {
    this.check = check;
    this.watch = watch;
  }

  /** Whether a commit is being prepared, which others must stay behind. */
  get isBusy(): boolean {
    return this.#preparingCount > 0;
  }

  /** Waits until what is being prepared is committed behind each other; null = nothing is. Never rejects. */
  idle(): Promise<void> | null {
    return this.isBusy ? this.#turns.run(() => Promise.resolve()) : null;
  }

  /** Does `then` with what is prepared, behind all that the member began to prepare before. */
  async inOrder<T>(prepared: Promise<T>, then: (value: T) => Promise<void>): Promise<void> {
    this.#preparingCount++;
    prepared.catch(() => undefined); // It is heard of when it is its turn.
    const { done } = await this.#turns.run(async () => {
      try {
        return { done: then(await prepared) }; // In this step: what is committed later comes behind.
      } finally {
        this.#preparingCount--;
      }
    });
    await done;
  }
}

const METADATA_BYTES_MAX = 4096;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Commits positions, none of which may be beyond what readers see.
 *
 * @param positions  of partitions that the member owns now
 * @throws FencedError; RangeError; as `Journal.append`
 */
export function commitPositions(
  shared: GroupShared,
  positions: readonly OwnedPosition[],
  rights: CommitRights,
): Promise<void> {
  if (positions.length === 0) return Promise.resolve();
  if (rights.isBusy || securedOf(shared, positions) !== null) {
    return commitInOrder(shared, positions, rights);
  }
  const changes: PositionChange[] = [];
  for (const position of positions) {
    const log = shared.openedLogOf(position.ownership.partition);
    // Mostly it is open: its batch was just read.
    if (log === null) return commitInOrder(shared, positions, rights);
    changes.push(changeOf(log, position));
  }
  return shared.commit(changes);
}

/** What a transaction commits in the same partitions stays in front. */
function securedOf(shared: GroupShared, positions: readonly OwnedPosition[]): Promise<void> | null {
  return shared.securedIn(positions.map(({ ownership }) => ownership.partition));
}

/** The same where logs must be opened first, or are for a commit before, or a transaction is on its way. */
function commitInOrder(
  shared: GroupShared,
  positions: readonly OwnedPosition[],
  rights: CommitRights,
): Promise<void> {
  const prepared = Promise.all(positions.map(async (position) => prepareChange(shared, position)));
  const secured = securedOf(shared, positions);
  const ready = secured === null ? prepared : secured.then(() => prepared);
  return rights.inOrder(ready, (changes) => {
    // In the step that puts them in the queue: what the next owner commits comes behind.
    for (const { ownership } of positions) rights.check(ownership);
    return shared.commit(changes);
  });
}

/** @returns at once where the log is open: mostly, for its batch was just read. @throws as `changeOf` */
export function prepareChange(
  shared: GroupShared,
  position: OwnedPosition,
): PositionChange | Promise<PositionChange> {
  const { partition } = position.ownership;
  const opened = shared.openedLogOf(partition);
  if (opened !== null) return changeOf(opened, position);
  return shared.withLog(partition, async (log) => changeOf(log, position));
}

/** @throws RangeError for a position beyond what readers see */
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

const KNOWN: ReadonlySet<string> = new Set<keyof CommitOptions>(['metadata']);

/** @throws TypeError, RangeError, TooLargeError */
export function metadataOf(options: CommitOptions | undefined): string {
  if (options === undefined) return '';
  const { metadata = '' } = plainOptions(options, KNOWN);
  checkMetadata(metadata);
  return metadata;
}

/** @throws TypeError, RangeError */
export function checkPosition(position: CommitPosition): CommitPosition {
  if (position instanceof LogRecord) {
    const expected = 'a batch or a position: { partition, offset }, the next offset to read';
    throw argumentError(TypeError, 'position', expected, position);
  }
  if (position === null || typeof position !== 'object') {
    throw argumentError(TypeError, 'position', 'a batch or { partition, offset }', position);
  }
  checkInteger('offset', position.offset, { min: 0 });
  return position;
}

function checkMetadata(metadata: unknown): void {
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
