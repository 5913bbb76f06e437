/** What a store does by itself so that its logs hold no more than they should. */
import type { Clock } from '../core/clock.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { StoreCompaction } from './store-compaction.ts';
import { SettledRetention } from './settled-retention.ts';
import { StoreBytes } from './store-bytes.ts';
import { StoreRetention } from './store-retention.ts';

export interface StoreUpkeepParts {
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly shareGroups: ShareGroups;
  readonly compaction: StoreCompaction;
  readonly fold: Fold;
  readonly clock: Clock;
}

export class StoreUpkeep {
  readonly bytes: StoreBytes;
  readonly #retention: StoreRetention;
  readonly #settledRetention: SettledRetention;
  readonly #compaction: StoreCompaction;

  constructor(parts: StoreUpkeepParts) {
    const { journal, catalog, clock } = parts;
    const retention = new StoreRetention(catalog, clock);
    const settledRetention = new SettledRetention(parts);
    this.#retention = retention;
    this.#settledRetention = settledRetention;
    this.#compaction = parts.compaction;
    this.bytes = new StoreBytes({ journal, catalog, retention, settledRetention });
  }

  /** Looks after the logs now and then, until `close`. */
  start(): void {
    this.#retention.start();
    this.#settledRetention.start();
    this.#compaction.start();
  }

  /** Lets go of what queues have settled: an append found no room. Never rejects. */
  makeRoom(): Promise<void> {
    return this.#settledRetention.run();
  }

  async close(): Promise<void> {
    await this.#compaction.close();
    await this.#retention.close();
    await this.#settledRetention.close();
  }
}
