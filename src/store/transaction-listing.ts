/** What a store tells of its transactions. */
import type { OpenTransaction } from '../transaction/transaction-registry.ts';
import type { StoreParts } from './store-parts.ts';

export interface TransactionListing {
  /** Those that are not over, oldest first. */
  readonly open: readonly OpenTransaction[];
  /** What logs have yet to sync, oldest first in each: the journal has it until then. */
  readonly unsynced: readonly UnsyncedCommit[];
}

/** Records of one commit in one partition. */
export interface UnsyncedCommit {
  /** Of its entry in the journal, which several commits may share. */
  readonly journalOffset: number;
  /** Null when the topic was deleted. */
  readonly topic: string | null;
  readonly partition: number | null;
  /** First offset behind its records there. */
  readonly nextOffset: number;
  /** Whether readers have yet to see them: they are being written, or wait for room on the disk. */
  readonly isPending: boolean;
}

/** In memory. O(topics) for each log that has some. */
export function listTransactions(
  parts: Pick<StoreParts, 'transactions' | 'journal' | 'topics'>,
): TransactionListing {
  const { ledger } = parts.journal;
  const unsynced = ledger.logIds.flatMap((logId) => {
    const used = parts.topics.partitionOf(logId);
    const [topic, partition] = used === null ? [null, null] : [used.topic, used.number];
    const log = used?.opened ?? null; // Its ledger is looked through when the journal wants to know.
    const lines = ledger
      .of(logId)
      .filter(({ nextOffset }) => nextOffset > (log?.syncedOffset ?? 0));
    return lines.map(({ journalOffset, nextOffset }) => {
      const isPending = log !== null && log.visibleOffset < nextOffset;
      return { journalOffset, topic, partition, nextOffset, isPending };
    });
  });
  return { open: parts.transactions.list(), unsynced };
}
