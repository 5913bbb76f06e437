/** How far a member has come: what it may commit, and what it has yet to. */
import { argumentError } from '../core/assert.ts';
import { FencedError } from '../core/ownership-errors.ts';
import { RecordBatch } from '../log/record.ts';
import type { PartCollector } from '../transaction/commit-part.ts';
import {
  checkPosition,
  CommitRights,
  commitPositions,
  isList,
  type CommitPosition,
  type OwnedPosition,
} from './commit-positions.ts';
import type { Ownership } from './coordinator.ts';
import type { GroupShared } from './group-shared.ts';
import type { PartitionFeed } from './partition-feed.ts';
import { PositionPart } from './position-part.ts';

/** When a batch was handed out. */
interface Origin {
  /** The right under which it was. */
  readonly ownership: Ownership;
  /** What was committed by then; 0 = nothing was. */
  readonly committedOffset: number;
}

/** What a member commits: the end of a batch, positions, or all that it was given. */
export type CommitSubject<T> = RecordBatch<T> | CommitPosition | readonly CommitPosition[];

export interface MemberPositionsParts<T> {
  readonly shared: GroupShared;
  /** Of the partitions that the member reads. */
  readonly feeds: ReadonlyMap<number, PartitionFeed<T>>;
  /** Begun when it is not there. @throws FencedError for a partition that the member does not own */
  readonly feedOf: (partition: number) => PartitionFeed<T>;
  readonly isValid: (ownership: Ownership) => boolean;
  /** Calls `ended` once the member has that right no more. @returns ends that */
  readonly watch: (ownership: Ownership, ended: () => void) => () => void;
  /** What the member is told of a right that it has not. */
  readonly notOwned: (ownership: Ownership) => Error;
}

export class MemberPositions<T> {
  readonly #parts: MemberPositionsParts<T>;
  readonly #rights: CommitRights;
  readonly #origins = new WeakMap<RecordBatch<T>, Origin>();
  /** Handled and not committed by `autoCommit` yet. */
  readonly #uncommitted = new Set<number>();

  constructor(parts: MemberPositionsParts<T>) {
    this.#parts = parts;
    this.#rights = new CommitRights({
      check: (ownership) => {
        if (!parts.isValid(ownership)) throw parts.notOwned(ownership);
      },
      watch: (ownership, lost) => parts.watch(ownership, () => lost(parts.notOwned(ownership))),
    });
  }

  /** Partitions in which something is handled and not committed by `autoCommit` yet. */
  get uncommitted(): ReadonlySet<number> {
    return this.#uncommitted;
  }

  /** The member was given `batch`. */
  handedOut(batch: RecordBatch<T>, ownership: Ownership): void {
    const committedOffset = this.#parts.shared.committed(ownership.partition)?.offset ?? 0;
    this.#origins.set(batch, { ownership, committedOffset });
  }

  /** The member is done with what it was given of a partition. */
  handled(partition: number): void {
    this.#uncommitted.add(partition);
  }

  /** What was handled of a partition is not for `autoCommit` any more. */
  forget(partition: number): void {
    this.#uncommitted.delete(partition);
  }

  /** Waits until what is being prepared is committed; null = nothing is. Never rejects. */
  idle(): Promise<void> | null {
    return this.#rights.idle();
  }

  /** Whether what was handed out of it is this member's to commit. */
  owns(batch: RecordBatch<T>): boolean {
    const origin = this.#origins.get(batch);
    return origin !== undefined && this.#parts.isValid(origin.ownership);
  }

  /** Brings positions into a transaction. @throws as `commit` does at once; as `PositionPart.add` */
  bring(into: PartCollector, what: CommitSubject<T>, metadata: string): void {
    const positions = this.#positionsOf(what, metadata);
    const { shared } = this.#parts;
    into.part(PositionPart).add(into, { shared, rights: this.#rights, positions });
  }

  /** @throws TypeError, RangeError, FencedError at once; as `commitPositions` */
  commit(what: CommitSubject<T> | undefined, metadata: string): Promise<void> {
    return commitPositions(this.#parts.shared, this.#positionsOf(what, metadata), this.#rights);
  }

  /** Commits where the member stands in these, as far as it owns them. */
  async commitHandled(partitions: Iterable<number>): Promise<void> {
    const due = [...partitions].filter((partition) => this.#uncommitted.delete(partition));
    const positions = due.flatMap((partition) => this.#standing(partition));
    try {
      await commitPositions(this.#parts.shared, positions, this.#rights);
    } catch (error) {
      for (const partition of due) this.#uncommitted.add(partition); // For the next time.
      // What belongs to another one by now is read again; the rest is committed the next time.
      if (!(error instanceof FencedError)) throw error;
    }
  }

  #standing(partition: number): readonly OwnedPosition[] {
    const { feeds, isValid } = this.#parts;
    const { ownership, handled = null } = feeds.get(partition) ?? {};
    if (ownership === undefined || handled === null || !isValid(ownership)) return [];
    return [{ ownership, ...handled, metadata: '', committedOffset: null }];
  }

  #positionsOf(what: CommitSubject<T> | undefined, metadata: string): readonly OwnedPosition[] {
    const { feeds, feedOf } = this.#parts;
    if (what === undefined) {
      return [...feeds.values()].flatMap(({ ownership, position }) => {
        if (position === null) return [];
        this.#rights.check(ownership);
        return [{ ownership, ...position, metadata, committedOffset: null }];
      });
    }
    if (what instanceof RecordBatch) {
      const origin = this.#origins.get(what);
      if (origin === undefined) {
        throw argumentError(TypeError, 'batch', 'one that this member was given', what);
      }
      this.#rights.check(origin.ownership);
      const { nextOffset: offset, epoch } = what;
      return [{ ...origin, offset, epoch, metadata }];
    }
    return (isList(what) ? what : [what]).map((position) => {
      const { partition, offset } = checkPosition(position);
      const { ownership } = feedOf(partition);
      this.#rights.check(ownership);
      return { ownership, offset, epoch: 0, metadata, committedOffset: null };
    });
  }
}
