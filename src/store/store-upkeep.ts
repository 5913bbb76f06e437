/** What a store does by itself so that its logs hold no more than they should. */
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { StoreSignals } from '../topic/log-reporter.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { AskedCompactions } from './asked-compactions.ts';
import { runRetention, type PartitionRetention } from './retention-run.ts';
import type { StoreCompaction } from './store-compaction.ts';
import { SettledRetention } from './settled-retention.ts';
import { StoreBytes } from './store-bytes.ts';
import { StoreRetention } from './store-retention.ts';
import type { UnfinishedArchive } from './unfinished-archive.ts';
import type { UnfinishedGuard } from './unfinished-guard.ts';

export interface StoreUpkeepParts {
  /** Of the store. */
  readonly path: string;
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly shareGroups: ShareGroups;
  readonly compaction: StoreCompaction;
  readonly unfinished: UnfinishedGuard;
  readonly archive: UnfinishedArchive;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly random: Random;
  readonly signals: StoreSignals;
}

export class StoreUpkeep {
  readonly bytes: StoreBytes;
  /** Those that other processes ask for. */
  readonly askedCompactions: AskedCompactions;
  readonly #parts: StoreUpkeepParts;
  readonly #retention: StoreRetention;
  readonly #settledRetention: SettledRetention;
  readonly #compaction: StoreCompaction;

  constructor(parts: StoreUpkeepParts) {
    this.#parts = parts;
    const { path, journal, catalog, clock, random } = parts;
    this.askedCompactions = new AskedCompactions(path, random);
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

  /** Retention of a topic now, because somebody asks for it. @throws as `runRetention` */
  retain(
    topic: PartitionSet,
    options: { readonly isDryRun: boolean },
  ): Promise<readonly PartitionRetention[]> {
    return runRetention(this.#parts, topic, options);
  }

  async close(): Promise<void> {
    await this.askedCompactions.close();
    await this.#compaction.close();
    await this.#retention.close();
    await this.#settledRetention.close();
  }
}
