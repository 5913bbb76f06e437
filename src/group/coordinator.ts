/**
 * The members of one consumer group, and who of them reads which partition.
 *
 * Cooperative, as KIP-429: a partition that shall change hands stays with its owner until that one
 * comes for its next batch, and so has done with the last; all others are read on meanwhile. A
 * member that does not come within `pollMsMax` loses what it has, without being asked.
 *
 * All members are in this process, so the state is in memory; time is the store's clock.
 */
import { assert, checkInteger, present } from '../core/assert.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { assign } from './assignment.ts';

/** The right of one member to one partition, from when it is given to when it ends. */
export interface Ownership {
  readonly partition: number;
  /** Grows with each owner of the partition. */
  readonly ownerEpoch: number;
}

export interface MemberOptions {
  /** Longest time between two polls. */
  readonly pollMsMax: number;
  /** Called when it should poll soon: partitions came, or shall go. Must not throw. */
  readonly onChange: () => void;
}

interface Member {
  readonly id: string;
  readonly options: MemberOptions;
  readonly owned: Map<number, Ownership>;
  /** Monotonic time at which its last poll began, or what it got was handed over. */
  seenMs: number;
  /** It waits in a poll, and so is alive. */
  isWaiting: boolean;
}

/** Hears of what happens in a group. Must not throw. */
export interface GroupObserver {
  joined(member: string): void;
  /** @param partitions  what it lost by that */
  left(member: string, reason: 'closed' | 'expired', partitions: readonly number[]): void;
  /** @param assignment  by partition: who shall read it */
  rebalanced(assignment: readonly (string | null)[]): void;
}

export interface CoordinatorOptions {
  readonly clock: Clock;
  /** It may grow. */
  readonly partitionCount: () => number;
  readonly observer: GroupObserver | null;
  /** One member reads everything, the others wait for their turn. */
  readonly isSingle: boolean;
}

export class GroupCoordinator {
  readonly #options: CoordinatorOptions;
  /** In the order in which they joined. */
  readonly #members = new Map<string, Member>();
  readonly #ownerEpochs: number[] = [];
  /** What is to be called when a right ends. */
  readonly #watchers = new Map<Ownership, Set<() => void>>();
  #owners: (string | null)[] = [];
  #target: (string | null)[] = [];
  #joinCount = 0;
  #timer: Timer | null = null;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  /** Ids of the members, in the order in which they joined. */
  get members(): readonly string[] {
    return [...this.#members.keys()];
  }

  /** By partition: who reads it now; null = nobody. */
  get owners(): readonly (string | null)[] {
    return this.#owners;
  }

  /** @returns the new member's id */
  join(options: MemberOptions): string {
    const id = `member-${++this.#joinCount}`;
    const seenMs = this.#options.clock.monotonic();
    this.#members.set(id, { id, options, owned: new Map(), seenMs, isWaiting: false });
    this.#options.observer?.joined(id);
    this.#rebalance();
    this.#armTimer();
    return id;
  }

  /** The member goes, and what it has goes to others at once. No effect for one that went. */
  leave(id: string, reason: 'closed' | 'expired' = 'closed'): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    for (const partition of member.owned.keys()) this.#owners[partition] = null;
    this.#options.observer?.left(id, reason, [...member.owned.keys()]);
    this.#rebalance();
    this.#tellEnded([...member.owned.values()]);
  }

