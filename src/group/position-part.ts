/** The positions that a transaction commits, of whatever consumer groups. */
import { toError } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import { settleAll } from '../core/settle-all.ts';
import { change, type Change } from '../journal/journal.ts';
import type { CommitOutcome, CommitPart, PartCollector } from '../transaction/commit-part.ts';
import { prepareChange, type CommitRights, type OwnedPosition } from './commit-positions.ts';
import type { GroupShared } from './group-shared.ts';
import { offsetsCommitted, type GroupPositions, type PositionChange } from './group-state.ts';
import { lastOfEach, positionBytesMax } from './offset-committer.ts';
import { positionConflict } from './position-claims.ts';

/** Of a UTF-16 unit in UTF-8, at most; and of a group beside its name. */
const UNIT_BYTES_MAX = 3;
const GROUP_BYTES_MAX = 64;

/** What is committed of one group; of several positions of a partition the last one that was kept counts. */
interface OfGroup {
  readonly shared: GroupShared;
  readonly positions: Positioned[];
}

interface Positioned {
  readonly position: OwnedPosition;
  readonly rights: CommitRights;
  change: PositionChange | null;
}

/** Of one member. */
export interface MemberPart {
  readonly shared: GroupShared;
  readonly rights: CommitRights;
  readonly positions: readonly OwnedPosition[];
}

export class PositionPart implements CommitPart {
  readonly #groups = new Map<string, OfGroup>();
  #tellEnded: () => void = () => undefined;
  #lost: ((reason: Error) => void) | null = null;
  readonly #unwatch: (() => void)[] = [];
  #transaction: PartCollector | null = null;

  /** All or none. @throws as `reserve`, `PositionClaims.check`; TypeError for a member of another store */
  add(into: PartCollector, { shared, rights, positions }: MemberPart): void {
    into.checkStore('member', shared.topic);
    this.#transaction = into;
    const { id, name } = shared;
    for (const { ownership } of positions) rights.claims.check(name.group, ownership, into);
    const known = this.#groups.get(id);
    let bytes = known === undefined ? GROUP_BYTES_MAX + UNIT_BYTES_MAX * id.length : 0;
    for (const position of positions) bytes += positionBytesMax(position);
    into.reserve({ bytes, positions: positions.length });
    const own = known ?? { shared, positions: [] };
    this.#groups.set(id, own);
    for (const position of positions) {
      if (isBatchBehind(own.positions, position)) continue;
      const added = { position, rights, change: null };
      own.positions.push(added);
      rights.claims.claim(position.ownership, into);
      if (this.#lost !== null) this.#watchRight(added, this.#lost);
    }
  }

  watch(lost: (reason: unknown) => void): void {
    this.#lost = lost;
    for (const { positions } of this.#groups.values()) {
      for (const each of positions) this.#watchRight(each, lost);
    }
  }

  prepare(): Promise<void> | null {
    const opening: Promise<void>[] = [];
    for (const { shared, positions } of this.#groups.values()) {
      for (const each of positions) {
        const opened = prepareOne(shared, each);
        if (opened !== null) opening.push(opened);
      }
    }
    return opening.length === 0 ? null : settleAll(opening).then(() => undefined);
  }

  /**
   * What was committed before, and is not written yet, stays in front: without a transaction, or in one of
   * the owner before, which was being committed when the partition was lost.
   */
  obstacle(): Promise<void> | null {
    for (const { shared, positions } of this.#groups.values()) {
      for (const { position, rights } of positions) {
        const pending = rights.idle() ?? shared.commitsIn([position.ownership.partition]);
        if (pending !== null) return pending;
      }
    }
    return null;
  }

  secure(): void {
    for (const { shared, positions } of this.#groups.values()) {
      for (const { position, rights } of positions) rights.check(position.ownership);
      for (const position of lastOf(positions)) checkNotPassed(shared, position);
    }
    this.#endWatch(); // It is committed whoever owns the partition from here on.
    const ended = new Promise<void>((resolve) => {
      this.#tellEnded = resolve;
    });
    for (const { shared, positions } of this.#groups.values()) {
      shared.secure(new Set(positions.map(({ position }) => position.ownership.partition)), ended);
    }
  }

  changes(nowMs: number): readonly Change[] {
    const groups: GroupPositions[] = [];
    for (const { shared, positions } of this.#groups.values()) {
      if (positions.length === 0) continue;
      const { topicId, group } = shared.name;
      const all = positions.map((each) => present(each.change, 'it was prepared'));
      groups.push({ topicId, group, positions: lastOfEach(all) });
    }
    return groups.length === 0 ? [] : [change(offsetsCommitted, { groups, timeMs: nowMs })];
  }

  appends(): readonly never[] {
    return [];
  }

  /** The next owners of the partitions may read where to begin. */
  end(_outcome: CommitOutcome): void {
    this.#endWatch();
    for (const { positions } of this.#groups.values()) {
      for (const { position, rights } of positions) {
        rights.claims.release(position.ownership, present(this.#transaction, 'it was added to'));
      }
    }
    this.#tellEnded();
  }

  #watchRight({ position, rights }: Positioned, lost: (reason: Error) => void): void {
    this.#unwatch.push(rights.watch(position.ownership, lost));
  }

  #endWatch(): void {
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
  }
}

/** Whether it is of a batch in front of what the transaction commits there already: that is done, too. */
function isBatchBehind(
  positions: readonly Positioned[],
  { ownership, offset, committedOffset }: OwnedPosition,
): boolean {
  if (committedOffset === null) return false;
  const last = positions.findLast(({ position }) => position.ownership === ownership);
  return last !== undefined && last.position.offset > offset;
}

/** Of each partition the one that counts. */
function lastOf(positions: readonly Positioned[]): Iterable<OwnedPosition> {
  return new Map(
    positions.map(({ position }) => [position.ownership.partition, position]),
  ).values();
}

/**
 * Somebody has committed more since the batch was read: to go back would have it done again. Whoever means
 * that says it by number.
 *
 * @throws ConflictError
 */
function checkNotPassed(
  shared: GroupShared,
  { ownership, offset, committedOffset }: OwnedPosition,
): void {
  if (committedOffset === null) return;
  const now = shared.committed(ownership.partition)?.offset ?? 0;
  if (now <= offset || now === committedOffset) return;
  throw positionConflict(shared.name.group, ownership, {
    stored: `${now}, since the batch was read`,
    requested: `${offset}, the end of that batch`,
  });
}

/** @returns null = its log is open. Never throws: others may be on their way, and must be waited for */
function prepareOne(shared: GroupShared, each: Positioned): Promise<void> | null {
  try {
    const prepared = prepareChange(shared, each.position);
    if (prepared instanceof Promise) return take(each, prepared);
    each.change = prepared;
    return null;
  } catch (error) {
    return Promise.reject(toError(error));
  }
}

async function take(each: Positioned, prepared: Promise<PositionChange>): Promise<void> {
  each.change = await prepared;
}
