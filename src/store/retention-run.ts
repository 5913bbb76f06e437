/** Retention because somebody asks for it: what is to go of a topic now, why, and what of it went. */
import type { Log } from '../log/log.ts';
import type { DueSegment, RetentionReason } from '../log/retention.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { StoreUpkeepParts } from './store-upkeep.ts';

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
  /** Why this partition could not be looked at, or not all of it go; null = nothing went wrong. */
  readonly error: unknown;
}

type RunParts = Pick<StoreUpkeepParts, 'journal' | 'shareGroups'>;

/** Partition by partition; what goes wrong with one is its `error`. @throws ClosedError */
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
    done.push(await new PartitionRun(parts, partition, settledOffset).run(isDryRun));
  }
  return done;
}

class PartitionRun {
  readonly #parts: RunParts;
  readonly #partition: Partition;
  /** What was settled when it began. */
  readonly #settledOffset: number;
  #startOffset = 0;
  #newStartOffset = 0;
  #due: readonly DueSegment[] = [];

  constructor(parts: RunParts, partition: Partition, settledOffset: number) {
    this.#parts = parts;
    this.#partition = partition;
    this.#settledOffset = settledOffset;
  }

  async run(isDryRun: boolean): Promise<PartitionRetention> {
    let error: unknown = null;
    try {
      if (await this.#mayHaveDue()) await this.#partition.use((log) => this.#runOn(log, isDryRun));
    } catch (cause) {
      error = cause;
    }
    const { number: partition } = this.#partition;
    const [startOffset, newStartOffset] = [this.#startOffset, this.#newStartOffset];
    const due = summed(this.#due, isDryRun ? 0 : newStartOffset);
    return { partition, startOffset, newStartOffset, due, error };
  }

  /** Not every partition is worth to be opened. */
  async #mayHaveDue(): Promise<boolean> {
    const partition = this.#partition;
    if (!partition.hasRetention && this.#settledOffset === 0) return false;
    if (partition.extent === null) await partition.measure();
    return (partition.extent?.segmentCount ?? 0) > 1;
  }

  async #runOn(log: Log<Uint8Array>, isDryRun: boolean): Promise<void> {
    this.#startOffset = log.startOffset;
    this.#newStartOffset = log.startOffset;
    this.#due = await log.dueSegments(this.#settledOffset);
    if (isDryRun) {
      this.#newStartOffset = this.#due.at(-1)?.endOffset ?? log.startOffset;
      return;
    }
    try {
      if (this.#settledOffset > 0) await this.#dropSettled(log);
      await log.retain();
    } finally {
      this.#newStartOffset = log.startOffset;
    }
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
