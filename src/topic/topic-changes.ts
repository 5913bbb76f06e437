/** Changes of topics that are there: other options, more partitions. */
import { checkInteger } from '../core/assert.ts';
import type { Mutex } from '../core/mutex.ts';
import { change, type Change } from '../journal/journal.ts';
import { checkCompaction, checkMayGrow } from './compaction-conflicts.ts';
import { checkNotUntilSettled } from './dedup-options.ts';
import type { PartitionSet } from './partition-set.ts';
import type { TopicDescription } from './topic-description.ts';
import type { TopicHome } from './topic-home.ts';
import {
  alteredSettings,
  checkTopicConfig,
  PARTITIONS_MAX,
  type TopicConfig,
} from './topic-options.ts';
import {
  partitionsAdded,
  topicAltered,
  type TopicSettings,
  type TopicState,
} from './topic-state.ts';
import { checkArchive, type ArchiveTopics } from './unfinished-options.ts';

/** What a change has to know of the topics there are. */
export interface TopicChangesParts {
  readonly home: Pick<TopicHome, 'journal' | 'clock' | 'signals'>;
  /** Whose turn it is to make, change or delete a topic. */
  readonly turns: Mutex;
  /** @throws NotFoundError */
  describe(name: string): TopicDescription;
  /** @throws NotFoundError when it was deleted meanwhile */
  stateOf(topicId: number, name: string): TopicState;
  set(topicId: number, name: string): PartitionSet;
  /** @throws ReadOnlyError where the journal is damaged */
  checkSound(operation: string): void;
  /** Whether records of a topic are settled: else nothing can wait for that. */
  isQueue(topicId: number): boolean;
  /** Name of a share group of a topic whose settled records go, another one than `except`; null = none. */
  settledGroup(topicId: number, except: string | null): string | null;
  /** Has no share group come to be, or change, until `action` is done. */
  whileGroupsStand<R>(action: () => Promise<R>): Promise<R>;
  readonly archives: ArchiveTopics;
  /** Told when the journal has more partitions of a topic. */
  grown(topicId: number): Promise<void>;
}

/** A share group that changes with its topic: all or none. */
export interface GroupAlteration {
  readonly group: string;
  /** Called when it is their turn, with the options as they will be. Groups must stand still until then. */
  changes(options: TopicSettings): readonly Change[];
}

export class TopicChanges {
  readonly #parts: TopicChangesParts;
  /** Others hear of growth when its turn is over, for they may wait for a change themselves. */
  readonly #growths = new Set<Promise<void>>();

  constructor(parts: TopicChangesParts) {
    this.#parts = parts;
  }

  /**
   * Changes options of a topic, also while it is used.
   *
   * @param beside  a share group that changes with it
   * @throws NotFoundError, also when there is no topic to archive in; ConflictError as `checkCompaction`, `checkArchive`;
   *   TypeError, RangeError as `openLog`; what `beside.changes` throws
   */
  async alter(
    name: string,
    config: TopicConfig,
    beside: GroupAlteration | null = null,
  ): Promise<TopicDescription> {
    const wanted = checkTopicConfig(config);
    const alter = (): Promise<TopicDescription> => this.#alter(name, wanted, beside);
    const isForGroups = wanted.compaction === 'key' && beside === null;
    return isForGroups ? this.#parts.whileGroupsStand(alter) : alter();
  }

  #alter(
    name: string,
    config: TopicConfig,
    beside: GroupAlteration | null,
  ): Promise<TopicDescription> {
    return this.#change(name, async (topicId, { options: before, keyMaps }) => {
      const options = alteredSettings(before, config);
      const parts = this.#parts;
      if (!parts.isQueue(topicId)) checkNotUntilSettled(config);
      checkArchive(name, config, options, parts.archives);
      const settledGroup = parts.settledGroup(topicId, beside?.group ?? null);
      checkCompaction({ name, keyMaps, settledGroup }, options);
      const { journal, clock } = parts.home;
      const altered = change(topicAltered, { topicId, options, timeMs: clock.now() });
      await journal.appendAll([altered, ...(beside?.changes(options) ?? [])]);
      parts.set(topicId, name).configure();
    });
  }

  /**
   * Gives a topic more partitions. Records stay where they are; keys go elsewhere from now on.
   *
   * @param total  how many there shall be
   * @throws NotFoundError; RangeError when that is not more than there are; ConflictError when it is
   *   compacted
   */
  async addPartitions(name: string, total: number): Promise<TopicDescription> {
    const changed = await this.#change(name, async (topicId, { logIds: before, options }) => {
      checkInteger('partitions', total, { min: before.length + 1, max: PARTITIONS_MAX });
      checkMayGrow(name, options, total);
      const { journal, clock } = this.#parts.home;
      const set = this.#parts.set(topicId, name);
      const logIds = [...(await set.create(before.length, total - before.length, options))];
      await journal.append(partitionsAdded, { topicId, logIds, timeMs: clock.now() }, 'sync');
      set.grown();
    });
    const growth = this.#parts.grown(changed.topicId);
    this.#growths.add(growth);
    await growth.finally(() => this.#growths.delete(growth));
    return changed;
  }

  /** Resolves when those that were asked for so far are done, and told of. */
  async idle(): Promise<void> {
    await this.#parts.turns.idle();
    if (this.#growths.size > 0) await Promise.allSettled(this.#growths);
  }

  /** Runs `action` on a topic that is there, behind all changes before. */
  #change(
    name: string,
    action: (topicId: number, state: TopicState) => Promise<void>,
  ): Promise<TopicDescription> {
    const { turns, home } = this.#parts;
    return turns.run(async () => {
      this.#parts.checkSound('a change of a topic');
      const { topicId } = this.#parts.describe(name);
      await action(topicId, this.#parts.stateOf(topicId, name));
      const changed = this.#parts.describe(name);
      home.signals.events.emit('topic-altered', changed);
      return changed;
    });
  }
}
