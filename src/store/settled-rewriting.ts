/**
 * Rewrites segments of queues of which most records are settled, where retention cannot delete them: behind a
 * record that waits for a month, or is dead and kept, thousands may come and go every day.
 *
 * For each segment, while nothing that is settled can be wanted again: what is wanted is asked for, then the
 * journal is synced, for what says that the others are settled may only be written; then the segment is
 * rewritten and swapped.
 */
import { Pace } from '../core/pace.ts';
import type { Clock } from '../core/clock.ts';
import { isStoreError } from '../core/errors.ts';
import { COMPACTION_RETRY_MS_MAX, COMPACTION_RETRY_MS_MIN } from '../core/limits.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { OffsetSpan, SettledRewriter, SettledSegment } from '../log/settled-rewriter.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import { settledVersions } from '../queue/share-state.ts';
import { isWanted, wantedCount, wantedIn } from '../queue/wanted-offsets.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { Partition } from '../topic/partition.ts';
import { RetryTimes } from './retry-times.ts';

export interface SettledRewritingParts {
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly shareGroups: ShareGroups;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly signals: StoreSignals;
}

const RETRY_DELAYS = { minMs: COMPACTION_RETRY_MS_MIN, maxMs: COMPACTION_RETRY_MS_MAX };

export class SettledRewriting {
  readonly #parts: SettledRewritingParts;
  /** How much of each log was settled when there was nothing left to do for it, as `settledVersions`. */
  readonly #looked = new Map<number, string>();
  readonly #retries: RetryTimes;
  /** Of which logs health says that it cannot be done. */
  readonly #failing = new Map<number, Partition>();
  readonly #ending = new AbortController();
  #running: Promise<void> | null = null;
  #isUrgent = false;

  constructor(parts: SettledRewritingParts) {
    this.#parts = parts;
    this.#retries = new RetryTimes(parts.clock, RETRY_DELAYS);
  }

  /**
   * Rewrites what is due, one segment at a time; one that goes on already is waited for. Never rejects: health
   * says what fails (`compaction-failed`), and it is tried again after a minute, then ever more rarely, up to
   * an hour.
   *
   * @param isUrgent  somebody waits for room: then it goes as fast as it can
   */
  run(isUrgent: boolean): Promise<void> {
    this.#isUrgent ||= isUrgent;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null;
      this.#isUrgent = false;
    });
    return this.#running;
  }

  /** Ends it at its next step. */
  async close(): Promise<void> {
    this.#ending.abort(new Error('the store is closed'));
    await this.#running;
  }

  async #runAll(): Promise<void> {
    const { fold, catalog } = this.#parts;
    const versions = settledVersions(fold);
    this.#retries.keepOnly(versions);
    for (const logId of this.#looked.keys()) if (!versions.has(logId)) this.#looked.delete(logId);
    for (const logId of this.#failing.keys()) if (!versions.has(logId)) this.#succeeded(logId);
    for (const [logId, version] of versions) {
      if (this.#ending.signal.aborted) return;
      if (this.#looked.get(logId) === version || !this.#retries.isTime(logId)) continue;
      const partition = catalog.partitionOf(logId);
      if (partition === null) continue; // Its topic was deleted.
      if (await this.#tried(logId, partition)) this.#looked.set(logId, version);
    }
  }

  /** @returns whether there is nothing left to do before more is settled */
  async #tried(logId: number, partition: Partition): Promise<boolean> {
    try {
      const isDone = await this.#rewriteIn(logId, partition);
      this.#retries.succeeded(logId);
      this.#succeeded(logId);
      return isDone;
    } catch (error) {
      if (this.#ending.signal.aborted || isRefusal(error)) return false;
      this.#retries.failed(logId);
      this.#failing.set(logId, partition);
      const why = error instanceof Error ? error.message : String(error);
      const { topic, number } = partition;
      const message = `settled records of ${topic}/${number} could not be taken out: ${why}`;
      this.#parts.signals.health.raise({ ...placeOf(partition), message });
      return false;
    }
  }

  /** Nothing is wrong with it any more; or nobody lets its settled records go now. */
  #succeeded(logId: number): void {
    const partition = this.#failing.get(logId);
    if (partition === undefined) return;
    this.#failing.delete(logId);
    this.#parts.signals.health.clear(placeOf(partition));
  }

  /** @returns as `#tried` */
  async #rewriteIn(logId: number, partition: Partition): Promise<boolean> {
    if (partition.isBeingReplaced || partition.rewriting.isShut) return false;
    if (partition.extent === null) await partition.measure();
    if ((partition.extent?.segmentCount ?? 0) < 2) return false; // None is sealed yet.
    return partition.use(async (log) => {
      const { settledRewriter } = log.forStore();
      const choice = await settledRewriter.choose((range) => this.#wantedIn(logId, range));
      const rest = this.#pace(settledRewriter.bytesPerSecondMax);
      for (const segment of choice.segments) {
        if (partition.rewriting.isShut) return false; // Somebody reads the files as they stand.
        const rewrite = () => this.#rewrite(logId, settledRewriter, segment);
        // Who wants to shut it waits for this one segment.
        rest.spend(await partition.rewriting.run(new AbortController(), rewrite));
        if (!this.#isUrgent) await rest.turn();
      }
      return !choice.isHeldBack;
    });
  }

  /** At once, for others wait meanwhile. @returns bytes that were moved */
  async #rewrite(
    logId: number,
    rewriter: SettledRewriter,
    segment: SettledSegment,
  ): Promise<number> {
    const { shareGroups, journal } = this.#parts;
    const { baseOffset: from, endOffset: to } = segment;
    let movedBytes = 0;
    await shareGroups.whileSettled(logId, async () => {
      const wanted = this.#wantedIn(logId, { from, to });
      // A purge was undone since, or a group made.
      if (wanted.countIn(from, to) > segment.wantedCount) return;
      // Behind what is wanted: it goes by what is written.
      await journal.sync();
      movedBytes = await rewriter.rewrite(segment, wanted, this.#pace(null));
    });
    return movedBytes;
  }

  #wantedIn(logId: number, range: OffsetSpan): WantedBits {
    return new WantedBits(wantedIn(this.#parts.fold, logId, range), range.from);
  }

  #pace(bytesPerSecondMax: number | null): Pace {
    const { clock } = this.#parts;
    return new Pace({ clock, bytesPerSecondMax, keepsAlive: false, signal: this.#ending.signal });
  }
}

function placeOf({ topic, number: partition }: Partition) {
  return { code: 'compaction-failed', topic, partition } as const;
}

/** Its topic was deleted, or somebody reads the files as they stand: nothing has failed. */
function isRefusal(error: unknown): boolean {
  return isStoreError(error, 'ERR_VARVE_CLOSED') || isStoreError(error, 'ERR_VARVE_CONFLICT');
}

/** What is wanted of an offset range. */
class WantedBits {
  readonly #bits: Uint8Array;
  readonly #from: number;

  constructor(bits: Uint8Array, from: number) {
    this.#bits = bits;
    this.#from = from;
  }

  has(offset: number): boolean {
    return isWanted(this.#bits, offset - this.#from);
  }

  countIn(from: number, to: number): number {
    return wantedCount(this.#bits, from - this.#from, to - this.#from);
  }
}
