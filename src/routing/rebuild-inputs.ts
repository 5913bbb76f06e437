/** Whether a destination is fed by one exchange alone, so that all of it can be made again. */
import type { Fold } from '../journal/fold.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import { sourcesInto } from './exchange-ways.ts';
import { COMMON_STREAM, projections, streamId, type ProjectionState } from './projection-state.ts';
import type { TopologyHistory } from './topology-history.ts';

export interface RebuildInputs {
  readonly fold: Fold;
  readonly exchanges: ExchangeCatalog;
}

/** The stream of an exchange to a destination. */
export interface RebuildWay {
  readonly exchangeId: number;
  readonly topicId: number;
}

/**
 * Why what is in the logs of a topic cannot all come from an exchange; null = it may. Who else has sent
 * records there is known by its marks, and by the records themselves.
 */
export function otherInput({ fold, exchanges }: RebuildInputs, way: RebuildWay): string | null {
  const { exchangeId, topicId } = way;
  const { history, sources } = exchanges;
  const into = sourcesOf(history, topicId);
  if (!into.has(exchangeId)) return 'the exchange has never led there';
  for (const id of fold.ids(projections)) {
    const state = fold.get(projections, id);
    if (state === null || state.exchangeId === exchangeId || !isNamed(state, topicId)) continue;
    return `exchange ${sources.nameOf(state.exchangeId) ?? state.exchangeId} sends records there, too`;
  }
  const state = commonOf(fold, exchangeId);
  if (state === null) return 'the exchange is not projected any more';
  if (state.skippedCount > 0) return 'destinations of the exchange were let off records';
  const isBackfilled = fold.ids(projections).some((id) => {
    const stream = fold.get(projections, id);
    if (stream === null || stream.stream === COMMON_STREAM) return false;
    const target = sources.binding(stream.stream)?.target;
    if (target === undefined) return false;
    return target.kind === 'topic' ? target.id === topicId : into.has(target.id);
  });
  return isBackfilled ? 'a backfill is on its way there' : null;
}

/** Why something else may have been in a log whose end cannot be read; null = there is no reason. */
export async function possibleInput(
  { exchanges }: RebuildInputs,
  { exchangeId, topicId }: RebuildWay,
): Promise<string | null> {
  const { history, sources } = exchanges;
  for (const otherId of sourcesOf(history, topicId)) {
    if (otherId === exchangeId) continue;
    const name = `exchange ${sources.nameOf(otherId) ?? otherId}`;
    if (!exchanges.isThere(otherId)) return `${name}, which is gone, has led there, too`;
    const endOffset = await sources.of(otherId)?.use((log) => Promise.resolve(log.endOffset));
    if (endOffset !== 0) return `${name} leads there, too`;
  }
  return null;
}

/** Null when it has ended. */
export function commonOf(fold: Fold, exchangeId: number): ProjectionState | null {
  return fold.get(projections, streamId({ exchangeId, stream: COMMON_STREAM }));
}

/** Exchanges from which a way has ever led to a topic. */
function sourcesOf(history: TopologyHistory, topicId: number): ReadonlySet<number> {
  const sources = new Set<number>();
  for (const change of history.changes) {
    if (change.kind !== 'binding-added') continue;
    const { exchangeId, target } = change.binding;
    if (target.kind !== 'topic' || target.id !== topicId || sources.has(exchangeId)) continue;
    for (const id of sourcesInto(history, exchangeId)) sources.add(id);
  }
  return sources;
}

function isNamed({ logs }: ProjectionState, topicId: number): boolean {
  return [...logs.values()].some((mark) => mark.topicId === topicId);
}
