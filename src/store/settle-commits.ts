/** Makes logs keep what the journal keeps for them. */
import type { CommitLedger } from '../journal/commit-ledger.ts';
import type { TopicCatalog } from '../topic/catalog.ts';

/**
 * Has the records of every commit so far synced in their logs, so that the journal may forget it. Logs
 * that were not used yet are opened, which places what they lost.
 *
 * @throws as `openLog`, `Log.sync`: the journal then keeps all of it
 */
export async function settleCommits(ledger: CommitLedger, topics: TopicCatalog): Promise<void> {
  for (const logId of ledger.logIds) {
    const partition = topics.partitionOf(logId);
    if (partition === null) {
      ledger.forget(logId); // Of a topic that was deleted.
      continue;
    }
    await partition.use(async (log) => {
      await log.sync();
      ledger.synced(logId, log.syncedOffset);
    });
  }
}
