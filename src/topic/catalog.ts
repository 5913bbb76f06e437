/**
 * The topics of a store: what the journal says of them, and the changes to it.
 *
 * Files first, then the entry: a topic exists when the journal says so, and its logs are there then.
 * The other way round when one is deleted: an entry that is durable comes before the first unlink.
 */
import { NotFoundError, ReadOnlyError, type ClosedError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import { randomId } from '../core/random.ts';
import { settleAll } from '../core/settle-all.ts';
import type { Journal } from '../journal/journal.ts';
import type { Partition } from './partition.ts';
import { PartitionSet } from './partition-set.ts';
import type { TrimGuard } from '../log/trim-guard.ts';
import { checkNoCompactedSource } from './compaction-conflicts.ts';
import { dedupGuard } from './dedup-guard.ts';
import type { DedupFigures } from './dedup-figures.ts';
import { checkNotUntilSettled } from './dedup-options.ts';
import { TopicChanges, type TopicChangesParts } from './topic-changes.ts';
import { describeTopic, type TopicDescription } from './topic-description.ts';
import { TopicDeletions, type TopicDeletion, type TopicUsers } from './topic-deletions.ts';
import { storeClosed, type TopicHome } from './topic-home.ts';
import { checkName } from './topic-names.ts';
import {
  checkPartitions,
  checkTopicOptions,
  conflictOf,
  newSettings,
  type TopicConfig,
  type TopicOptions,
} from './topic-options.ts';
import { topicCreated, topicDeleting, topics, type TopicState } from './topic-state.ts';
import type { TopicParts } from './topic.ts';
import { checkArchive, type ArchiveTopics } from './unfinished-options.ts';

/** Those that build on topics, and must know what becomes of them. */
export interface TopicDependents extends Pick<
  TopicChangesParts,
  'isQueue' | 'settledGroup' | 'whileGroupsStand' | 'grown'
> {
  /** Ends what reads a deleted topic, and forgets its positions and what leads to it */
  forget(topicId: number): Promise<TopicUsers>;
}

/** What is made when it is not there. */
interface TopicRequest extends TopicConfig {
  readonly partitions?: number | undefined;
  readonly create: boolean;
  readonly willBeQueue: boolean;
}

const PARTITIONS = 1;

export class TopicCatalog {
  readonly #home: TopicHome;
  /** By topic id; those that were used since the store was opened. */
  readonly #sets = new Map<number, PartitionSet>();
  /** Changes one after the other: two openers of one name must not both create it. */
  readonly #turns = new Mutex();
  /** Changes of topics that are there. */
  readonly changes: TopicChanges;
  /** Ids by name; of topics whose creation is durable. */
  readonly #ids: Map<string, number>;
  readonly #deletions: TopicDeletions;
  readonly #archives: ArchiveTopics = {
    at: (name) => this.#stateAt(name)?.options ?? null,
    names: () => this.#ids.keys(),
  };
  #isClosed = false;

  constructor(home: TopicHome, dependents: TopicDependents) {
    this.#home = home;
    this.#ids = new Map(this.#live().map(([topicId, { name }]) => [name, topicId]));
    this.changes = new TopicChanges({
      home,
      turns: this.#turns,
      describe: (name) => this.describe(name),
      stateOf: (topicId, name) => this.#stateOf(topicId, name),
      set: (topicId, name) => this.#set(topicId, name),
      checkSound: (operation) => this.#checkSound(operation),
      archives: this.#archives,
      isQueue: (topicId) => dependents.isQueue(topicId),
      settledGroup: (topicId, except) => dependents.settledGroup(topicId, except),
      whileGroupsStand: (action) => dependents.whileGroupsStand(action),
      grown: (topicId) => dependents.grown(topicId),
    });
    this.#deletions = new TopicDeletions({
      home,
      release: async (topicId) => {
        const users = await dependents.forget(topicId);
        // Nobody needs what could not be written any more.
        await this.#sets
          .get(topicId)
          ?.close()
          .catch(() => undefined);
        this.#sets.delete(topicId);
        return users;
      },
    });
  }

  /** Topics whose deletion has begun, and not ended. */
  get deletingIds(): readonly number[] {
    const { fold } = this.#home;
    const ids = fold.ids(topics).filter((id) => fold.get(topics, id)?.isDeleting === true);
    return ids.map(Number);
  }

  /** Why files of one of them could not be removed; null when that did not happen. */
  get deletionError(): unknown {
    return this.#deletions.lastError;
  }

  /**
   * Opens a topic, and creates it when there is none.
   *
   * @param willBeQueue  whether a new one is made for a queue
   * @returns what a handle is made of
   * @throws ConflictError when what is stored differs from what is asked for; NotFoundError; TypeError for
   *   the source of an exchange that would be compacted
   */
  async open<T, Input>(
    name: string,
    given: TopicOptions<T, Input>,
    willBeQueue = false,
  ): Promise<TopicParts<T, Input>> {
    checkName('name', name);
    const { codec, partitioner, create = true, ...wanted } = checkTopicOptions(given);
    checkNoCompactedSource(name, wanted);
    const request = { ...wanted, create, willBeQueue };
    const [topicId, { options, logIds }] = await this.#openOrCreate(name, request);
    const conflict = conflictOf(name, { ...options, partitions: logIds.length }, wanted);
    if (conflict !== null) throw conflict;
    return { partitions: this.#set(topicId, name), codec, partitioner };
  }

  /** All topics that can be opened, by name. */
  list(): readonly TopicDescription[] {
    return this.#live()
      .filter(([topicId, { name }]) => this.#ids.get(name) === topicId)
      .map(([topicId, state]) => this.#described(topicId, state))
      .toSorted((one, two) => (one.name < two.name ? -1 : 1));
  }

  /** @throws NotFoundError */
  describe(name: string): TopicDescription {
    const topicId = this.#idOf(checkName('name', name));
    if (topicId === null) throw this.#unknown(name);
    return this.#described(topicId, this.#stateOf(topicId, name));
  }

  #described(topicId: number, state: TopicState): TopicDescription {
    return describeTopic(topicId, state, this.#home.unfinishedOf(topicId));
  }

  /** The partition whose log has this id; null when it is gone. */
  partitionOf(logId: number): Partition | null {
    for (const [topicId, { name, logIds }] of this.#live()) {
      const number = logIds.indexOf(logId);
      if (number >= 0) return this.#set(topicId, name).at(number);
    }
    return null;
  }

  /** Null when the topic is gone. */
  nameOf(topicId: number): string | null {
    const state = this.#home.fold.get(topics, String(topicId));
    return state === null || state.isDeleting ? null : state.name;
  }

  /** What handles of a topic share; null when nothing is named so. */
  find(name: string): PartitionSet | null {
    const topicId = this.#idOf(name);
    return topicId === null ? null : this.#set(topicId, name);
  }

  /** As `find`, by its id. */
  at(topicId: number): PartitionSet | null {
    const name = this.nameOf(topicId);
    return name === null ? null : this.#set(topicId, name);
  }

  /** Whether they are of the store that has this journal. */
  isOf(journal: Journal): boolean {
    return this.#home.journal === journal;
  }

  /** A partition of a topic, by its id; null when the topic is gone, or does not have so many. */
  partitionAt(topicId: number, partition: number): Partition | null {
    const state = this.#home.fold.get(topics, String(topicId));
    if (state === null || state.isDeleting || partition >= state.logIds.length) return null;
    const set = this.#set(topicId, state.name);
    return set.isGone ? null : set.at(partition);
  }

  /** Keeps what duplicates are told by; null when the topic is gone. */
  dedupGuardOf(topicId: number, partition: number): TrimGuard | null {
    const set = this.#sets.get(topicId) ?? null;
    return set === null ? null : dedupGuard(this.#home, set, partition);
  }

  /** Of topics in which somebody has looked for duplicates. */
  dedupFigures(): readonly DedupFigures[] {
    return [...this.#sets.values()].flatMap((set) => set.dedupFigures ?? []);
  }

  /** Those of all topics, used or not. */
  partitions(): readonly Partition[] {
    return this.#live().flatMap(([topicId, { name }]) => this.#set(topicId, name).all());
  }

  /**
   * Deletes a topic, also while it is used. It is gone when the entry is durable; then its files go.
   *
   * @throws NotFoundError; IoError when files could not be removed: the next opening tries again
   */
  async delete(name: string): Promise<TopicDeletion> {
    const { deletion } = await this.#turns.run(async () => {
      const { topicId } = this.describe(name);
      const { journal, clock, signals } = this.#home;
      await journal.append(topicDeleting, { topicId, timeMs: clock.now() }, 'sync');
      this.#ids.delete(name);
      signals.events.emit('topic-deleted', { name, topicId });
      return { deletion: this.#deletions.finish(topicId) }; // Others need not wait for the files.
    });
    return deletion;
  }

  /** Goes on with deletions that an earlier process began, in the background. */
  resumeDeletions(): void {
    this.#deletions.resume();
  }

  /** @throws ClosedError when the store was closed */
  checkOpen(): void {
    if (this.#isClosed) throw this.closedError();
  }

  /** What callers are told when the store is closed. */
  closedError(): ClosedError {
    return storeClosed(this.#home);
  }

  /** Closes the logs of all topics. @throws the first failure, when all are closed */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.changes.idle();
    await this.#home.openPartitions.close();
    await this.#deletions.idle();
    await settleAll([...this.#sets.values()].map((set) => set.close()));
  }

  async #openOrCreate(
    name: string,
    wanted: TopicRequest,
  ): Promise<readonly [topicId: number, state: TopicState]> {
    for (;;) {
      const topicId = this.#idOf(name) ?? (await this.#create(name, wanted));
      const state = this.#home.fold.get(topics, String(topicId));
      if (state !== null && !state.isDeleting) return [topicId, state]; // Else deleted meanwhile.
    }
  }

  #create(name: string, wanted: TopicRequest): Promise<number> {
    const { partitions = PARTITIONS, create, willBeQueue, ...config } = wanted;
    return this.#turns.run(async () => {
      const existing = this.#idOf(name); // Made by the change before this one.
      if (existing !== null) return existing;
      if (create) this.#checkSound('a new topic');
      const settings = newSettings(config, this.#home.topicDefaults);
      if (!willBeQueue) checkNotUntilSettled(settings);
      const { recordBytesMax } = settings;
      checkPartitions(partitions);
      const { random, clock, journal, logOptions } = this.#home;
      if (!create || logOptions.readOnly === true) throw this.#unknown(name);
      checkArchive(name, { ...config, recordBytesMax }, settings, this.#archives);
      const topicId = randomId(random);
      const set = new PartitionSet(this.#home, topicId, name);
      const logIds = [...(await set.create(0, partitions, settings))];
      const timeMs = clock.now();
      const entry = { topicId, name, logIds, options: { ...settings }, timeMs };
      await journal.append(topicCreated, entry, 'sync');
      this.#ids.set(name, topicId); // Not when it is written, and the fold has it: that is too early.
      this.#home.signals.events.emit('topic-created', this.describe(name));
      return topicId;
    });
  }

  /** There may be one: what lies behind damage is not known. */
  #unknown(name: string): NotFoundError {
    const { damage } = this.#home.journal;
    return new NotFoundError({ kind: 'topic', name }, damage === null ? {} : { cause: damage });
  }

  /** Before files are made that no journal will know. @throws ReadOnlyError */
  #checkSound(operation: string): void {
    const { path, journal } = this.#home;
    const { damage: cause } = journal;
    if (cause !== null) throw new ReadOnlyError({ operation, path }, { cause });
  }

  #set(topicId: number, name: string): PartitionSet {
    const known = this.#sets.get(topicId);
    if (known !== undefined) return known;
    const set = new PartitionSet(this.#home, topicId, name);
    this.#sets.set(topicId, set);
    return set;
  }

  #idOf(name: string): number | null {
    const topicId = this.#ids.get(name) ?? null;
    if (topicId === null) return null;
    // It is gone when the entry that deletes it is written.
    const state = this.#home.fold.get(topics, String(topicId));
    return state === null || state.isDeleting ? null : topicId;
  }

  #stateAt(name: string): TopicState | null {
    const topicId = this.#idOf(name);
    return topicId === null ? null : this.#home.fold.get(topics, String(topicId));
  }

  #stateOf(topicId: number, name: string): TopicState {
    const state = this.#home.fold.get(topics, String(topicId));
    if (state === null) throw new NotFoundError({ kind: 'topic', name }); // Deleted meanwhile.
    return state;
  }

  #live(): readonly (readonly [topicId: number, state: TopicState])[] {
    const { fold } = this.#home;
    return fold.ids(topics).flatMap((id) => {
      const state = fold.get(topics, id);
      return state === null || state.isDeleting ? [] : [[Number(id), state] as const];
    });
  }
}