  /**
   * The member comes for its next batch.
   *
   * @returns the partitions that it shall give up; null when it was taken for dead: it must join
   *   again
   */
  poll(id: string): readonly number[] | null {
    const member = this.#members.get(id);
    if (member === undefined) return null;
    member.isWaiting = true;
    return [...member.owned.keys()].filter((partition) => this.#target[partition] !== id);
  }

  /** There may be more partitions now. */
  grown(): void {
    if (this.#members.size > 0) this.#rebalance();
  }

  /** It has what it came for and goes to work: from now on `pollMsMax` counts. */
  polled(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    member.isWaiting = false;
    member.seenMs = this.#options.clock.monotonic();
    this.#armTimer();
  }

  /** The member reads these no more; whoever shall have them gets them. */
  giveUp(id: string, partitions: readonly number[]): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    const ended: Ownership[] = [];
    for (const partition of partitions) {
      assert(this.#owners[partition] === id, 'only its owner gives a partition up');
      ended.push(present(member.owned.get(partition), 'what is owned is known'));
      member.owned.delete(partition);
      this.#owners[partition] = null;
    }
    this.#grant();
    this.#tellEnded(ended);
  }

  /** What the member may read. */
  ownedBy(id: string): readonly Ownership[] {
    return [...(this.#members.get(id)?.owned.values() ?? [])];
  }

  /** Null when it is not the member's. @throws TypeError, RangeError for a partition that is not there */
  ownershipOf(id: string, partition: number): Ownership | null {
    const max = Math.max(0, this.#options.partitionCount() - 1); // A topic that is deleted has none.
    checkInteger('partition', partition, { min: 0, max });
    return this.#members.get(id)?.owned.get(partition) ?? null;
  }

  /** The partitions of that, ascending. */
  assignmentOf(id: string): readonly number[] {
    const partitions = this.ownedBy(id).map(({ partition }) => partition);
    return partitions.toSorted((one, two) => one - two);
  }

  /** Whether the member may still commit what it read under this right. */
  isValid(id: string, { partition, ownerEpoch }: Ownership): boolean {
    return this.#members.get(id)?.owned.get(partition)?.ownerEpoch === ownerEpoch;
  }

  /**
   * Calls `ended`, which must not throw, once the right is the member's no more; at once when it is not.
   *
   * @returns ends that
   */
  watch(id: string, { partition, ownerEpoch }: Ownership, ended: () => void): () => void {
    const right = this.#members.get(id)?.owned.get(partition);
    if (right?.ownerEpoch !== ownerEpoch) {
      ended();
      return () => undefined;
    }
    const watchers = this.#watchers.get(right) ?? new Set();
    this.#watchers.set(right, watchers);
    watchers.add(ended);
    return () => {
      watchers.delete(ended);
      if (watchers.size === 0) this.#watchers.delete(right);
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Last of all: who hears of it may do anything. */
  #tellEnded(rights: readonly Ownership[]): void {
    for (const right of rights) {
      const watchers = [...(this.#watchers.get(right) ?? [])];
      this.#watchers.delete(right);
      for (const ended of watchers) ended();
    }
  }

  #rebalance(): void {
    const before = this.#target;
    this.#target = assign({
      partitionCount: this.#options.partitionCount(),
      owners: this.#owners,
      members: this.members,
      isSingle: this.#options.isSingle,
    });
    if (!isSame(before, this.#target)) this.#options.observer?.rebalanced([...this.#target]);
    this.#grant();
    for (const { id, options, owned } of this.#members.values()) {
      if ([...owned.keys()].some((partition) => this.#target[partition] !== id)) options.onChange();
    }
  }

  /** Gives what nobody has to whom it is meant for. */
  #grant(): void {
    const changed = new Set<Member>();
    for (const [partition, id] of this.#target.entries()) {
      const isFree = (this.#owners[partition] ?? null) === null;
      if (!isFree) continue;
      this.#owners[partition] = id;
      if (id === null) continue;
      const member = present(this.#members.get(id), 'partitions are meant for members');
      const ownerEpoch = (this.#ownerEpochs[partition] ?? 0) + 1;
      this.#ownerEpochs[partition] = ownerEpoch;
      member.owned.set(partition, { partition, ownerEpoch });
      changed.add(member);
    }
    for (const { options } of changed) options.onChange();
  }

  /** One timer for all: for the member that is the first to run out of time. */
  #armTimer(): void {
    this.#timer?.cancel();
    const deadlines = [...this.#members.values()]
      .filter(({ isWaiting }) => !isWaiting)
      .map(deadlineOf);
    const { clock } = this.#options;
    const delayMs = Math.max(0, Math.min(...deadlines) - clock.monotonic());
    this.#timer = deadlines.length === 0 ? null : clock.setTimer(() => this.#expire(), delayMs);
  }

  #expire(): void {
    const nowMs = this.#options.clock.monotonic();
    const late = [...this.#members.values()].filter(
      (member) => !member.isWaiting && deadlineOf(member) <= nowMs,
    );
    for (const { id, options } of late) {
      this.leave(id, 'expired');
      options.onChange();
    }
    this.#armTimer();
  }
}

function isSame(one: readonly (string | null)[], two: readonly (string | null)[]): boolean {
  return one.length === two.length && one.every((member, at) => member === two[at]);
}

function deadlineOf({ seenMs, options }: Member): number {
  return seenMs + options.pollMsMax;
}
