/** All share groups of a store: opening them, looking at them, changing and deleting them. */
import { checkInteger } from '../core/assert.ts';
import { ConflictError, isStoreError, NotFoundError } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import { Mutex } from '../core/mutex.ts';
import { settleAll } from '../core/settle-all.ts';
import { change, type Change, type Journal } from '../journal/journal.ts';
import type { Committer } from '../journal/committer.ts';
import type { Fold } from '../journal/fold.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { TopicHome } from '../topic/topic-home.ts';
import { checkName } from '../topic/topic-names.ts';
import { countsOf } from '../topic/unfinished-passed.ts';
import type { TopicSettings } from '../topic/topic-state.ts';
import type { Topic } from '../topic/topic.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import { browse, type BrowsedRecord, type BrowseOptions } from './browse.ts';
import { ActiveShareGroups, type LiveAction } from './active-share-groups.ts';
import { LeaseJournal } from './lease-journal.ts';
import { LetterTopics, type LetterExchanges } from './letter-topics.ts';
import { LiveShareGroup } from './live-share-group.ts';
import { LoopClock } from './loop-clock.ts';
import {
  checkDeadLetter,
  checkRetention,
  groupLabel,
  QUEUE_DEFAULTS,
  QUEUE_GROUP,
} from './queue-group.ts';
import { ShareCreation } from './share-creation.ts';
import { shareGroupAltered, shareGroupDeleted } from './share-entries.ts';
import { leaseEvents } from './share-events.ts';
import type { ShareGroupParts } from './share-group-parts.ts';
import type { ShareGroup } from './share-group.ts';
import {
  describeShareGroup,
  LEASES_MAX_DEFAULT,
  type DescribeOptions,
  type ShareGroupDescription,
} from './share-listing.ts';
import {
  settledOffset,
  settledOffsets,
  shareGroups,
  shareId,
  shareNameOf,
  type ShareName,
  type ShareState,
} from './share-state.ts';
import {
  alteredShareSettings,
  checkShareOptions,
  LEASED_MAX,
  shareConflict,
  type ShareConfig,
  type ShareGroupOptions,
} from './share-settings.ts';
import { statsOf, type ShareStats } from './share-stats.ts';

export interface ShareGroupsParts {
  readonly journal: Journal;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly random: Random;
  readonly committer: Committer;
  readonly transactions: TransactionRegistry;
  readonly signals: StoreSignals;
  readonly unfinishedOf: TopicHome['unfinishedOf'];
}

/** A share group, as `list` names it. */
export interface ShareListing extends ShareName {
  /** Handles in this process. */
  readonly consumerCount: number;
}

/** Gets the options of the topic as they will be; left out, they stay. */
type Alteration = (ofTopic?: TopicSettings) => readonly Change[];
type AlterationWriter = (altered: Alteration) => Promise<unknown>;

export class ShareGroups {
  readonly #parts: ShareGroupsParts;
  readonly #loopClock: LoopClock;
  readonly #leaseJournal: LeaseJournal;
  readonly #active = new ActiveShareGroups();
  readonly #letterTopics = new LetterTopics((topic) => this.#makeQueue(topic));
  readonly #changes = new Mutex();
  /** For what lets settled records go, what wants them again, and what has them go or stay. */
  readonly #settled = new Mutex();
  readonly #creation: ShareCreation;
  #isClosed = false;
  /** Called when there is a group whose settled records may go. */
  onSettling: () => void = () => undefined;

