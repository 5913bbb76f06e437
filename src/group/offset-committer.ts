/**
 * Commits positions for all groups of a store: what arrives while an entry is on its way shares the
 * next one, whatever group it is of. So a thousand groups cost one entry, and one fdatasync.
 */
import type { Clock } from '../core/clock.ts';
import { MIB } from '../core/limits.ts';
import type { Journal } from '../journal/journal.ts';
import {
  offsetsCommitted,
  type GroupName,
  type GroupPositions,
  type PositionChange,
} from './group-state.ts';

export interface OffsetCommitterOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** Whether the group has a position there, as far as the journal is written. */
  readonly isCommitted: (group: GroupName, partition: number) => boolean;
}

/** What one group commits; of several for one partition the last one counts. */
interface GroupChanges extends GroupPositions {
  /** Where it begins, unless it has a position there by then. */
  readonly starts: PositionChange[];
}

/** What shares an entry. */
interface Round {
  readonly groups: Map<GroupName, GroupChanges>;
  sizeBytes: number;
  readonly done: Promise<void>;
}

/** An entry that is so large takes no more. */
const ENTRY_BYTES = MIB;
/** Of a position without its metadata, encoded, at most. */
const POSITION_BYTES = 32;
/** Of a UTF-16 unit in UTF-8, at most. */
const UNIT_BYTES_MAX = 3;

export class OffsetCommitter {
  readonly #options: OffsetCommitterOptions;
  /** Takes what comes; null = nothing waits. */
  #open: Round | null = null;
  /** Those that are not written, oldest first. */
  readonly #rounds = new Set<Round>();
  /** The last entry that was begun. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: OffsetCommitterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the positions are synced.
   *
   * @param group  the same object for every commit of the group
   * @throws as `Journal.append`
   */
  commit(group: GroupName, changes: readonly PositionChange[]): Promise<void> {
    return this.#add(group, 'positions', changes);
  }

  /** The same, where the group has no position, and nobody commits one in front of these. */
  commitStarts(group: GroupName, changes: readonly PositionChange[]): Promise<void> {
    return this.#add(group, 'starts', changes);
  }

  /** Waits for everything that was committed so far, whatever becomes of it. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** The last round with a position of the group there; null = there is none. Never rejects. */
  pendingIn(group: GroupName, partition: number): Promise<void> | null {
    let last: Round | null = null;
    const isThere = (change: PositionChange) => change.partition === partition;
    for (const round of this.#rounds) {
      const own = round.groups.get(group);
      if (own?.positions.some(isThere) || own?.starts.some(isThere)) last = round;
    }
    return last?.done.catch(() => undefined) ?? null;
  }

  #add(
    group: GroupName,
    what: 'positions' | 'starts',
    changes: readonly PositionChange[],
  ): Promise<void> {
    if (this.#open !== null && this.#open.sizeBytes >= ENTRY_BYTES) this.#open = null;
    const round = (this.#open ??= this.#begin());
    let own = round.groups.get(group);
    if (own === undefined) {
      const { topicId, group: name } = group;
      own = { topicId, group: name, positions: [], starts: [] };
      round.groups.set(group, own);
      round.sizeBytes += UNIT_BYTES_MAX * name.length;
    }
    for (const change of changes) {
      own[what].push(change);
      round.sizeBytes += positionBytesMax(change);
    }
    return round.done;
  }

  #begin(): Round {
    const groups = new Map<GroupName, GroupChanges>();
    const done = this.#last.then(() => this.#write(groups));
    const round = { groups, sizeBytes: 0, done };
    this.#rounds.add(round);
    const over = (): void => void this.#rounds.delete(round);
    this.#last = done.then(over, over); // The next one does not depend on its fate.
    return round;
  }

  async #write(changes: Round['groups']): Promise<void> {
    if (this.#open?.groups === changes) this.#open = null;
    const { journal, clock, isCommitted } = this.#options;
    for (const [name, own] of changes) {
      // All that was committed in front of it is written by now.
      const isFirst = ({ partition }: PositionChange) => !isCommitted(name, partition);
      if (own.starts.length > 0) own.positions.unshift(...own.starts.filter(isFirst));
      own.positions = lastOfEach(own.positions);
    }
    const groups = [...changes.values()].filter(({ positions }) => positions.length > 0);
    if (groups.length === 0) return;
    await journal.append(offsetsCommitted, { groups, timeMs: clock.now() }, 'sync');
  }
}

/** Of a position in an entry. */
export function positionBytesMax({ metadata }: Pick<PositionChange, 'metadata'>): number {
  return POSITION_BYTES + UNIT_BYTES_MAX * metadata.length;
}

/** One position per partition: the one that was committed last. */
export function lastOfEach(positions: PositionChange[]): PositionChange[] {
  if (positions.length === 1) return positions;
  return [...new Map(positions.map((change) => [change.partition, change])).values()];
}
