/** Deletes segments of queues of which every record is settled, and has others rewritten. */
import type { Clock, Timer } from '../core/clock.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import { SettledRewriting } from './settled-rewriting.ts';

/** How often it is looked: a segment that is settled stays so much longer. */
const LOOK_MS = 30_000;

export interface SettledRetentionParts {
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly shareGroups: ShareGroups;
  readonly fold: Fold;
  readonly clock: Clock;
}

export class SettledRetention {
  readonly #parts: SettledRetentionParts;
  readonly #rewriting: SettledRewriting;
  /** Below these offsets there was nothing to delete at the last look, by log. */
  readonly #looked = new Map<number, number>();
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: SettledRetentionParts) {
    this.#parts = parts;
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
    const { shareGroups, journal } = this.#parts;
    const due = [...shareGroups.settledOffsets()].filter(
      ([logId, offset]) => offset > (this.#looked.get(logId) ?? 0),
    );
    if (due.length === 0 || this.#isClosed) return;
    try {
      // What says that they are settled is durable before they go.
      await journal.sync();
    } catch {
      return; // The writer of the journal says so itself.
    }
    for (const [logId, offset] of due) {
      if (this.#isClosed) return;
      await this.#dropIn(logId, offset).catch(() => undefined);
    }
  }

  /** @param durableOffset  what is below it was settled, and is so durably */
  async #dropIn(logId: number, durableOffset: number): Promise<void> {
    const { catalog, shareGroups } = this.#parts;
    const partition = catalog.partitionOf(logId);
    if (partition === null) return; // Its topic was deleted.
    if (partition.extent === null) await partition.measure();
    const { segmentCount = 0 } = partition.extent ?? {};
    let offset = durableOffset;
    if (segmentCount > 1) {
      await shareGroups.whileSettled(logId, async (settledOffset) => {
        // A purge may have been undone meanwhile, or a group made.
        offset = Math.min(durableOffset, settledOffset);
        await partition.use((log) => log.retain(offset));
      });
    }
    this.#looked.set(logId, offset);
  }
}
