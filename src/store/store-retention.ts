/**
 * Retention of partitions that nobody has open: an open log looks after itself, every few minutes and
 * at each roll. Here it is once an hour, because each that has something to let go of is opened for it.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { IDLE_RETENTION_MS } from '../core/limits.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { Partition } from '../topic/partition.ts';

export class StoreRetention {
  readonly #catalog: TopicCatalog;
  readonly #clock: Clock;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(catalog: TopicCatalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** Looks at it now and then, until `close`. */
  start(): void {
    if (this.#isClosed) return;
    this.#timer = this.#clock.setTimer(() => {
      void this.run().then(() => this.start());
    }, IDLE_RETENTION_MS);
  }

  /** Lets go of what retention no longer wants, in every partition. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const partition of this.#catalog.partitions()) {
      if (this.#isClosed) return;
      // A log that cannot do it says why in its own figures; the next round tries again.
      await retain(partition).catch(() => undefined);
    }
  }
}

async function retain(partition: Partition): Promise<void> {
  if (!partition.hasRetention) return;
  if (partition.extent === null) await partition.measure();
  if ((partition.extent?.segmentCount ?? 0) < 2) return; // The last one always stays.
  await partition.use((log) => log.retain());
}
