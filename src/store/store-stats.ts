/** The figures of an open store. */
import type { LogStats } from '../log/log-stats.ts';
import type { ByteCap } from '../log/byte-cap.ts';
import type { Journal } from '../journal/journal.ts';
import type { SyncTurns } from '../log/sync-turns.ts';
import type { TopicCatalog } from '../topic/catalog.ts';
import { sumOfFigures, type DedupFigures } from '../topic/dedup-figures.ts';
import type { OpenPartitions } from '../topic/open-partitions.ts';
import type { TransactionCounts } from '../transaction/transaction-counts.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';
import type { StoreBytes } from './store-bytes.ts';
import type { StoreParts } from './store-parts.ts';

export interface StoreStats {
  readonly topicCount: number;
  /** Topics that are gone, whose files are still being removed, or could not be. */
  readonly deletingTopicCount: number;
  /** Why files of a deleted topic could not be removed; null when that did not happen. */
  readonly lastDeletionError: unknown;
  readonly partitionCount: number;
  /** Those whose logs are open now. */
  readonly openPartitionCount: number;
  /** Files that the logs and the journal keep open, about. */
  readonly openFileCount: number;
  /** Bytes of the journal's files and those of all partitions that were looked at so far. */
  readonly sizeBytes: number;
  /** Whether that is all of them: with `storeBytesMax` from the first append on. */
  readonly isSizeComplete: boolean;
  /** As `storeBytesMax`. */
  readonly sizeBytesMax: number | null;
  /** Bytes appended and not yet acknowledged, of all logs. */
  readonly queuedBytes: number;
  /** Syncs of all logs: those that run, and those that wait for their turn. */
  readonly syncs: { readonly runningCount: number; readonly waitingCount: number };
  /** Since the store was opened. */
  readonly transactions: TransactionCounts;
  /** Of records that are stored once, in this process. */
  readonly dedup: DedupFigures;
  /** Listeners of `Store.on` that threw. */
  readonly listenerFailureCount: number;
  /** Of the journal's log. */
  readonly journal: LogStats;
}

/** Where the figures come from. */
export interface StoreFigures {
  readonly journal: Journal;
  readonly catalog: TopicCatalog;
  readonly openPartitions: OpenPartitions;
  readonly bytes: StoreBytes;
  readonly cap: ByteCap | null;
  /** Null when it is only read. */
  readonly syncTurns: SyncTurns | null;
  readonly transactions: TransactionRegistry;
}

export function figuresOf(parts: StoreParts, bytes: StoreBytes): StoreFigures {
  const { home, journal, topics: catalog, topicHome, transactions } = parts;
  const { openPartitions } = topicHome;
  const { cap = null, syncTurns = null } = home ?? {};
  return { journal, catalog, openPartitions, bytes, cap, syncTurns, transactions };
}

/** The segment and the checkpoint of the journal, and the lock. */
const STORE_FILES = 3;

/** Collects the figures. O(partitions), no I/O. */
export function describeStore(parts: StoreFigures, listenerFailureCount: number): StoreStats {
  const { catalog, openPartitions, bytes, cap, syncTurns } = parts;
  const journal = parts.journal.stats();
  const topics = catalog.list();
  const { sizeBytes, isComplete } = bytes.known();
  const opened = catalog.partitions().flatMap((partition) => partition.opened ?? []);
  return {
    topicCount: topics.length,
    deletingTopicCount: catalog.deletingIds.length,
    lastDeletionError: catalog.deletionError,
    partitionCount: topics.reduce((sum, { partitionCount }) => sum + partitionCount, 0),
    openPartitionCount: openPartitions.count,
    openFileCount: openPartitions.fileCount + STORE_FILES,
    sizeBytes,
    isSizeComplete: isComplete,
    sizeBytesMax: cap?.bytesMax ?? null,
    queuedBytes: opened.reduce((sum, log) => sum + log.stats().queuedBytes, journal.queuedBytes),
    syncs: {
      runningCount: syncTurns?.runningCount ?? 0,
      waitingCount: syncTurns?.waitingCount ?? 0,
    },
    transactions: parts.transactions.counts(),
    dedup: sumOfFigures(catalog.dedupFigures()),
    listenerFailureCount,
    journal,
  };
}
