/**
 * The topics of a store: what the journal says of them, and the changes to it.
 *
 * Files first, then the entry: a topic exists when the journal says so, and its logs are there then.
 * The other way round when one is deleted: an entry that is durable comes before the first unlink.
 */
import { checkInteger } from '../core/assert.ts';
import { NotFoundError } from '../core/errors.ts';
import { Mutex } from '../core/mutex.ts';
import { randomId } from '../core/random.ts';
import type { Partition } from './partition.ts';
import { PartitionSet } from './partition-set.ts';
import type { TopicHome } from './topic-home.ts';
import { checkName } from './topic-names.ts';
import {
  alteredSettings,
  checkPartitions,
  checkTopicOptions,
  conflictOf,
  newSettings,
  PARTITIONS_MAX,
  type TopicConfig,
  type TopicOptions,
} from './topic-options.ts';
import {
  partitionsAdded,
  topicAltered,
  topicCreated,
  topics,
  type TopicSettings,
  type TopicState,
} from './topic-state.ts';
import type { TopicParts } from './topic.ts';

/** What the journal knows of a topic. */
export interface TopicDescription {
  readonly name: string;
  readonly topicId: number;
  readonly partitionCount: number;
  readonly createdTimeMs: number;
  readonly alteredTimeMs: number;
  readonly options: TopicSettings;
  /** How many partitions there were since when: keys moved at each change. */
  readonly keyMaps: readonly { readonly partitionCount: number; readonly timeMs: number }[];
}

const PARTITIONS = 1;

export class TopicCatalog {
  readonly #home: TopicHome;
  /** By topic id; those that were used since the store was opened. */
  readonly #sets = new Map<number, PartitionSet>();
  /** Changes one after the other: two openers of one name must not both create it. */
  readonly #changes = new Mutex();
  /** Entries of new topics that are not known to be durable, by topic id. */
  readonly #creations = new Map<number, Promise<number>>();

  constructor(home: TopicHome) {
    this.#home = home;
  }

  /**
   * Opens a topic, and creates it when there is none.
   *
   * @returns what a handle is made of
   * @throws ConflictError when what is stored differs from what is asked for; NotFoundError
   */
  async open<T, Input>(name: string, given: TopicOptions<T, Input>): Promise<TopicParts<T, Input>> {
    checkName('name', name);
    const { codec, partitioner, create = true, ...wanted } = checkTopicOptions(given);
    const topicId = this.#idOf(name) ?? (await this.#create(name, { ...wanted, create }));
    await this.#creations.get(topicId); // It is seen when it is written: that is too early.
    const { options, logIds } = this.#stateOf(topicId, name);
    const conflict = conflictOf(name, { ...options, partitions: logIds.length }, wanted);
    if (conflict !== null) throw conflict;
    return { partitions: this.#set(topicId, name), codec, partitioner };
  }

  /** All topics, by name. */
  list(): readonly TopicDescription[] {
    return this.#live()
      .map(([topicId, state]) => describe(topicId, state))
      .toSorted((one, two) => (one.name < two.name ? -1 : 1));
  }

  /** @throws NotFoundError */
  describe(name: string): TopicDescription {
    const topicId = this.#idOf(checkName('name', name));
    if (topicId === null) throw new NotFoundError({ kind: 'topic', name });
    return describe(topicId, this.#stateOf(topicId, name));
  }

  /**
   * Changes options of a topic, also while it is used.
   *
   * @throws NotFoundError; TypeError, RangeError as `openLog`
   */
  alter(name: string, config: TopicConfig): Promise<TopicDescription> {
    return this.#change(name, async (topicId, state) => {
      const options = alteredSettings(state.options, config);
      const { journal, clock } = this.#home;
      await journal.append(topicAltered, { topicId, options, timeMs: clock.now() }, 'sync');
      this.#set(topicId, name).configure();
    });
  }

  /**
   * Gives a topic more partitions. Records stay where they are; keys go elsewhere from now on.
   *
   * @param total  how many there shall be
   * @throws NotFoundError; RangeError when that is not more than there are
   */
  addPartitions(name: string, total: number): Promise<TopicDescription> {
    return this.#change(name, async (topicId, { logIds: before, options }) => {
      checkInteger('partitions', total, { min: before.length + 1, max: PARTITIONS_MAX });
      const { journal, clock } = this.#home;
      const set = this.#set(topicId, name);
      const logIds = [...(await set.create(before.length, total - before.length, options))];
      await journal.append(partitionsAdded, { topicId, logIds, timeMs: clock.now() }, 'sync');
      set.grown();
    });
  }

  /** Those of all topics, used or not. */
  partitions(): readonly Partition[] {
    return this.#live().flatMap(([topicId, { name }]) => this.#set(topicId, name).all());
  }

  /** Closes the logs of all topics. @throws the first failure, when all are closed */
  async close(): Promise<void> {
    await this.#changes.idle();
    await this.#home.openPartitions.close();
    const closed = await Promise.allSettled([...this.#sets.values()].map((set) => set.close()));
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Runs `change` on a topic that is there, behind all changes before. */
  #change(
    name: string,
    change: (topicId: number, state: TopicState) => Promise<void>,
  ): Promise<TopicDescription> {
    return this.#changes.run(async () => {
      const { topicId } = this.describe(name);
      await change(topicId, this.#stateOf(topicId, name));
      const changed = this.describe(name);
      this.#home.signals.events.emit('topic-altered', changed);
      return changed;
    });
  }

  #create(
    name: string,
    wanted: TopicConfig & { readonly partitions?: number | undefined; readonly create: boolean },
  ): Promise<number> {
    const { partitions = PARTITIONS, create, ...config } = wanted;
    const settings = newSettings(config, this.#home.topicDefaults);
    checkPartitions(partitions);
    return this.#changes.run(async () => {
      const existing = this.#idOf(name); // Made by the change before this one.
      if (existing !== null) return existing;
      const { random, clock, journal, logOptions } = this.#home;
      if (!create || logOptions.readOnly === true) throw new NotFoundError({ kind: 'topic', name });
      const topicId = randomId(random);
      const set = new PartitionSet(this.#home, topicId, name);
      const logIds = [...(await set.create(0, partitions, settings))];
      const timeMs = clock.now();
      const entry = { topicId, name, logIds, options: { ...settings }, timeMs };
      const journaled = journal.append(topicCreated, entry, 'sync');
      this.#creations.set(topicId, journaled);
      await journaled;
      this.#creations.delete(topicId);
      this.#home.signals.events.emit('topic-created', this.describe(name));
      return topicId;
    });
  }

  #set(topicId: number, name: string): PartitionSet {
    const known = this.#sets.get(topicId);
    if (known !== undefined) return known;
    const set = new PartitionSet(this.#home, topicId, name);
    this.#sets.set(topicId, set);
    return set;
  }

  #idOf(name: string): number | null {
    return this.#live().find(([, state]) => state.name === name)?.[0] ?? null;
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

function describe(topicId: number, state: TopicState): TopicDescription {
  const { name, logIds, createdTimeMs, alteredTimeMs, options, keyMaps } = state;
  return {
    name,
    topicId,
    partitionCount: logIds.length,
    createdTimeMs,
    alteredTimeMs,
    // Copies: what the caller does with them must not change the state.
    options: { ...options },
    keyMaps: keyMaps.map((keyMap) => ({ ...keyMap })),
  };
}
