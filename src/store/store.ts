/** A store as its users hold it: topics in one directory, or in memory. */
import { ClosedError, type CorruptLogError } from '../core/errors.ts';
import type { Health } from '../core/health-board.ts';
import type { Committer } from '../journal/committer.ts';
import type { Journal } from '../journal/journal.ts';
import type { Misfits } from '../journal/misfits.ts';
import { partQueueOptions, type QueueOptions } from '../queue/queue.ts';
import { QUEUE_DEFAULTS, QUEUE_GROUP } from '../queue/queue-group.ts';
import type { DefaultExchange } from '../routing/default-exchange.ts';
import type { Exchange } from '../routing/exchange.ts';
import type { ExchangeCatalog, ExchangeDescription } from '../routing/exchange-catalog.ts';
import type { OpenExchangeOptions } from '../routing/exchange-options.ts';
import type { Projector } from '../routing/projector.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { ShareGroupListing } from '../queue/share-listing.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { TopicDescription } from '../topic/topic-description.ts';
import type { StoreEvents } from '../topic/store-events.ts';
import type { TopicDeletion } from '../topic/topic-deletions.ts';
import type { TopicConfig, TopicOptions } from '../topic/topic-options.ts';
import type { TopicParts } from '../topic/topic.ts';
import {
  checkTransactionOptions,
  type TransactionOptions,
} from '../transaction/transaction-options.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { closeStore } from './close-store.ts';
import type { CompactionRun } from './compaction-history.ts';
import { knownOf, listGroups, listShareGroups, type GroupListing } from './group-listings.ts';
import { StoreProducers } from './store-producers.ts';
import { RemoteConsumers } from './remote-consumers.ts';
import type { UnfinishedArchive } from './unfinished-archive.ts';
import type { StoreParts } from './store-parts.ts';
import { checkNoSource, isSourceName, openExchange } from './store-exchange.ts';
import { StoreHealth } from './store-health.ts';
import { describeStore, figuresOf, type StoreFigures, type StoreStats } from './store-stats.ts';
import { StoreQueue } from './store-queue.ts';
import { StoreTopic } from './store-topic.ts';
import { StoreUpkeep } from './store-upkeep.ts';
import { listTransactions, type TransactionListing } from './transaction-listing.ts';

/** Topics, and all that is known about them, in one directory. Made by `openStore`. */
export class Store extends StoreProducers implements AsyncDisposable {
  /** The store's directory, absolute, without symbolic links. */
  readonly path: string;
  /** @internal Changes of state and records for several logs, all or nothing. */
  readonly committer: Committer;
  /** @internal What there is of exchanges; `Store.exchange` hands out handles. */
  readonly exchangeCatalog: ExchangeCatalog;
  /** @internal */
  readonly archive: UnfinishedArchive;
  /** @internal */
  readonly projector: Projector;
  /** @internal */
  readonly upkeep: StoreUpkeep;
  /** @internal Consumers that ask from elsewhere. */
  readonly remoteConsumers: RemoteConsumers;
  readonly #parts: StoreParts;
  readonly #journal: Journal;
  readonly #topics: TopicCatalog;
  readonly #shareGroups: ShareGroups;
  readonly #health: StoreHealth;
  readonly #figures: StoreFigures;
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor(parts: StoreParts) {
    super(parts.producers);
    const { path, lock, home, control, journal, runs, committer, topicHome } = parts;
    const { cap = null } = home ?? {};
    const { signals, clock, random, fold } = topicHome;
    const { shareGroups, topics: catalog, compaction, unfinished, archive } = parts;
    this.path = path;
    this.committer = committer;
    this.exchangeCatalog = parts.routing.exchanges;
    this.projector = parts.routing.projector;
    this.archive = archive;
    this.#parts = parts;
    this.#journal = journal;
    this.#shareGroups = shareGroups;
    this.#topics = catalog;
    this.remoteConsumers = new RemoteConsumers(this, clock);
    const own = { compaction, unfinished, archive, fold, clock, random, signals };
    this.upkeep = new StoreUpkeep({ path, journal, catalog, shareGroups, ...own });
    const { bytes } = this.upkeep;
    cap?.attach(bytes);
    const probed = { journal, topics: catalog, runs, cap, control, unfinished };
    this.#health = new StoreHealth({ board: signals.health, ...probed });
    this.#figures = figuresOf(parts, bytes);
    if (lock !== null && journal.damage === null) this.#start();
  }

