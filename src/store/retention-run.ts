/** Retention because somebody asks for it: what is to go of a topic now, why, and what of it went. */
import { NotFoundError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import type { DueSegment, RetentionReason } from '../log/retention.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { GroupRef } from '../topic/unfinished-passed.ts';
import type { StoreUpkeepParts } from './store-upkeep.ts';
import type { UnfinishedPlace } from './unfinished-needs.ts';

/** Segments of a partition that are due for one reason. */
export interface DueSegments {
  readonly reason: RetentionReason;
  readonly segmentCount: number;
  readonly sizeBytes: number;
  /** How many of them went: 0 in a dry run. Somebody needs the others, or they could not go. */
  readonly deletedCount: number;
}

export interface PartitionRetention {
  readonly partition: number;
  /** Where it began. */
  readonly startOffset: number;
  /** Where it begins now; in a dry run, where it would if nobody needed what is due. */
  readonly newStartOffset: number;
  /** By reason, oldest first; empty when nothing is due. */
  readonly due: readonly DueSegments[];
  /** Groups that are not done with what is due by age or size. */
  readonly unfinished: readonly UnfinishedGroup[];
  /** Whether it stays for them: as the topic says (`unfinished`). */
  readonly isHeld: boolean;
  /** Of what they are not done with: the topic that it is copied to before it goes; null = nothing is. */
  readonly archiveTo: string | null;
  /** Why this partition could not be looked at, or not all of it go (or could, now); null = nothing is wrong. */
  readonly error: unknown;
}

export interface UnfinishedGroup extends GroupRef {
  /** Of records for a share group, of offsets for a consumer group. */
  readonly count: number;
  readonly firstOffset: number;
}

type RunParts = Pick<
  StoreUpkeepParts,
  'journal' | 'catalog' | 'shareGroups' | 'unfinished' | 'archive'
>;

/**
 * Partition by partition; what goes wrong with one is its `error`. What is to be archived first is waited for,
 * as far as it can be archived now.
 *
 * @throws ClosedError
 */
export async function runRetention(
  parts: RunParts,
  topic: PartitionSet,
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<readonly PartitionRetention[]> {
  const settled = parts.shareGroups.settledOffsets();
  const done: PartitionRetention[] = [];
  for (let number = 0; number < topic.count; number++) {
    const partition = topic.at(number);
    const settledOffset = settled.get(partition.logId ?? 0) ?? 0;
    const place = { topicId: topic.topicId, partition: number };
    done.push(await new PartitionRun(parts, { place, partition, settledOffset }).run(isDryRun));
  }
  return done;
}

class PartitionRun {
  readonly #parts: RunParts;
  readonly #partition: Partition;
  readonly #place: UnfinishedPlace;
  /** What was settled when it began. */
  readonly #settledOffset: number;
  #startOffset = 0;
  #newStartOffset = 0;
  #due: readonly DueSegment[] = [];
  #unfinished: readonly UnfinishedGroup[] = [];

  constructor(
    parts: RunParts,
    of: {
      readonly place: UnfinishedPlace;
      readonly partition: Partition;
      readonly settledOffset: number;
    },
  ) {
    this.#parts = parts;
    this.#place = of.place;
    this.#partition = of.partition;
    this.#settledOffset = of.settledOffset;
  }

  async run(isDryRun: boolean): Promise<PartitionRetention> {
    let error: unknown = null;
    try {
      if (await this.#mayHaveDue()) {
        error = await this.#partition.use((log) => this.#runOn(log, isDryRun));
      }
    } catch (cause) {
      error = cause;
    }
    const { number: partition } = this.#partition;
    const [startOffset, newStartOffset] = [this.#startOffset, this.#newStartOffset];
    const due = summed(this.#due, isDryRun ? 0 : newStartOffset);
    const unfinished = this.#unfinished;
    const archiveTo = this.#archiveTo();
    // What can be archived goes, as far as a dry run knows: what is leased, and how much room there is, may change.
    const isLeft = isDryRun ? archiveTo === null || error !== null : this.#isLeft();
    const isHeld = unfinished.length > 0 && isLeft && this.#parts.unfinished.holds(this.#place);
    return { partition, startOffset, newStartOffset, due, unfinished, isHeld, archiveTo, error };
  }

  /** Whether some of what is due is still there. */
  #isLeft(): boolean {
    return this.#newStartOffset < (this.#due.at(-1)?.endOffset ?? 0);
  }

  /** Null where nothing is to be archived. */
  #archiveTo(): string | null {
    return this.#unfinished.length === 0 ? null : this.#parts.unfinished.archiveOf(this.#place);
  }

  /** Not every partition is worth to be opened. */
  async #mayHaveDue(): Promise<boolean> {
    const partition = this.#partition;
    if (!partition.hasRetention && this.#settledOffset === 0) return false;
    if (partition.extent === null) await partition.measure();
    return (partition.extent?.segmentCount ?? 0) > 1;
  }

  /** @returns why not all of it could be archived; null = nothing went wrong */
  async #runOn(log: Log<Uint8Array>, isDryRun: boolean): Promise<Error | null> {
    this.#startOffset = log.startOffset;
    this.#newStartOffset = log.startOffset;
    this.#due = await log.dueSegments(this.#settledOffset);
    this.#unfinished = this.#unfinishedIn(this.#due);
    if (isDryRun) {
      this.#newStartOffset = this.#due.at(-1)?.endOffset ?? log.startOffset;
      return this.#noArchive();
    }
    try {
      if (this.#settledOffset > 0) await this.#dropSettled(log);
      await log.retain();
      return await this.#parts.archive.tried(this.#place); // Which has what was copied go.
    } finally {
      this.#newStartOffset = log.startOffset;
    }
  }

  /** What nothing could be archived for: its topic is gone. */
  #noArchive(): Error | null {
    const name = this.#archiveTo();
    if (name === null || this.#parts.catalog.find(name) !== null) return null;
    return new NotFoundError({ kind: 'topic', name });
  }

  /** Of what is due by age or size: what is settled nobody needs. */
  #unfinishedIn(due: readonly DueSegment[]): readonly UnfinishedGroup[] {
    const from = Math.max(this.#startOffset, due.findLast(isSettled)?.endOffset ?? 0);
    const to = due.at(-1)?.endOffset ?? from;
    return this.#parts.unfinished.needsIn(this.#place).flatMap((need) => {
      const count = from < to ? need.countIn({ from, to }) : 0;
      const { groupKind, group } = need;
      return count === 0 ? [] : [{ groupKind, group, count, firstOffset: need.first(from) }];
    });
  }

  async #dropSettled(log: Log<Uint8Array>): Promise<void> {
    const { journal, shareGroups } = this.#parts;
    await journal.sync(); // What says that they are settled is durable before they go.
    await shareGroups.whileSettled(log.logId, async (settledOffset) => {
      // A purge may have been undone meanwhile, or a group made.
      await log.retain(Math.min(this.#settledOffset, settledOffset));
    });
  }
}

function isSettled({ reason }: DueSegment): boolean {
  return reason === 'settled';
}

/** @param startOffset  what ends at or below it is deleted */
function summed(segments: readonly DueSegment[], startOffset: number): readonly DueSegments[] {
  const reasons = new Set(segments.map(({ reason }) => reason));
  return [...reasons].map((reason) => {
    const own = segments.filter((segment) => segment.reason === reason);
    const sizeBytes = own.reduce((sum, segment) => sum + segment.sizeBytes, 0);
    const deletedCount = own.filter(({ endOffset }) => endOffset <= startOffset).length;
    return { reason, segmentCount: own.length, sizeBytes, deletedCount };
  });
}
