/** All consumer groups of a store: joining them, looking at them, setting them back, deleting them. */
import { ConflictError, NotFoundError } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import { Mutex } from '../core/mutex.ts';
import { settleAll } from '../core/settle-all.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { GroupPlace } from '../topic/store-events.ts';
import { checkName } from '../topic/topic-names.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { checkChosen } from '../topic/topic-options.ts';
import type { Topic } from '../topic/topic.ts';
import { ConsumerGroup } from './consumer-group.ts';
import { GroupCoordinator, type GroupObserver } from './coordinator.ts';
import {
  checkReset,
  checkResetOptions,
  lagOf,
  partitionsOf,
  resetOf,
  type PartitionLag,
  type PartitionReset,
  type ResetOptions,
  type ResetTo,
} from './group-admin.ts';
import { resolveGroupOptions, type GroupOptions } from './group-options.ts';
import type { GroupShared } from './group-shared.ts';
import {
  groupDeleted,
  groupId,
  groupNameOf,
  groupReset,
  groups,
  type CommittedPosition,
  type GroupName,
} from './group-state.ts';
import type { TopicHome } from '../topic/topic-home.ts';
import { countsOf, type UnfinishedCount } from '../topic/unfinished-passed.ts';
import { OffsetCommitter } from './offset-committer.ts';
import { SecuredPositions } from './secured-positions.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { PartitionLog } from '../topic/partition-log.ts';

export interface GroupsParts {
  readonly journal: Journal;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly signals: StoreSignals;
  readonly transactions: TransactionRegistry;
  readonly unfinishedOf: TopicHome['unfinishedOf'];
}

/** A group, as `list` names it. */
export interface GroupListing {
  readonly topicId: number;
  readonly name: string;
  /** Members in this process. */
  readonly memberCount: number;
}

export interface GroupDescription {
  readonly name: string;
  readonly topic: string;
  /** Members in this process, in the order in which they joined, and what they read. */
  readonly members: readonly { readonly id: string; readonly partitions: readonly number[] }[];
  readonly partitions: readonly PartitionLag[];
  /** What retention took, or archived to take, that it had not passed: as of `TopicDescription`. */
  readonly unfinishedCounts: readonly UnfinishedCount[];
}

interface ActiveGroup {
  readonly shared: GroupShared;
  /** Ends what was begun for it. */
  readonly end: () => void;
  readonly isSingle: boolean;
  readonly members: Set<ConsumerGroup<unknown>>;
}

export class ConsumerGroups {
  readonly #parts: GroupsParts;
  /** Those with members, by id. */
  readonly #active = new Map<string, ActiveGroup>();
  /** Resets and deletions one after the other: each is decided on what the one before left. */
  readonly #changes = new Mutex();
  readonly #committer: OffsetCommitter;
  readonly #secured = new SecuredPositions();
  #isClosed = false;

  constructor(parts: GroupsParts) {
    const isCommitted = (group: GroupName, partition: number) =>
      this.#committed(groupId(group), partition) !== null;
    this.#committer = new OffsetCommitter({ ...parts, isCommitted });
    this.#parts = parts;
  }

  /**
   * Joins a group as a new member, behind a reset or a deletion that is on its way: it must not begin
   * where the group stood before.
   *
   * @throws TypeError, RangeError; ConflictError for `singleActive`; ClosedError when the store is
   *   being closed: nobody would close the member
   */
  join<T, Input>(
    topic: Topic<T, Input>,
    name: string,
    options: GroupOptions,
  ): Promise<ConsumerGroup<T>> {
    return this.#changes.run(() => Promise.resolve(this.#join(topic, name, options)));
  }

  #join<T, Input>(topic: Topic<T, Input>, name: string, options: GroupOptions): ConsumerGroup<T> {
    checkName('name', name);
    const settings = resolveGroupOptions(options);
    topic.partitions.checkThere();
    if (this.#isClosed) throw topic.partitions.closedError();
    const id = groupId({ topicId: topic.partitions.topicId, group: name });
    const active = this.#active.get(id) ?? this.#activate(topic.partitions, name, settings);
    if (active.isSingle !== settings.singleActive) {
      throw new ConflictError({
        kind: 'consumer group',
        name,
        stored: `singleActive ${active.isSingle}`,
        requested: `singleActive ${settings.singleActive}`,
      });
    }
    const onClosed = () => {
      active.members.delete(member);
      if (active.members.size > 0) return;
      active.end();
      this.#active.delete(id);
    };
    const member: ConsumerGroup<T> = new ConsumerGroup({
      topic,
      shared: active.shared,
      settings,
      onClosed,
    });
    this.#active.set(id, active);
    active.members.add(member);
    return member;
  }

