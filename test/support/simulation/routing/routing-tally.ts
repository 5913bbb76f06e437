/** What a run of simulated routing exercised. */
import type { Tally } from '../tally.ts';

export type RoutingTallyKey =
  // Lives, and how they end.
  | 'seeds'
  | 'opens'
  | 'closes'
  | 'kills'
  | 'powerCuts'
  | 'recoveryCrashes'
  | 'faults'
  | 'fullStores'
  // Checks.
  | 'looks'
  | 'quietLooks'
  | 'checkedCopies'
  // What is published, and by which way it goes.
  | 'publishes'
  | 'routed'
  | 'unroutable'
  | 'transactions'
  | 'refusedTransactions'
  | 'byAlternate'
  | 'byAlternateChain'
  | 'throughExchanges'
  | 'letters'
  | 'letterCopies'
  // Changes of the topology.
  | 'topologyChanges'
  | 'backfills'
  | 'cycles'
  | 'grownTopics'
  | 'deletedTopics'
  | 'deletedExchanges'
  | 'reusedTopicNames'
  | 'reusedExchangeNames'
  | 'prunings'
  // What goes from logs, and what destinations are let off.
  | 'trims'
  | 'sourceTrims'
  | 'heldSources'
  | 'deliveries'
  | 'settled'
  | 'settledTrims'
  | 'detaches'
  | 'skippedRecords'
  | 'soundRebuilds'
  | 'rebuilds'
  | 'refusedRebuilds';

export type RoutingTally = Tally<RoutingTallyKey>;
