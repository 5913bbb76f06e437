/** Deletes segments of queues of which every record is settled, and has others rewritten. */
import type { Clock, Timer } from '../core/clock.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { Partition } from '../topic/partition.ts';
import { RetryTimes } from './retry-times.ts';
import { SettledRewriting } from './settled-rewriting.ts';

/** How often it is looked: a segment that is settled stays so much longer. */
const LOOK_MS = 30_000;
/** Where somebody else needs what is settled, or it could not go, it is tried again after so long at most. */
const HELD_MS_MAX = 5 * 60_000;

export interface SettledRetentionParts {
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly shareGroups: ShareGroups;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly signals: StoreSignals;
}

export class SettledRetention {
  readonly #parts: SettledRetentionParts;
  readonly #rewriting: SettledRewriting;
  /** Where the first segment ended at the last look, by log: as long as less is settled, nothing can go. */
  readonly #firstEnds = new Map<number, number>();
  readonly #retries: RetryTimes;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: SettledRetentionParts) {
    this.#parts = parts;
    this.#retries = new RetryTimes(parts.clock, { minMs: LOOK_MS, maxMs: HELD_MS_MAX });
    this.#rewriting = new SettledRewriting(parts);
  }

  /** Looks at it now and then, as soon as there is something to look at, until `close`. */
  start(): void {
    const { shareGroups } = this.#parts;
    shareGroups.onSettling = () => this.#arm();
    if (shareGroups.settledOffsets().size > 0) this.#arm();
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#parts.clock.setTimer(() => {
      this.#timer = null;
      void this.#drop()
        .then(() => this.#rewrite(false))
        .then(() => this.#arm());
    }, LOOK_MS);
  }

  /**
   * Somebody wants room: deletes what can go. What is mostly settled is rewritten, too, but not waited for.
   * Never rejects: a log that cannot do it says why in its own figures.
   */
  async run(): Promise<void> {
    await this.#drop();
    void this.#rewrite(true);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#rewriting.close();
    await this.#running;
  }

  #drop(): Promise<void> {
    this.#running = this.#running.then(() => this.#dropAll());
    return this.#running;
  }

  async #rewrite(isUrgent: boolean): Promise<void> {
    if (!this.#isClosed) await this.#rewriting.run(isUrgent);
  }

  async #dropAll(): Promise<void> {
    if (this.#isClosed) return;
    const due = await this.#due();
    if (due.length === 0) return;
    try {
      // What says that they are settled is durable before they go.
      await this.#parts.journal.sync();
    } catch {
      return; // The writer of the journal says so itself.
    }
    for (const one of due) {
      if (this.#isClosed) return;
      await this.#dropIn(one).catch(() => this.#retries.failed(one.logId));
    }
  }

  /** Logs whose first segment may be settled. */
  async #due(): Promise<readonly SettledLog[]> {
    const { catalog, shareGroups } = this.#parts;
    const settled = shareGroups.settledOffsets();
    this.#retries.keepOnly(settled);
    for (const logId of this.#firstEnds.keys()) {
      if (!settled.has(logId)) this.#firstEnds.delete(logId);
    }
    const due: SettledLog[] = [];
    for (const [logId, offset] of settled) {
      const partition = catalog.partitionOf(logId);
      if (partition === null) continue; // Its topic was deleted.
      if (!this.#retries.isTime(logId)) continue;
      if (offset < (this.#firstEnds.get(logId) ?? 1)) continue;
      try {
        if (await hasSealed(partition)) due.push({ logId, offset, partition });
      } catch {
        this.#retries.failed(logId);
      }
    }
    return due;
  }

  async #dropIn({ logId, offset: durableOffset, partition }: SettledLog): Promise<void> {
    await this.#parts.shareGroups.whileSettled(logId, async (settledOffset) => {
      // A purge may have been undone meanwhile, or a group made.
      const offset = Math.min(durableOffset, settledOffset);
      const firstEnd = await partition.use(async (log) => {
        await log.retain(offset);
        return log.forStore().segments.all[1]?.baseOffset ?? 0;
      });
      this.#firstEnds.set(logId, firstEnd);
      const isHeld = 0 < firstEnd && firstEnd <= offset;
      if (isHeld) this.#retries.failed(logId);
      else this.#retries.succeeded(logId);
    });
  }
}

/** A log, and up to where it was settled, which is durable behind the next sync of the journal. */
interface SettledLog {
  readonly logId: number;
  readonly offset: number;
  readonly partition: Partition;
}

async function hasSealed(partition: Partition): Promise<boolean> {
  if (partition.extent === null) await partition.measure();
  return (partition.extent?.segmentCount ?? 0) > 1;
}
