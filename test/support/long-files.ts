/**
 * Test files that are started first, in this order: the longest first. In a new checkout vitest knows no
 * durations and starts large files first; most of these are not large, and one of them alone at the end
 * leaves the other cores nothing to do. They are those that took longest when it was measured last.
 */
export const LONG_FILES: readonly string[] = [
  'faults/crash-points',
  'faults/routing-crashes',
  'faults/busy-backfill-crashes',
  'faults/rebuild-crashes',
  'faults/roll-sectors',
  'faults/recovery-crashes',
  'faults/delete-topic',
  'faults/commit-crashes',
  'crash/queue/queue.crash',
  'integration/cli-store-append',
  'simulation/log.simulation',
  'crash/sigkill.crash',
  'crash/transfers.crash',
  'property/what-if-projected.property',
  'property/what-if.property',
  'property/queue-model.property',
  'property/transaction-model.property',
  'integration/sqlite-outbox',
  'integration/cli-queue-work',
  'integration/copy-example',
  'simulation/store.simulation',
  'simulation/routing.simulation',
  'simulation/transactions.simulation',
  'crash/routing.crash',
  'crash/poison.crash',
  'integration/bench-endurance',
  'integration/quickstart',
].map((name) => `test/${name}.test.ts`);
