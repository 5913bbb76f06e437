/**
 * Which partition of a store is to be compacted next. Those whose logs are open are looked at every minute;
 * the others once an hour, for each has to be opened, or when they have grown by a segment since.
 */
import type { Clock } from '../core/clock.ts';
import {
  COMPACTION_LOOK_MS,
  COMPACTION_RETRY_MS_MAX,
  COMPACTION_RETRY_MS_MIN,
  IDLE_COMPACTION_MS,
} from '../core/limits.ts';
import type { CompactionChoice, CompactionReason } from '../log/compaction-plan.ts';
import type { Partition } from '../topic/partition.ts';

/** A partition with something to compact. */
export interface Candidate {
  readonly partition: Partition;
  readonly why: CompactionReason;
}

/** What is known of a partition from earlier looks; times are monotonic. */
interface Known {
  /** When it is closed: not before, unless it has grown. */
  idleLookMs: number;
  /** At the last look; it takes another sealed one for there to be more to compact. */
  segmentCount: number;
  /** 0 = the last try did not fail. */
  retryDelayMs: number;
  retryMs: number;
}

/** A look that found something. */
interface Due extends Candidate {
  readonly dirtyShare: number;
}

export class CompactionCandidates {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #known = new WeakMap<Partition, Known>();
  readonly #toLook = new Set<Partition>();
  readonly #due = new Map<Partition, Due>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monotonic();
  }

  /** Whether nothing is to be looked at, or known to be due. */
  get isEmpty(): boolean {
    return this.#toLook.size === 0 && this.#due.size === 0;
  }

  clear(): void {
    this.#toLook.clear();
    this.#due.clear();
  }

  /** It may have something to compact now. What failed lately waits all the same. */
  add(partition: Partition): void {
    const { retryMs } = this.#knownOf(partition);
    if (this.#clock.monotonic() >= retryMs) this.#toLook.add(partition);
  }

  /** Adds those at which it is time to look. */
  addDue(partitions: readonly Partition[]): void {
    for (const partition of partitions) if (this.#isTime(partition)) this.add(partition);
  }

  /**
   * Looks at those that were added. Whoever is past `compactionLagMsMax` comes first, then who has the
   * largest share to compact.
   *
   * @param onFailed  hears of those that could not be looked at
   * @returns null = nothing is due; what is returned is not returned again until it is added again
   */
  async next(onFailed: (partition: Partition, error: unknown) => void): Promise<Candidate | null> {
    for (const partition of this.#toLook) {
      this.#toLook.delete(partition);
      try {
        await this.#look(partition);
      } catch (error) {
        onFailed(partition, error);
      }
    }
    const [first = null] = [...this.#due.values()].toSorted(byUrgency);
    if (first !== null) this.#due.delete(first.partition);
    return first;
  }

  /** It was compacted. */
  succeeded(partition: Partition): void {
    const known = this.#knownOf(partition);
    known.retryDelayMs = 0;
    known.retryMs = Number.NEGATIVE_INFINITY;
  }

  /** It could not be: it is tried again after a minute, then after two, and so on. */
  failed(partition: Partition): void {
    const known = this.#knownOf(partition);
    const doubledMs = Math.min(2 * known.retryDelayMs, COMPACTION_RETRY_MS_MAX);
    known.retryDelayMs = Math.max(COMPACTION_RETRY_MS_MIN, doubledMs);
    known.retryMs = this.#clock.monotonic() + known.retryDelayMs;
    known.idleLookMs = known.retryMs;
    this.#due.delete(partition);
  }

  #isTime(partition: Partition): boolean {
    if (!partition.isCompacted || partition.rewriting.isShut) return false;
    if (partition.opened !== null) return !partition.opened.readOnly;
    const { idleLookMs, segmentCount } = this.#knownOf(partition);
    const count = partition.extent?.segmentCount ?? segmentCount;
    if (count < 2 && partition.extent !== null) return false; // The last one is never compacted.
    return count !== segmentCount || this.#clock.monotonic() >= idleLookMs;
  }

  async #look(partition: Partition): Promise<void> {
    this.#due.delete(partition);
    if (partition.opened === null && partition.extent === null) await partition.measure();
    const known = this.#knownOf(partition);
    known.idleLookMs = this.#clock.monotonic() + IDLE_COMPACTION_MS;
    known.segmentCount = partition.extent?.segmentCount ?? 0;
    if (known.segmentCount < 2) return;
    if (partition.rewriting.isShut) {
      known.idleLookMs = this.#clock.monotonic(); // As soon as it is open again.
      return;
    }
    const choice = await lookAt(partition);
    known.segmentCount = partition.extent?.segmentCount ?? 0;
    const { why, limitedBy, dirtyBytes } = choice;
    const mayGrowOld = limitedBy === 'lag' || dirtyBytes > 0;
    if (mayGrowOld) known.idleLookMs = this.#clock.monotonic() + waitOf(partition);
    if (why !== null) this.#due.set(partition, { partition, why, dirtyShare: shareOf(choice) });
  }

  #knownOf(partition: Partition): Known {
    const known = this.#known.get(partition);
    if (known !== undefined) return known;
    const made: Known = {
      idleLookMs: this.#startMs + IDLE_COMPACTION_MS,
      segmentCount: 0,
      retryDelayMs: 0,
      retryMs: Number.NEGATIVE_INFINITY,
    };
    this.#known.set(partition, made);
    return made;
  }
}

/** Who wants the files to stay as they are waits for it: it may have to open the log, and ends soon. */
function lookAt(partition: Partition): Promise<CompactionChoice> {
  const look = () => partition.use((log) => log.forStore().compactor.look());
  return partition.rewriting.run(new AbortController(), look);
}

/** What waits becomes due by its age alone while nobody appends. */
function waitOf({ compactionLagMsMax }: Partition): number {
  return Math.min(IDLE_COMPACTION_MS, Math.max(COMPACTION_LOOK_MS, compactionLagMsMax ?? Infinity));
}

function shareOf({ dirtyBytes, totalBytes }: CompactionChoice): number {
  return totalBytes === 0 ? 0 : dirtyBytes / totalBytes;
}

function byUrgency(one: Due, two: Due): number {
  return Number(two.why === 'lag') - Number(one.why === 'lag') || two.dirtyShare - one.dirtyShare;
}
