/** Forgets what of the past of the topology nothing needs any more. */
import type { EntryType } from '../journal/entry-type.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import { backfills } from './backfill-state.ts';
import { destinations, hasOldSize } from './destination-state.ts';
import { topologyPruned } from './exchange-entries.ts';
import type { ExchangeSources } from './exchange-sources.ts';
import { exchanges, hasOldPart, isOver, type ExchangeState } from './exchange-state.ts';
import { backfillsForgotten } from './projection-entries.ts';
import { projections, streamId, type StreamName } from './projection-state.ts';
import { historyOf, type TopologyHistory } from './topology-history.ts';

type Pruning = typeof topologyPruned extends EntryType<infer E> ? E : never;

export interface PruningParts {
  readonly fold: Fold;
  readonly journal: Journal;
  readonly history: TopologyHistory;
  readonly sources: ExchangeSources;
}

/** Has journal and history forget what only versions below one need. @throws as `Journal.append` */
export async function prune(
  { fold, journal, history, sources }: PruningParts,
  belowVersion: number,
): Promise<void> {
  const pruning = pruningOf(fold, belowVersion);
  if (pruning !== null) {
    await journal.append(topologyPruned, pruning, 'sync');
    history.prune(historyOf(fold), belowVersion);
  }
  const streams = uselessBackfills(fold, sources);
  if (streams.length > 0) await journal.append(backfillsForgotten, { streams }, 'sync');
}

/** Of bindings that nobody knows any more: no record is left that they may have given. */
function uselessBackfills(fold: Fold, sources: ExchangeSources): StreamName[] {
  return fold.ids(backfills).flatMap((id) => {
    const state = fold.get(backfills, id);
    if (state === null || sources.binding(state.bindingId) !== null) return [];
    const stream = { exchangeId: state.exchangeId, stream: state.bindingId };
    return fold.get(projections, streamId(stream)) === null ? [stream] : [];
  });
}

/** The entry that forgets what only versions below one need; null = there is nothing to forget. */
export function pruningOf(fold: Fold, belowVersion: number): Pruning | null {
  const exchangeIds: number[] = [];
  const reached = new Set<number>();
  for (const id of fold.ids(exchanges)) {
    const state = fold.get(exchanges, id);
    if (state === null) continue;
    if (hasOldPart(state, belowVersion)) exchangeIds.push(Number(id));
    addReached(state, belowVersion, reached);
  }
  const topicIds: number[] = [];
  const leftTopicIds: number[] = [];
  for (const id of fold.ids(destinations)) {
    const state = fold.get(destinations, id);
    if (state === null) continue;
    if (!reached.has(Number(id))) leftTopicIds.push(Number(id));
    else if (hasOldSize(state, belowVersion)) topicIds.push(Number(id));
  }
  const isNothing = exchangeIds.length + topicIds.length + leftTopicIds.length === 0;
  return isNothing ? null : { exchangeIds, belowVersion, topicIds, leftTopicIds };
}

/** Adds the topics to which bindings of an exchange lead in a version or after it. */
function addReached({ bindings }: ExchangeState, version: number, to: Set<number>): void {
  for (const binding of bindings.values()) {
    const { kind, id } = binding.target;
    if (kind === 'topic' && !isOver(binding, version)) to.add(id);
  }
}
