/** How a share group comes to be: where it begins in each partition, and what holds for it. */
import type { Clock } from '../core/clock.ts';
import { Mutex } from '../core/mutex.ts';
import { change } from '../journal/journal.ts';
import type { Committer } from '../journal/committer.ts';
import type { Fold } from '../journal/fold.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { StartFrom } from '../topic/start-position.ts';
import { checkRetention, groupLabel } from './queue-group.ts';
import { shareGroupCreated, shareStarted } from './share-entries.ts';
import { newShareSettings, type ShareConfig } from './share-settings.ts';
import { hasRecords, startsIn } from './share-starts.ts';
import { shareGroups, shareId, type ShareName } from './share-state.ts';

export interface ShareCreationParts {
  readonly fold: Fold;
  readonly clock: Clock;
  readonly committer: Committer;
  /** For what lets settled records go, and what wants them again. */
  readonly settled: Mutex;
}

export interface GroupSpec {
  readonly from: StartFrom;
  readonly config: ShareConfig;
  /** Of what `config` leaves open, on a topic that never had a record, and is not compacted. */
  readonly defaults: ShareConfig;
}

export class ShareCreation {
  readonly #parts: ShareCreationParts;
  /** Apart from changes, which may wait for a record to die, for which a group must be made. */
  readonly #turns = new Mutex();

  constructor(parts: ShareCreationParts) {
    this.#parts = parts;
  }

  /**
   * Makes a group, unless it is there by then.
   *
   * @throws ConflictError when settled records of a compacted topic would go; as `Committer.commit`
   */
  create(topic: PartitionSet, ref: ShareName, spec: GroupSpec): Promise<void> {
    const { fold, settled } = this.#parts;
    return this.#turns.run(async () => {
      if (fold.get(shareGroups, shareId(ref)) !== null) return;
      await settled.run(() => this.#createNow(topic, ref, spec));
    });
  }

  /** Resolves when those that were asked for so far are made, or failed. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }

  async #createNow(
    topic: PartitionSet,
    ref: ShareName,
    { from, config, defaults }: GroupSpec,
  ): Promise<void> {
    const { committer, clock } = this.#parts;
    const starts = await startsIn(topic, from, clock);
    const isOpen = topic.settings.compaction === 'off' && !(await hasRecords(topic));
    const settings = newShareSettings(config, isOpen ? defaults : {});
    topic.checkThere(); // It may be on its way out by now: nobody would forget the group.
    checkRetention(groupLabel(topic.name, ref.group), settings, topic.settings);
    const timeMs = clock.now();
    await committer.commit({
      changes: [
        change(shareGroupCreated, { ...ref, settings, timeMs }),
        change(shareStarted, { ...ref, starts, timeMs }),
      ],
    });
  }
}
