/** The suites by name. A new one is a file beside this one and a line here. */
import type { Contest } from '../core/contest.ts';

export interface Suite {
  readonly name: string;
  /** Loaded when it is asked for: what one suite lacks does not break the others. */
  readonly load: () => Promise<readonly Contest[]>;
  /** Needs what only a checkout has: left out of the installed package. */
  readonly isCheckoutOnly?: true;
}

export const SUITES: readonly Suite[] = [
  { name: 'append', load: async () => (await import('./append.ts')).appendSuite },
  { name: 'read', load: async () => (await import('./read.ts')).readSuite },
  { name: 'random', load: async () => (await import('./random.ts')).randomSuite },
  { name: 'open', load: async () => (await import('./open.ts')).openSuite },
  { name: 'recover', load: async () => (await import('./recover.ts')).recoverSuite },
  { name: 'latency', load: async () => (await import('./latency.ts')).latencySuite },
  { name: 'stalls', load: async () => (await import('./stalls.ts')).stallsSuite },
  { name: 'memory', load: async () => (await import('./memory.ts')).memorySuite },
  { name: 'allocation', load: async () => (await import('./allocation.ts')).allocationSuite },
  { name: 'topics', load: async () => (await import('./topics.ts')).topicsSuite },
  { name: 'scale', load: async () => (await import('./scale.ts')).scaleSuite },
  { name: 'store', load: async () => (await import('./store.ts')).storeSuite },
  { name: 'c', load: async () => (await import('./c.ts')).cSuite, isCheckoutOnly: true },
  {
    name: 'peers',
    load: async () => (await import('./peers.ts')).peersSuite,
    isCheckoutOnly: true,
  },
  {
    name: 'queue',
    load: async () => (await import('./queue.ts')).queueSuite,
    isCheckoutOnly: true,
  },
  { name: 'micro', load: async () => (await import('./micro.ts')).microSuite },
  { name: 'leases', load: async () => (await import('./leases.ts')).leasesSuite },
  { name: 'dedup', load: async () => (await import('./dedup.ts')).dedupSuite },
  { name: 'table', load: async () => (await import('./table.ts')).tableSuite },
  { name: 'compaction', load: async () => (await import('./compaction.ts')).compactionSuite },
  { name: 'exchange', load: async () => (await import('./exchange.ts')).exchangeSuite },
  { name: 'routing', load: async () => (await import('./routing.ts')).routingSuite },
  {
    name: 'transactions',
    load: async () => (await import('./transactions.ts')).transactionsSuite,
  },
];
