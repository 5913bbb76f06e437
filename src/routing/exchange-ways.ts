/** Which ways there have ever been: a record may have gone them, whatever there is now. */
import type { Target } from './binding.ts';
import type { TopologyHistory } from './topology-history.ts';

interface Way {
  readonly fromId: number;
  readonly to: Target;
}

/** Exchanges from which a way has ever led to one, itself first. */
export function sourcesInto(history: TopologyHistory, exchangeId: number): ReadonlySet<number> {
  const ways = waysOf(history);
  const sources = new Set([exchangeId]);
  // What is found meanwhile is looked at, too.
  for (const id of sources) {
    for (const { fromId, to } of ways)
      if (to.kind === 'exchange' && to.id === id) sources.add(fromId);
  }
  return sources;
}

/** Topics to which a way led from a target, itself if it is one, in a version below `beforeVersion`. */
export function topicsBeyond(
  history: TopologyHistory,
  target: Target,
  beforeVersion: number,
): ReadonlySet<number> {
  if (target.kind === 'topic') return new Set([target.id]);
  const ways = waysOf(history, beforeVersion);
  const reached = new Set([target.id]);
  const topicIds = new Set<number>();
  for (const id of reached) {
    for (const { fromId, to } of ways) {
      if (fromId === id) (to.kind === 'topic' ? topicIds : reached).add(to.id);
    }
  }
  return topicIds;
}

function waysOf({ changes }: TopologyHistory, beforeVersion = Infinity): readonly Way[] {
  const ways: Way[] = [];
  const add = (fromId: number, alternateId: number | null): void => {
    if (alternateId !== null) ways.push({ fromId, to: { kind: 'exchange', id: alternateId } });
  };
  for (const change of changes) {
    if (change.version >= beforeVersion) break;
    if (change.kind === 'binding-added') {
      const { exchangeId: fromId, target: to } = change.binding;
      ways.push({ fromId, to });
    } else if (change.kind === 'alternate-set') add(change.exchangeId, change.alternateId);
    else if (change.kind === 'exchange-added') {
      add(change.exchange.exchangeId, change.exchange.alternateId);
    }
  }
  return ways;
}
