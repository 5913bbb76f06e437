/** A topic with what the layers above it add: its consumer groups and its share groups. */
import type { ConsumerGroup } from '../group/consumer-group.ts';
import type { GroupDescription, ConsumerGroups } from '../group/groups.ts';
import type { GroupOptions } from '../group/group-options.ts';
import type { PartitionReset, ResetOptions, ResetTo } from '../group/group-admin.ts';
import type { BrowsedRecord, BrowseOptions } from '../queue/browse.ts';
import { ShareGroup } from '../queue/share-group.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { DescribeOptions, ShareGroupDescription } from '../queue/share-listing.ts';
import type { ShareConfig, ShareGroupOptions, ShareSettings } from '../queue/share-settings.ts';
import type { Change } from '../journal/journal.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { DedupPart } from '../topic/dedup-call.ts';
import type { ProducedInput } from '../topic/producer-inputs.ts';
import type { TopicConfig } from '../topic/topic-options.ts';
import type { TopicSettings } from '../topic/topic-state.ts';
import { Topic, type PartitionRuns, type TopicParts } from '../topic/topic.ts';
import type { TableOptions } from '../topic/table-options.ts';
import { openTable, type TopicTable } from '../topic/topic-table.ts';
import type {
  TopicAppendBatchResult,
  TopicAppendOptions,
  TopicAppendResult,
  TopicRecordInput,
} from '../topic/topic-results.ts';
import type { ConflictError } from '../core/errors.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { StoreCompaction } from './store-compaction.ts';
import { isSourceName, sourceConflict } from './store-exchange.ts';
import {
  compactTopic,
  planTopicCompaction,
  type PartitionCompaction,
  type PartitionCompactionPlan,
  type TopicCompactOptions,
} from './topic-compaction.ts';

/** @internal What a topic needs of its store. */
export interface TopicGroups {
  readonly groups: ConsumerGroups;
  readonly shareGroups: ShareGroups;
  readonly topics: Pick<TopicCatalog, 'changes'>;
  readonly compaction: StoreCompaction;
}

export class StoreTopic<T, Input = T> extends Topic<T, Input> {
  readonly #groups: ConsumerGroups;
  readonly #shareGroups: ShareGroups;
  readonly #topics: TopicGroups['topics'];
  readonly #compaction: StoreCompaction;
  readonly #isSource: boolean;

  /** @internal */
  constructor(parts: TopicParts<T, Input>, of: TopicGroups) {
    super(parts);
    const { groups, shareGroups, topics, compaction } = of;
    this.#groups = groups;
    this.#shareGroups = shareGroups;
    this.#topics = topics;
    this.#compaction = compaction;
    this.#isSource = isSourceName(this.name);
  }

