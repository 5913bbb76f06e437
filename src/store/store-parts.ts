/** What a store is made of. */
import type { ConsumerGroups } from '../group/groups.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import type { Committer } from '../journal/committer.ts';
import type { Journal } from '../journal/journal.ts';
import type { SnapshotRuns } from '../journal/snapshot-run.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { Routing } from '../routing/routing.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import type { Producers } from '../topic/producers.ts';
import type { TopicHome } from '../topic/topic-home.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { StoreCompaction } from './store-compaction.ts';
import type { StoreControl } from './store-control.ts';
import type { StoreHome } from './store-home.ts';
import type { UnfinishedArchive } from './unfinished-archive.ts';
import type { UnfinishedGuard } from './unfinished-guard.ts';

/** @internal What `openStore` hands over. */
export interface StoreParts {
  readonly path: string;
  /** Null when it is only read. */
  readonly lock: DirectoryLock | null;
  /** Null when it is only read. */
  readonly home: StoreHome | null;
  readonly control: StoreControl;
  readonly compaction: StoreCompaction;
  readonly journal: Journal;
  readonly runs: SnapshotRuns;
  readonly committer: Committer;
  readonly transactions: TransactionRegistry;
  readonly topics: TopicCatalog;
  readonly groups: ConsumerGroups;
  readonly shareGroups: ShareGroups;
  readonly routing: Routing;
  readonly producers: Producers;
  readonly archive: UnfinishedArchive;
  readonly unfinished: UnfinishedGuard;
  readonly topicHome: TopicHome;
}
