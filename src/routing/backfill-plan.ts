/** The past that a new binding gets: of which exchanges, and from where on. */
import { resolveOffset } from '../topic/partition-log.ts';
import type { ReadFrom } from '../log/read-options.ts';
import type { Binding } from './binding.ts';
import type { ExchangeSources } from './exchange-sources.ts';
import { sourcesInto } from './exchange-ways.ts';
import type { TopologyHistory } from './topology-history.ts';

/** What is to be journaled with the binding. */
export interface PlannedBackfill {
  readonly exchangeId: number;
  readonly bindingId: number;
  readonly fromOffset: number;
}

export interface BackfillPlanParts {
  readonly history: TopologyHistory;
  readonly sources: ExchangeSources;
}

/**
 * Has the past journaled with the binding; until then its sources let go of nothing of it.
 *
 * @param from  an offset is one in the source of the binding's own exchange, and means that alone;
 *   undefined = no past
 * @throws as `Log.batches`, as `commit`
 */
export async function commitWithPast(
  binding: Binding,
  from: ReadFrom | undefined,
  parts: BackfillPlanParts,
  commit: (planned: readonly PlannedBackfill[]) => Promise<void>,
): Promise<void> {
  if (from === undefined) return commit([]);
  try {
    await commit(await planBackfills(binding, from, parts));
  } finally {
    parts.sources.letGo();
  }
}

/** Of each exchange whose records may ever have come the way of the binding. */
async function planBackfills(
  { exchangeId: boundId, bindingId }: Binding,
  from: ReadFrom,
  { history, sources }: BackfillPlanParts,
): Promise<PlannedBackfill[]> {
  const planned: PlannedBackfill[] = [];
  const isOffset = typeof from === 'number' || (typeof from === 'object' && 'offset' in from);
  for (const exchangeId of isOffset ? [boundId] : sourcesInto(history, boundId)) {
    const source = sources.of(exchangeId);
    if (source === null) continue; // All of it is gone.
    const fromOffset = await source.use(async (log) => {
      sources.hold(exchangeId, log.startOffset);
      await log.forStore().trimmer.idle(); // What was allowed to go goes before.
      return resolveOffset({ partition: 0, log }, from);
    });
    planned.push({ exchangeId, bindingId, fromOffset });
  }
  return planned;
}
