/** What of the past of the topology nothing needs any more. */
import type { EntryType } from '../journal/entry-type.ts';
import type { Fold } from '../journal/fold.ts';
import { destinations, hasOldSize } from './destination-state.ts';
import type { topologyPruned } from './exchange-entries.ts';
import { exchanges, hasOldPart, isOver, type ExchangeState } from './exchange-state.ts';

type Pruning = typeof topologyPruned extends EntryType<infer E> ? E : never;

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