  /** What a store does by itself, when it may write. */
  #start(): void {
    this.#parts.home?.reserve?.start(() => {
      void this.upkeep.makeRoom();
      void this.#parts.runs.giveUpHistory();
    });
    this.upkeep.start();
    this.#topics.resumeDeletions();
    // What fails here the next opening does: until then copies go where they went.
    this.exchangeCatalog.reconcile().catch(() => undefined);
    this.projector.start();
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
    this.checkOpen();
    // An exchange makes its source.
    const given = isSourceName(name) ? { ...options, create: false } : options;
    return this.#topic(await this.#topics.open(name, given));
  }

  /**
   * Opens a queue, and creates it when there is none: a topic whose records wait to be handled, each by
   * one consumer. Each call makes a consumer of its own; close it to give back what it holds.
   *
   * @param name  1 to 255 bytes of UTF-8, without control characters
   * @throws ConflictError when an option that was given is not what is stored, with both values;
   *   NotFoundError with `create: false`; TypeError, RangeError; as `openLog`
   *
   * Durability and cost: as `topic`, and one fdatasync more for a new one.
   */
  async queue<T = Uint8Array, Input = T>(
    name: string,
    options: QueueOptions<T, Input> = {},
  ): Promise<StoreQueue<T, Input>> {
    this.checkOpen();
    checkNoSource(name, 'a queue');
    const { topic: topicOptions, share } = partQueueOptions(name, options);
    const topic = this.#topic(await this.#topics.open(name, topicOptions, true));
    const wanted = { ...share, defaults: QUEUE_DEFAULTS };
    return this.#shareGroups.open(topic, QUEUE_GROUP, wanted, (parts) => {
      return new StoreQueue(topic, parts);
    });
  }

  /**
   * Opens an exchange, and creates it when there is none: what is published to it goes to the queues and
   * topics that are bound to it. `''` is the default exchange, which is always there: a routing key names
   * the queue or topic that a record is for.
   *
   * @param name  up to 246 bytes of UTF-8, without control characters
   * @throws as `topic`; ConflictError when one of that name is gone and not projected to its end
   *
   * Durability and cost: as `topic`, and one fdatasync more for a new one.
   */
  exchange<T = Uint8Array, Input = T>(
    name: '',
    options?: OpenExchangeOptions<T, Input>,
  ): Promise<DefaultExchange<T, Input>>;
  exchange<T = Uint8Array, Input = T>(
    name: string,
    options?: OpenExchangeOptions<T, Input>,
  ): Promise<Exchange<T, Input>>;
  async exchange<T = Uint8Array, Input = T>(
    name: string,
    options: OpenExchangeOptions<T, Input> = {},
  ): Promise<Exchange<T, Input> | DefaultExchange<T, Input>> {
    this.checkOpen();
    return openExchange(this, name, options, () => knownOf(this.#topics.list(), this.#shareGroups));
  }

  /** All exchanges, by name. */
  exchanges(): readonly ExchangeDescription[] {
    this.checkOpen();
    return this.exchangeCatalog.list();
  }

  /**
   * Deletes an exchange with its bindings and those that lead to it, also while it is used: handles of
   * it are told with `ClosedError`. What was published still reaches its destinations; then its source
   * log goes.
   *
   * @throws NotFoundError; ReadOnlyError
   *
   * Durability: synced when it resolves.
   */
  async deleteExchange(name: string): Promise<void> {
    this.checkOpen();
    await this.exchangeCatalog.delete(name);
  }

  /**
   * Commits together what `action` appends, sends and acks: after any crash all of it is there, or nothing,
   * and nobody sees a record of it before all of them. `action` only collects: nothing is written and
   * nothing held until it has ended. What it throws is passed on: nothing happened.
   *
   * @param action  its own effects elsewhere are not undone
   * @returns what it returned, when all is durable. What went to a topic, or acked for a group, that was
   *   deleted meanwhile is left out
   * @throws when nothing happened: TransactionEndedError after `timeoutMs`; the reason of `signal` or
   *   `abort`; LeaseLostError when the lease of a record that it acks is over, TooLargeError above 8 MiB,
   *   DiskFullError, BackpressureError: leases go on; as `Topic.append`; ClosedError when the store is
   *   closed. FailedError: nothing happened, unless it is `indeterminate`: then the next opening tells
   *
   * Durability: survives a power cut when it resolves, whatever the levels of its topics are. Cost: a share
   * of one fdatasync of the journal, whatever number of topics, partitions and queues there are.
   */
  async transaction<R>(
    action: (transaction: Transaction) => R | Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    this.checkOpen();
    return this.#parts.transactions.run(action, checkTransactionOptions(options));
  }

  /** Transactions that are not over, and commits that logs have yet to sync. In memory: no I/O. */
  transactions(): TransactionListing {
    return listTransactions(this.#parts);
  }

  /** Compactions of topics that wait or go on, and the last 100 that ended. In memory: no I/O. */
  compactions(): readonly CompactionRun[] {
    return this.#parts.compaction.runs();
  }

  #topic<T, Input>(parts: TopicParts<T, Input>): StoreTopic<T, Input> {
    return new StoreTopic(parts, this.#parts);
  }

  /**
   * The damage of the journal that made the store read-only: topics and groups are as they were in
   * front of it. Null when all of the journal was read.
   */
  get damage(): CorruptLogError | null {
    return this.#journal.damage;
  }

  /** @internal Entries of the journal that did not fit the state, and changed nothing. */
  get misfits(): Misfits {
    return this.#journal.misfits;
  }

  /** @internal Of all that the journal adds up to: equal states have equal hashes. */
  stateHash(): string {
    return this.#parts.topicHome.fold.hash();
  }

  /** Figures of the store, in memory: no I/O. O(partitions). */
  stats(): StoreStats {
    const listenerFailureCount = this.#parts.topicHome.signals.events.failureCount;
    return describeStore(this.#figures, listenerFailureCount);
  }

  /** Whether everything works, and if not: what, since when, and what to do. In memory: no I/O. */
  health(): Health {
    return this.#health.read();
  }

  /**
   * Calls `listener` whenever it happens, as soon as the step is done in which it did. One that throws
   * harms nobody, a warning says so. The same is published on the channels
   * `varve:<name>` of `node:diagnostics_channel`, of all stores of the process.
   *
   * @returns ends that
   * @throws TypeError for an event that there is not
   */
  on<Name extends keyof StoreEvents>(
    name: Name,
    listener: (payload: StoreEvents[Name]) => unknown,
  ): () => void {
    return this.#parts.topicHome.signals.events.on(name, listener);
  }

  /** @internal Why other processes cannot ask this one; null when they can, or there are none. */
  get controlProblem(): string | null {
    return this.#parts.control.problem;
  }

  /** All topics, by name. */
  topics(): readonly TopicDescription[] {
    this.checkOpen();
    return this.#topics.list();
  }

  /** @internal Ids of topics that are gone, of which files may be left. */
  get deletingTopicIds(): readonly number[] {
    return this.#topics.deletingIds;
  }

  /** What the journal knows of a topic. @throws NotFoundError */
  describeTopic(name: string): TopicDescription {
    this.#topics.checkOpen(); // Later than others: who made it hears what it is.
    return this.#topics.describe(name);
  }

  /** Consumer groups that committed something or have members, by topic and name. */
  groups(): readonly GroupListing[] {
    this.checkOpen();
    return listGroups(this.#topics.list(), this.#parts.groups);
  }

  /** Share groups, those of queues too, by topic and name. */
  shareGroups(): readonly ShareGroupListing[] {
    this.checkOpen();
    return listShareGroups(this.#topics.list(), this.#shareGroups);
  }

  /** Queues, by name: topics with the share group that makes them one. */
  queues(): readonly ShareGroupListing[] {
    return this.shareGroups().filter(({ isQueue }) => isQueue);
  }

  /**
   * Changes options of a topic, also while it is used: the next append, roll, or look at retention
   * goes by them. What is left out stays as it is.
   *
   * @throws NotFoundError, also of `archiveTo`; ConflictError for `compaction: 'key'` where a share group
   *   lets settled records go, or partitions were added, and for an archive that would go round, or whose
   *   `recordBytesMax` is too small; TypeError, RangeError as `openLog`
   *
   * Durability: synced when it resolves.
   */
  async alterTopic(name: string, config: TopicConfig): Promise<TopicDescription> {
    this.checkOpen();
    return this.#topics.changes.alter(name, config);
  }

  /**
   * Gives a topic more partitions. Records stay where they are, but keys go elsewhere from now on:
   * `TopicDescription.keyMaps` says since when. Consumer groups take them up by themselves.
   *
   * @param total  how many there shall be, more than there are, up to 4096
   * @throws NotFoundError; ConflictError when it is compacted; TypeError, RangeError; as `openLog`
   *
   * Durability: synced when it resolves. Cost: as for the partitions of a new topic.
   */
  async addPartitions(name: string, total: number): Promise<TopicDescription> {
    this.checkOpen();
    checkNoSource(name, 'more partitions');
    return this.#topics.changes.addPartitions(name, total);
  }

  /** @internal Writes the state into the journal now, so that what lies before is not needed. */
  async snapshot(): Promise<void> {
    this.checkOpen();
    await this.#parts.runs.run();
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
    this.checkOpen();
    checkNoSource(name, 'to be deleted without its exchange');
    return this.#topics.delete(name);
  }

  /**
   * Waits for pending appends, syncs everything and lets go of the directory. Idempotent. A disk that
   * hangs in a sync holds it up for as long: nobody can call one back.
   *
   * @throws the first failure, when everything is closed
   */
  close(): Promise<void> {
    this.#closing ??= closeStore(this.#parts, {
      remoteConsumers: this.remoteConsumers,
      upkeep: this.upkeep,
    });
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  protected override checkOpen(): void {
    if (this.#closing !== null) throw new ClosedError({ resource: 'store', name: this.path });
  }
}
