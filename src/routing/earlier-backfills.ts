/** Which backfills of a source came before one, and may have led to the same destinations. */
import type { Fold } from '../journal/fold.ts';
import { backfills, type BackfillState } from './backfill-state.ts';
import type { Binding } from './binding.ts';
import type { ExchangeSources } from './exchange-sources.ts';
import { topicsBeyond } from './exchange-ways.ts';
import { projections, streamId, type StreamName } from './projection-state.ts';
import type { TopologyHistory } from './topology-history.ts';

export interface EarlierBackfill {
  readonly state: BackfillState;
  readonly binding: Binding;
}

export interface EarlierBackfillsParts {
  readonly fold: Fold;
  readonly sources: ExchangeSources;
  readonly history: TopologyHistory;
}

/**
 * Of bindings that are known, those that are gone too. Always the same ones, but that those of which no
 * record is left may be missing later: what is bound later is not looked at.
 */
export function earlierBackfills(
  own: StreamName,
  { fold, sources, history }: EarlierBackfillsParts,
): readonly EarlierBackfill[] {
  const { beforeVersion = 0 } = fold.get(backfills, streamId(own)) ?? {};
  const { target } = sources.binding(own.stream) ?? {};
  if (target === undefined) return [];
  const beyond = (of: Binding['target']): ReadonlySet<number> =>
    topicsBeyond(history, of, beforeVersion);
  const topicIds = beyond(target);
  return fold.ids(backfills).flatMap((id) => {
    const state = fold.get(backfills, id);
    if (state?.exchangeId !== own.exchangeId || state.beforeVersion >= beforeVersion) return [];
    const binding = sources.binding(state.bindingId);
    if (binding === null) return [];
    const isShared = [...beyond(binding.target)].some((topicId) => topicIds.has(topicId));
    return isShared ? [{ state, binding }] : [];
  });
}

/** Whether one of them has not ended: what it gives is not certain yet. */
export function waitsForEarlier(own: StreamName, parts: EarlierBackfillsParts): boolean {
  const isRunning = ({ exchangeId, bindingId: stream }: BackfillState): boolean =>
    parts.fold.get(projections, streamId({ exchangeId, stream })) !== null;
  return earlierBackfills(own, parts).some(({ state }) => isRunning(state));
}