  /** Groups that committed something or have members. */
  list(): readonly GroupListing[] {
    const { fold } = this.#parts;
    const ids = new Set([...fold.ids(groups), ...this.#active.keys()]);
    return [...ids].map((id) => ({ ...groupNameOf(id), memberCount: this.#memberCount(id) }));
  }

  /** How far a group is behind, partition by partition. @throws NotFoundError */
  async describe(topic: PartitionSet, name: string): Promise<GroupDescription> {
    topic.checkThere();
    const id = this.#known(topic, name);
    const coordinator = this.#active.get(id)?.shared.coordinator ?? null;
    const members = (coordinator?.members ?? []).map((member) => ({
      id: member,
      partitions: (coordinator?.ownedBy(member) ?? []).map(({ partition }) => partition),
    }));
    const { clock, unfinishedOf } = this.#parts;
    const partitions = await onEach(topic, range(topic.count), (log) =>
      lagOf(log, this.#committed(id, log.partition), clock),
    );
    const unfinishedCounts = countsOf(unfinishedOf(topic.topicId), 'consumer', name);
    return { name, topic: topic.name, members, partitions, unfinishedCounts };
  }

  /**
   * Sets a group's positions.
   *
   * @returns what changes, or with `dryRun` what would
   * @throws ConflictError while the group has members; TypeError, RangeError
   */
  reset(
    topic: PartitionSet,
    name: string,
    to: ResetTo,
    options: ResetOptions,
  ): Promise<readonly PartitionReset[]> {
    return this.#changes.run(() => this.#reset(topic, name, to, options));
  }

  async #reset(
    topic: PartitionSet,
    name: string,
    to: ResetTo,
    options: ResetOptions,
  ): Promise<readonly PartitionReset[]> {
    topic.checkThere();
    checkName('name', name);
    checkReset(to);
    const { partitions, dryRun } = checkResetOptions(options);
    const { clock, journal } = this.#parts;
    const { topicId } = topic;
    const id = groupId({ topicId, group: name });
    await this.#checkInactive(id, name, 'to be reset');
    const chosen = partitionsOf(to, partitions, topic.count);
    for (const partition of chosen) checkChosen(partition, topic.count);
    const found = await onEach(topic, chosen, async (log) => {
      const committed = this.#committed(id, log.partition);
      return { reset: await resetOf(log, committed, { to, clock }), logId: log.log.logId };
    });
    const resets = found.map(({ reset }) => reset);
    if (dryRun) return resets;
    await this.#checkInactive(id, name, 'to be reset'); // Somebody may have joined meanwhile.
    topic.checkThere(); // Or deleted it.
    const positions = found.map(({ reset: { partition, to: offset }, logId }) => ({
      partition,
      logId,
      offset,
      epoch: 0,
      metadata: '',
    }));
    await journal.append(
      groupReset,
      { topicId, group: name, positions, timeMs: clock.now() },
      'sync',
    );
    return resets;
  }

  /** Forgets a group's positions. @throws NotFoundError; ConflictError while it has members */
  delete(topic: PartitionSet, name: string): Promise<void> {
    return this.#changes.run(async () => {
      topic.checkThere();
      const id = this.#known(topic, name);
      await this.#checkInactive(id, name, 'to be deleted');
      const { topicId } = topic;
      await this.#parts.journal.append(groupDeleted, { topicId, group: name }, 'sync');
    });
  }

  /**
   * Runs `action` while nobody joins a group, sets it back or deletes it, and behind what it commits.
   *
   * @param action  gets whether it has members in this process, which commit as they like
   */
  whileStill<R>(name: GroupName, action: (isUsed: boolean) => Promise<R>): Promise<R> {
    return this.#changes.run(async () => {
      await this.#idle(groupId(name));
      return action(this.#memberCount(groupId(name)) > 0);
    });
  }

  /**
   * Ends the members of all groups of a topic that is deleted, and forgets their positions. Idempotent.
   *
   * @returns the names of the groups
   * @throws as `Journal.append`
   */
  forgetTopic(topicId: number): Promise<readonly string[]> {
    return this.#changes.run(async () => {
      const { journal, fold } = this.#parts;
      const active = [...this.#active].filter(([id]) => isOf(topicId, id));
      // Behind what they committed: a position that came later would bring its group back.
      await Promise.allSettled(
        active.flatMap(([, { members }]) => [...members].map((member) => member.close())),
      );
      // Of what was still being prepared when its member closed.
      await Promise.all(active.map(([id]) => this.#idle(id)));
      const ids = fold.ids(groups).filter((id) => isOf(topicId, id));
      const names = ids.map((id) => groupNameOf(id).name);
      await settleAll(names.map((group) => journal.append(groupDeleted, { topicId, group }, 'os')));
      return [...new Set([...names, ...active.map(([id]) => groupNameOf(id).name)])].toSorted();
    });
  }

  /** Closes every member. @throws the first failure, when all are closed */
  async close(): Promise<void> {
    this.#isClosed = true;
    const members = [...this.#active.values()].flatMap((group) => [...group.members]);
    await settleAll(members.map((member) => member.close()));
  }

  #activate(
    partitions: PartitionSet,
    group: string,
    { singleActive }: { readonly singleActive: boolean },
  ): ActiveGroup {
    const { clock, transactions } = this.#parts;
    const name = { topicId: partitions.topicId, group };
    const id = groupId(name);
    const coordinator = new GroupCoordinator({
      clock,
      partitionCount: () => partitions.count,
      isSingle: singleActive,
      observer: this.#observer({ topic: partitions.name, group }),
    });
    const unwatch = partitions.watch(() => coordinator.grown());
    const end = (): void => {
      unwatch();
      coordinator.close();
    };
    const shared: GroupShared = {
      name,
      id,
      clock,
      coordinator,
      commit: (changes) => this.#committer.commit(name, changes),
      commitStarts: (starts) => this.#committer.commitStarts(name, starts),
      commitsIdle: () => this.#idle(id),
      commitsIn: (chosen) => this.#commitsIn(shared, chosen),
      secure: (chosen, ended) => this.#secured.add(id, chosen, ended),
      securedIn: (chosen) => this.#secured.of(id, chosen),
      transactions,
      committed: (partition) => this.#committed(id, partition),
      openedLogOf: (partition) => partitions.at(partition).opened,
      withLog: (partition, action) => partitions.at(partition).use(action),
      topic: partitions,
    };
    return { shared, end, isSingle: singleActive, members: new Set() };
  }

  #observer(place: GroupPlace): GroupObserver {
    const { events } = this.#parts.signals;
    return {
      joined: (member) => events.emit('member-joined', { ...place, member }),
      left: (member, reason, partitions) =>
        events.emit('member-left', { ...place, member, reason, partitions }),
      rebalanced: (assignment) => events.emit('group-rebalanced', { ...place, assignment }),
    };
  }

  #committed(id: string, partition: number): CommittedPosition | null {
    return this.#parts.fold.get(groups, id)?.positions.get(partition) ?? null;
  }

  #commitsIn({ id, name }: GroupShared, partitions: readonly number[]): Promise<void> | null {
    const plain = partitions.map((partition) => this.#committer.pendingIn(name, partition));
    const all = [this.#secured.of(id, partitions), ...plain].filter((one) => one !== null);
    return all.length === 0 ? null : Promise.all(all).then(() => undefined);
  }

  /** Waits for what was committed in the group, in transactions too. */
  async #idle(id: string): Promise<void> {
    for (;;) {
      await this.#committer.idle();
      const secured = this.#secured.of(id, null);
      if (secured === null) return;
      await secured;
    }
  }

  #known({ topicId }: PartitionSet, name: string): string {
    checkName('name', name);
    const id = groupId({ topicId, group: name });
    if (this.#active.has(id) || this.#parts.fold.get(groups, id) !== null) return id;
    throw new NotFoundError({ kind: 'consumer group', name });
  }

  /** Those that are alive: one that was taken for dead, and never closed, does not count. */
  #memberCount(id: string): number {
    return this.#active.get(id)?.shared.coordinator.members.length ?? 0;
  }

  /** Waits for what members committed that are gone: no commit shall come later than what follows. */
  async #checkInactive(id: string, name: string, requested: string): Promise<void> {
    await this.#idle(id);
    const memberCount = this.#memberCount(id);
    if (memberCount === 0) return;
    const stored = memberCount === 1 ? '1 member' : `${memberCount} members`;
    throw new ConflictError({ kind: 'consumer group', name, stored, requested });
  }
}

function isOf(topicId: number, id: string): boolean {
  return groupNameOf(id).topicId === topicId;
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** Runs `action` on the logs of partitions, each of which is open meanwhile. */
function onEach<R>(
  topic: PartitionSet,
  partitions: readonly number[],
  action: (log: PartitionLog) => Promise<R>,
): Promise<readonly R[]> {
  return Promise.all(
    partitions.map((partition) => topic.at(partition).use((log) => action({ partition, log }))),
  );
}
