/** Everything that a journal may hold, and the state that it adds up to. */
import { groupDeleted, groupReset, groups, offsetsCommitted } from '../group/group-state.ts';
import { commitEntry } from '../journal/commit-entry.ts';
import type { Reducer } from '../journal/fold.ts';
import { SHARE_ENTRY_TYPES } from '../queue/share-entries.ts';
import { shareGroups } from '../queue/share-state.ts';
import { destinations } from '../routing/destination-state.ts';
import { ROUTING_ENTRY_TYPES } from '../routing/exchange-entries.ts';
import { exchanges, topologyVersion } from '../routing/exchange-state.ts';
import { backfills } from '../routing/backfill-state.ts';
import { PROJECTION_ENTRY_TYPES } from '../routing/projection-entries.ts';
import { projections } from '../routing/projection-state.ts';
import { runBegin, runEnd, runPart } from '../journal/snapshot-entries.ts';
import { dedupBegins, dedupBegun } from '../topic/dedup-state.ts';
import { unfinishedPassed } from '../topic/unfinished-passed.ts';
import { PRODUCER_ENTRY_TYPES, producerNotes, producers } from '../topic/producer-state.ts';
import {
  partitionsAdded,
  topicAltered,
  topicCreated,
  topicDeleted,
  topicDeleting,
  topics,
} from '../topic/topic-state.ts';
import { unfinishedCounts } from './unfinished-state.ts';

/** Everything that may stand in a journal. */
export const ENTRY_TYPES = [
  commitEntry,
  runBegin,
  runPart,
  runEnd,
  topicCreated,
  topicAltered,
  partitionsAdded,
  topicDeleting,
  topicDeleted,
  offsetsCommitted,
  groupReset,
  groupDeleted,
  ...SHARE_ENTRY_TYPES,
  ...ROUTING_ENTRY_TYPES,
  ...PROJECTION_ENTRY_TYPES,
  ...PRODUCER_ENTRY_TYPES,
  dedupBegun,
  unfinishedPassed,
];

/** Everything that entries change. */
export const REDUCERS: readonly Reducer<unknown>[] = [
  topics,
  groups,
  shareGroups,
  exchanges,
  topologyVersion,
  destinations,
  projections,
  backfills,
  producers,
  producerNotes,
  dedupBegins,
  unfinishedCounts,
];