  constructor(parts: ShareGroupsParts) {
    this.#parts = parts;
    this.#leaseJournal = new LeaseJournal(parts);
    this.#creation = new ShareCreation({ ...parts, settled: this.#settled });
    const { events } = parts.signals;
    this.#loopClock = new LoopClock(parts.clock, (stallMs) => {
      events.emit('loop-stalled', { stallMs });
    });
  }

  /** Where dead letters go. */
  attach(catalog: TopicCatalog, exchanges: LetterExchanges): void {
    this.#letterTopics.attach(catalog, exchanges);
  }

  /**
   * Makes a new consumer of a group, and the group when there is none.
   *
   * @param make  the handle, of what it is made of
   * @throws ConflictError when a setting that was given is not what is stored; NotFoundError with
   *   `create: false`; ReadOnlyError when it is not there in a store that is only read
   */
  open<T, Input, H extends ShareGroup<T, Input>>(
    topic: Topic<T, Input>,
    name: string,
    given: ShareGroupOptions & { readonly defaults?: ShareConfig },
    make: (parts: ShareGroupParts<T, Input>) => H,
  ): Promise<H> {
    const { defaults = {}, ...options } = given;
    checkName('name', name);
    const {
      from = 'earliest',
      prefetch = null,
      create = true,
      ...wanted
    } = checkShareOptions(options);
    return this.#changes.run(async () => {
      const { partitions } = topic;
      this.#checkThere(partitions);
      const ref = { topicId: partitions.topicId, group: name };
      checkDeadLetter(partitions.name, wanted);
      if (this.#state(ref) === null) {
        if (!create) throw new NotFoundError(groupLabel(partitions.name, name));
        await this.#creation.create(partitions, ref, { from, config: wanted, defaults });
      }
      const state = this.#known(partitions, name);
      const conflict = shareConflict(groupLabel(partitions.name, name), state.settings, wanted);
      if (conflict !== null) throw conflict;
      if (state.settings.retention === 'settled') this.onSettling();
      return this.#handle(topic, ref, prefetch, make);
    });
  }

  async #handle<T, Input, H extends ShareGroup<T, Input>>(
    topic: Topic<T, Input>,
    ref: ShareName,
    prefetch: number | null,
    make: (parts: ShareGroupParts<T, Input>) => H,
  ): Promise<H> {
    const active = this.#active.activate(ref, () => this.#live(topic.partitions, ref));
    const onClosed = (): void => {
      active.handles.delete(handle);
      this.#active.left(ref, topic.partitions.closedError());
    };
    const { live } = active;
    const handle: H = make({ live, codec: topic.codec, prefetch, onClosed });
    active.handles.add(handle);
    if (live.hasStaleLeases) {
      await live.open().catch(async (error: unknown) => {
        // To look at it, nobody need take it over.
        if (isStoreError(error, 'ERR_VARVE_READ_ONLY')) return;
        await handle.close();
        throw error;
      });
    }
    return handle;
  }

  /** All groups, of topics that are there. */
  list(): readonly ShareListing[] {
    const names = this.#parts.fold.ids(shareGroups).map(shareNameOf);
    return names.map((name) => ({ ...name, consumerCount: this.#consumerCount(name) }));
  }

  /**
   * Runs `action` with a group as it lives in this process, which takes over one that nobody uses. Who
   * deletes the group has its signal abort, and waits for it.
   *
   * @throws NotFoundError; ClosedError; as `action`
   */
  async whileLive<R>(topic: PartitionSet, name: string, action: LiveAction<R>): Promise<R> {
    const begun = await this.#changes.run(async () => {
      this.#checkThere(topic);
      const ref = { topicId: this.#known(topic, name).topicId, group: name };
      const active = this.#active.activate(ref, () => this.#live(topic, ref));
      // Not awaited here: a change that comes meanwhile waits for it where it has to.
      return { used: this.#active.use(ref, active, action, () => topic.closedError()) };
    });
    return begun.used;
  }

  /** As `settledOffsets` of the state. */
  settledOffsets(): ReadonlyMap<number, number> {
    return settledOffsets(this.#parts.fold);
  }

  /**
   * Has nothing that is settled in a log be wanted again until `action` is done.
   *
   * @param action  gets the offset below which all may go now
   */
  whileSettled(logId: number, action: (offset: number) => Promise<void>): Promise<void> {
    return this.#settled.run(() => action(settledOffset(this.#parts.fold, logId)));
  }

  /** Has no group come to be, or change its settings, until `action` is done. */
  whileGroupsStand<R>(action: () => Promise<R>): Promise<R> {
    return this.#settled.run(action);
  }

  /** Figures of a group. @throws NotFoundError; as `Log.read` */
  async stats(topic: PartitionSet, name: string): Promise<ShareStats> {
    topic.checkThere();
    const state = this.#known(topic, name);
    const live = this.#active.get(state)?.live;
    return statsOf({ topic, state, clock: this.#parts.clock, isLive: live?.isOpen ?? false });
  }

  /** What there is to know of a group. @throws NotFoundError; TypeError, RangeError; as `Log.read` */
  async describe(
    topic: PartitionSet,
    name: string,
    { leasesMax = LEASES_MAX_DEFAULT }: DescribeOptions = {},
  ): Promise<ShareGroupDescription> {
    checkInteger('leasesMax', leasesMax, { min: 0, max: LEASED_MAX });
    const stats = await this.stats(topic, name);
    const state = this.#known(topic, name);
    const isOpen = this.#active.get(state)?.live.isOpen ?? false;
    const loopMs = isOpen ? this.#loopClock.now() : null;
    const consumerCount = this.#consumerCount(state);
    const counts = this.#parts.unfinishedOf(state.topicId);
    const unfinishedCounts = countsOf(counts, 'share', name);
    return describeShareGroup({ stats, consumerCount, state, loopMs, leasesMax, unfinishedCounts });
  }

  /**
   * Records of a group that are not settled, also of one that nobody uses in this process.
   *
   * @throws NotFoundError at once; as `browse`
   */
  browse<T, Input>(
    { partitions: topic, codec }: Topic<T, Input>,
    name: string,
    options: BrowseOptions,
  ): AsyncGenerator<BrowsedRecord<T>, void, void> {
    topic.checkThere();
    const known = this.#known(topic, name);
    const { fold, clock } = this.#parts;
    const state = () => fold.get(shareGroups, shareId(known));
    const isLive = () => this.#active.get(known)?.live.isOpen ?? false;
    return browse({ topic, clock, codec, state, isLive }, options);
  }

  /**
   * Changes settings of a group, also while its records are leased: what is leased keeps its time, and
   * the new limits count from the next end of an attempt or a delay on.
   *
   * @param write  journals it, perhaps with more: called once, and calls what it gets when it is its turn
   * @throws NotFoundError; ConflictError when settled records of a compacted topic would go; TypeError,
   *   RangeError; what `write` throws
   */
  alter(
    topic: PartitionSet,
    name: string,
    config: ShareConfig,
    write: AlterationWriter = (altered) => this.#parts.journal.appendAll(altered()),
  ): Promise<ShareState['settings']> {
    return this.#changes.run(async () => {
      topic.checkThere();
      const { topicId, group, settings: before } = this.#known(topic, name);
      checkDeadLetter(topic.name, config);
      const settings = alteredShareSettings(before, config);
      const altered: Alteration = (ofTopic) => {
        topic.checkThere(); // Its name may be another topic's by now.
        checkRetention(groupLabel(topic.name, name), settings, ofTopic ?? topic.settings);
        const timeMs = this.#parts.clock.now();
        return [change(shareGroupAltered, { topicId, group, settings, timeMs })];
      };
      await this.#settled.run(() => write(altered));
      if (settings.retention === 'settled') this.onSettling();
      this.#active.get({ topicId, group })?.live.leases.ready(); // More may be leased.
      return settings;
    });
  }

  /** Forgets a group. @throws NotFoundError; ConflictError while it is used in this process */
  async delete(topic: PartitionSet, name: string): Promise<void> {
    topic.checkThere();
    const ref = { topicId: this.#known(topic, name).topicId, group: name };
    // Out of turn: what changes other groups need not wait for it.
    if (this.#consumerCount(ref) === 0) await this.#active.endUses(ref);
    return this.#changes.run(async () => {
      topic.checkThere();
      const { topicId, group } = this.#known(topic, name);
      if (this.#consumerCount(ref) === 0) await this.#active.endUses(ref);
      const count = this.#consumerCount({ topicId, group });
      if (count > 0) {
        const stored = `${count} consumers`;
        const label = groupLabel(topic.name, name);
        throw new ConflictError({ ...label, stored, requested: 'to be deleted' });
      }
      await this.#parts.journal.append(shareGroupDeleted, { topicId, group }, 'sync');
    });
  }

  /**
   * Ends the consumers of all groups of a topic that is deleted, and forgets the groups. Idempotent.
   *
   * @returns their names
   */
  forgetTopic(topicId: number): Promise<readonly string[]> {
    return this.#changes.run(async () => {
      const { journal, fold } = this.#parts;
      await this.#active.close((name) => name.topicId === topicId).catch(() => undefined);
      await this.#creation.idle(); // One that found the topic there: no later one does.
      const names = fold
        .ids(shareGroups)
        .map(shareNameOf)
        .filter((name) => name.topicId === topicId);
      await settleAll(names.map((name) => journal.append(shareGroupDeleted, name, 'os')));
      return names.map(({ group }) => group);
    });
  }

  /** Closes every consumer: what they hold comes back. @throws the first failure, when all are closed */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changes.idle();
    await this.#active.close();
  }

  /** Handles in this process. */
  #consumerCount(name: ShareName): number {
    return this.#active.get(name)?.handles.size ?? 0;
  }

  #live(topic: PartitionSet, name: ShareName): LiveShareGroup {
    const { signals } = this.#parts;
    const place = { topic: topic.name, group: name.group };
    return new LiveShareGroup({
      ...this.#parts,
      name,
      topic,
      leaseJournal: this.#leaseJournal,
      loopClock: this.#loopClock,
      settled: this.#settled,
      openDeadLetters: (to, source) => this.#letterTopics.open(to, source),
      openTopic: (to) => this.#letterTopics.find(to),
      arrived: (to) => this.#letterTopics.arrived(to),
      events: leaseEvents(signals, place, name.group === QUEUE_GROUP),
    });
  }

  /** Makes a topic a queue, unless it is one. */
  async #makeQueue({ partitions }: Topic<Uint8Array>): Promise<void> {
    const ref = { topicId: partitions.topicId, group: QUEUE_GROUP };
    await this.#creation.create(partitions, ref, {
      from: 'earliest',
      config: {},
      defaults: QUEUE_DEFAULTS,
    });
  }

  #checkThere(topic: PartitionSet): void {
    topic.checkThere();
    if (this.#isClosed) throw topic.closedError();
  }

  #state(ref: ShareName): ShareState | null {
    return this.#parts.fold.get(shareGroups, shareId(ref));
  }

  /** @throws NotFoundError */
  #known({ topicId, name: topic }: PartitionSet, name: string): ShareState {
    checkName('name', name);
    const state = this.#state({ topicId, group: name });
    if (state === null) throw new NotFoundError(groupLabel(topic, name));
    return state;
  }
}
