/** A store as its users hold it: topics in one directory, or in memory. */
import type { DirectoryLock } from '../io/file-system.ts';
import { ClosedError } from '../core/errors.ts';
import { ConsumerGroups } from '../group/groups.ts';
import type { Journal } from '../journal/journal.ts';
import type { LogStats } from '../log/log-stats.ts';
import type { SnapshotRuns } from '../journal/snapshot-run.ts';
import { TopicCatalog, type TopicDescription } from '../topic/catalog.ts';
import type { TopicDeletion } from '../topic/topic-deletions.ts';
import type { TopicHome } from '../topic/topic-home.ts';
import type { TopicConfig, TopicOptions } from '../topic/topic-options.ts';
import { StoreTopic } from './store-topic.ts';

/** @internal What `openStore` hands over. */
export interface StoreParts {
  readonly path: string;
  /** Null when it is only read. */
  readonly lock: DirectoryLock | null;
  readonly journal: Journal;
  readonly runs: SnapshotRuns;
  readonly topicHome: TopicHome;
}

export interface StoreStats {
  readonly topicCount: number;
  /** Topics that are gone, whose files are still being removed, or could not be. */
  readonly deletingTopicCount: number;
  /** Why files of a deleted topic could not be removed; null when that did not happen. */
  readonly lastDeletionError: unknown;
  /** Of the journal's log. */
  readonly journal: LogStats;
}

/** A consumer group of a topic. */
export interface GroupListing {
  readonly topic: string;
  readonly name: string;
  /** Members in this process. */
  readonly memberCount: number;
}

/** Topics, and all that is known about them, in one directory. Made by `openStore`. */
export class Store implements AsyncDisposable {
  /** The store's directory, absolute, without symbolic links. */
  readonly path: string;
  readonly #lock: DirectoryLock | null;
  readonly #journal: Journal;
  readonly #runs: SnapshotRuns;
  readonly #topics: TopicCatalog;
  readonly #groups: ConsumerGroups;
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor({ path, lock, journal, runs, topicHome }: StoreParts) {
    this.path = path;
    this.#lock = lock;
    this.#journal = journal;
    this.#runs = runs;
    this.#groups = new ConsumerGroups(topicHome);
    this.#topics = new TopicCatalog(topicHome, (topicId) => this.#groups.forgetTopic(topicId));
    if (lock !== null) this.#topics.resumeDeletions();
  }

  /**
   * Opens a topic, and creates it when there is none. Handles are light: ask as often as you like.
   *
   * @param name  1 to 255 bytes of UTF-8, without control characters
   * @throws ConflictError when an option that was given is not what is stored, with both values;
   *   NotFoundError with `create: false`; TypeError, RangeError; as `openLog`
   *
   * Durability: a new topic survives a power cut when this resolves. Cost: nothing for one that is
   * there; two directory syncs and two fdatasyncs per partition for a new one.
   */
  async topic<T = Uint8Array, Input = T>(
    name: string,
    options: TopicOptions<T, Input> = {},
  ): Promise<StoreTopic<T, Input>> {
    this.#checkOpen();
    return new StoreTopic(await this.#topics.open(name, options), this.#groups);
  }

  /** Figures of the store, in memory: no I/O. */
  stats(): StoreStats {
    const { deletingIds, deletionError: lastDeletionError } = this.#topics;
    const topicCount = this.#topics.list().length;
    const deletingTopicCount = deletingIds.length;
    return { topicCount, deletingTopicCount, lastDeletionError, journal: this.#journal.stats() };
  }

  /** All topics, by name. */
  topics(): readonly TopicDescription[] {
    this.#checkOpen();
    return this.#topics.list();
  }

  /** @internal Ids of topics that are gone, of which files may be left. */
  get deletingTopicIds(): readonly number[] {
    return this.#topics.deletingIds;
  }

  /** What the journal knows of a topic. @throws NotFoundError */
  describeTopic(name: string): TopicDescription {
    this.#checkOpen();
    return this.#topics.describe(name);
  }

  /** Consumer groups that committed something or have members, by topic and name. */
  groups(): readonly GroupListing[] {
    this.#checkOpen();
    const topicNames = new Map(this.#topics.list().map(({ topicId, name }) => [topicId, name]));
    return this.#groups
      .list()
      .flatMap(({ topicId, ...group }) => {
        const topic = topicNames.get(topicId);
        return topic === undefined ? [] : [{ topic, ...group }]; // Else its topic was deleted.
      })
      .toSorted((one, two) => compare(one.topic, two.topic) || compare(one.name, two.name));
  }

  /**
   * Changes options of a topic, also while it is used: the next append, roll, or look at retention
   * goes by them. What is left out stays as it is.
   *
   * @throws NotFoundError; TypeError, RangeError as `openLog`
   *
   * Durability: synced when it resolves.
   */
  async alterTopic(name: string, config: TopicConfig): Promise<TopicDescription> {
    this.#checkOpen();
    return this.#topics.alter(name, config);
  }

  /**
   * Gives a topic more partitions. Records stay where they are, but keys go elsewhere from now on:
   * `TopicDescription.keyMaps` says since when. Consumer groups take them up by themselves.
   *
   * @param total  how many there shall be, more than there are, up to 4096
   * @throws NotFoundError; TypeError, RangeError; as `openLog`
   *
   * Durability: synced when it resolves. Cost: as for the partitions of a new topic.
   */
  async addPartitions(name: string, total: number): Promise<TopicDescription> {
    this.#checkOpen();
    return this.#topics.addPartitions(name, total);
  }

  /**
   * Deletes a topic with its records and consumer groups, also while it is used: members, reads that
   * follow, appends and all other calls on its handles end with `ClosedError`. It is gone for good
   * once that is journaled, and its name is free; then its files go. Of a process that dies meanwhile
   * the next opening goes on. Files that are not Varve's stay, and are named.
   *
   * @returns what went with it, when its files are gone
   * @throws NotFoundError; ReadOnlyError; IoError when a file could not be removed: the topic is
   *   gone all the same, and the next opening tries again
   *
   * Durability: synced when it resolves.
   */
  async deleteTopic(name: string): Promise<TopicDeletion> {
    this.#checkOpen();
    return this.#topics.delete(name);
  }

  /**
   * Waits for pending appends, syncs everything and lets go of the directory. Idempotent.
   *
   * @throws the first failure, when everything is closed
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    // In this order, each also when the one before failed; the first failure is thrown.
    const steps = [
      () => this.#groups.close(),
      () => this.#topics.close(),
      () => this.#runs.idle(),
      () => this.#journal.close(),
      async () => this.#lock?.release(),
    ];
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new ClosedError({ resource: 'store', name: this.path });
  }
}

function compare(one: string, two: string): number {
  if (one === two) return 0;
  return one < two ? -1 : 1;
}