  override append(
    record: TopicRecordInput<Input>,
    options?: TopicAppendOptions,
  ): Promise<TopicAppendResult> {
    if (this.#isSource) return Promise.reject(this.#refusal());
    return super.append(record, options);
  }

  override appendBatch(
    records: readonly TopicRecordInput<Input>[],
    options?: TopicAppendOptions,
  ): Promise<TopicAppendBatchResult> {
    if (this.#isSource) return Promise.reject(this.#refusal());
    return super.appendBatch(records, options);
  }

  /** @internal */
  override encodeForCommit(
    records: readonly RecordInput<Input>[],
    options?: Pick<TopicAppendOptions, 'partition'>,
  ): readonly PartitionRuns[] {
    if (this.#isSource) throw this.#refusal();
    return super.encodeForCommit(records, options);
  }

  /** @internal */
  override claimForCommit(
    records: readonly TopicRecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): readonly DedupPart[] | null {
    if (this.#isSource) throw this.#refusal();
    return super.claimForCommit(records, options);
  }

  /** @internal */
  override prepareProduced(
    records: readonly RecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): ProducedInput {
    if (this.#isSource) throw this.#refusal();
    return super.prepareProduced(records, options);
  }

  #refusal(): ConflictError {
    return sourceConflict(this.name, 'an append that is no publish');
  }

  /**
   * Makes a consumer of a share group, whose records are leased one by one to any number of consumers.
   * The group is made when there is none, and begins at `from`.
   *
   * @param name  1 to 255 bytes of UTF-8, without control characters
   * @returns a new consumer; close it to give back what it holds
   * @throws TypeError, RangeError; ConflictError when a setting that was given is not what is stored;
   *   or a new group would let settled records of a compacted topic go; NotFoundError with `create: false`;
   *   ReadOnlyError
   *
   * Durability: a new group survives a power cut when this resolves. Cost: one fdatasync for a new one.
   */
  shareGroup(name: string, options: ShareGroupOptions = {}): Promise<ShareGroup<T, Input>> {
    return this.#shareGroups.open(this, name, options, (parts) => new ShareGroup(parts));
  }

  /** What there is to know of a share group: settings, figures, leases. @throws NotFoundError */
  describeShareGroup(name: string, options: DescribeOptions = {}): Promise<ShareGroupDescription> {
    return this.#shareGroups.describe(this.partitions, name, options);
  }

  /**
   * Changes settings of a share group, also while its records are leased: a lease keeps its time, and
   * new limits count from the next end of an attempt or a delay on. What is left out stays as it is.
   *
   * @param ofTopic  options of the topic that change with them, as `Store.alterTopic` takes them: all of
   *   it is changed, or nothing; default none
   * @throws NotFoundError; ConflictError for `retention: 'settled'` on a compacted topic; TypeError,
   *   RangeError; as `Store.alterTopic`
   *
   * Durability: synced when it resolves.
   */
  alterShareGroup(
    name: string,
    config: ShareConfig,
    ofTopic?: TopicConfig,
  ): Promise<ShareSettings> {
    const both = (changes: (options: TopicSettings) => readonly Change[]) =>
      this.#topics.changes.alter(this.name, ofTopic ?? {}, { group: name, changes });
    const write = ofTopic === undefined ? undefined : both;
    return this.#shareGroups.alter(this.partitions, name, config, write);
  }

  /**
   * Forgets a share group: what is settled, what is dead. No record is deleted; a group of this name
   * that comes later begins anew.
   *
   * @throws NotFoundError; ConflictError while it has consumers in this process
   *
   * Durability: synced when it resolves.
   */
  deleteShareGroup(name: string): Promise<void> {
    return this.#shareGroups.delete(this.partitions, name);
  }

  /**
   * Walks the records that a share group has not settled, without leasing them, also in a store that is
   * only read: see `ShareGroup.browse`.
   *
   * @throws NotFoundError at once; as `ShareGroup.browse`
   */
  browseShareGroup(
    name: string,
    options: BrowseOptions = {},
  ): AsyncGenerator<BrowsedRecord<T>, void, void> {
    return this.#shareGroups.browse(this, name, options);
  }

  /**
   * Makes a table of the topic: of each key the last record, kept up to date while the topic grows.
   *
   * @returns when it has read what was visible at the call; close it
   * @throws TypeError, RangeError; as `openLog` and `batches`; the signal's reason; ClosedError
   *
   * Cost: reads the topic, 1 to 2 us a record, and keeps its partitions open. Nothing is written: it is
   * made anew each time. It keeps no process alive; who waits for it does.
   */
  table(options: TableOptions = {}): Promise<TopicTable<T>> {
    return openTable(this, options);
  }

  /**
   * Compacts the topic by key: of each key the last record stays, and tombstones go once they are old
   * enough. Offsets and times of what stays are as they were; the newest segment of a partition is left
   * alone. Whatever the share of what is dirty is, but `compactionLagMsMin` counts, and what somebody needs
   * is kept: windows of ids, projections.
   *
   * One compaction goes on in a store at a time: this one waits for those that were asked for before, and
   * one that began by itself gives way. `Store.compactions` lists them.
   *
   * @returns what was done, by partition; where there is nothing to do that is a result, too
   * @throws TypeError, RangeError; ConflictError where `compaction` is `off`, or the topic is being rebuilt;
   *   the signal's reason; as `Log.compact`. Partitions before the one that failed are compacted
   *
   * Durability, cost: as `Log.compact`, partition after partition.
   */
  compact(options: TopicCompactOptions = {}): Promise<readonly PartitionCompaction[]> {
    return compactTopic(this.partitions, this.#compaction, options);
  }

  /**
   * What `compact` would do now: all of it is read, and nothing is written.
   *
   * @throws as `compact`, but for damage: then the plan ends in front of it (`limitedBy`)
   *
   * Cost: as `compact`, without the writing.
   */
  planCompaction(options: TopicCompactOptions = {}): Promise<readonly PartitionCompactionPlan[]> {
    return planTopicCompaction(this.partitions, this.#compaction, options);
  }

  /**
   * Joins a consumer group: its members share the partitions, each of which one of them reads. The
   * group begins to exist with its first commit.
   *
   * @param name  1 to 255 bytes of UTF-8, without control characters
   * @returns a new member; close it to leave
   * @throws TypeError, RangeError; ConflictError when the group's members have another `singleActive`
   *
   * Cost: nothing is written.
   */
  consumerGroup(name: string, options: GroupOptions = {}): Promise<ConsumerGroup<T>> {
    return this.#groups.join(this, name, options);
  }

  /** How far a group is behind, partition by partition. @throws NotFoundError; as `openLog` */
  describeGroup(name: string): Promise<GroupDescription> {
    return this.#groups.describe(this.partitions, name);
  }

  /**
   * Sets a group's positions: a dry run, unless `dryRun` is false.
   *
   * @throws ConflictError while the group has members; TypeError, RangeError; as `openLog`
   *
   * Durability: synced when it resolves.
   */
  resetGroup(
    name: string,
    to: ResetTo,
    options: ResetOptions = {},
  ): Promise<readonly PartitionReset[]> {
    return this.#groups.reset(this.partitions, name, to, options);
  }

  /** Forgets a group's positions. @throws NotFoundError; ConflictError while it has members */
  deleteGroup(name: string): Promise<void> {
    return this.#groups.delete(this.partitions, name);
  }
}
