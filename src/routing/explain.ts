/**
 * Where a record would go and why, for people: which bindings match, in which exchanges, and who sent
 * it there. Slower than `Topology.route`, by the same routers.
 */
import { present } from '../core/assert.ts';
import type { Binding, Exchange, ExchangeType } from './binding.ts';
import { isByEachKey } from './exchange-node.ts';
import { effectiveConditions, isAny, type HeaderConditions } from './header-conditions.ts';
import { explainPattern } from './pattern-parts.ts';
import type { RecordHeaders } from './router-type.ts';
import type { Topology } from './topology.ts';

export interface ExplainedMatch {
  readonly binding: Binding;
  /** The first routing key that it matches. */
  readonly key: string;
  /** In words, such as ``the pattern matches: `*` is AMS``. */
  readonly why: string;
}

/** What happens in one exchange. */
export interface ExplainedStep {
  readonly exchangeId: number;
  readonly type: ExchangeType;
  /** The exchange that sent the record here first; null = it was published here. */
  readonly from: number | null;
  /** Whether it came as what no binding of that exchange matched. */
  readonly isAlternate: boolean;
  /** By id. */
  readonly matches: readonly ExplainedMatch[];
  /** The alternate that gets the record, for nothing matched; null = there is none, or no need. */
  readonly alternateId: number | null;
}

export interface Explanation {
  /** As `Topology.routeAll` says. */
  readonly topicIds: readonly number[];
  /** Each exchange that the record reaches, once, in the order in which it reaches them. */
  readonly steps: readonly ExplainedStep[];
}

interface Arrival {
  readonly exchangeId: number;
  readonly from: number | null;
  readonly isAlternate: boolean;
}

/** Explains a route. The exchange is there, and the key was checked. */
export function explainRoute(
  topology: Topology,
  exchangeId: number,
  key: string,
  headers: RecordHeaders = null,
): Explanation {
  return explainRouteAll(topology, exchangeId, [key], headers);
}

/** Explains a route of several keys, as `Topology.routeAll` finds it. */
export function explainRouteAll(
  topology: Topology,
  exchangeId: number,
  keys: readonly string[],
  headers: RecordHeaders = null,
): Explanation {
  const arrivals = new Map<number, Arrival>();
  const topicIds = new Set<number>();
  const steps: ExplainedStep[] = [];
  arrivals.set(exchangeId, { exchangeId, from: null, isAlternate: false });
  for (const arrival of arrivals.values()) {
    const step = explainStep(topology, arrival, keys, headers);
    steps.push(step);
    const from = arrival.exchangeId;
    for (const { binding } of step.matches) {
      const { kind, id } = binding.target;
      if (kind === 'topic') topicIds.add(id);
      else if (!arrivals.has(id)) arrivals.set(id, { exchangeId: id, from, isAlternate: false });
    }
    const { alternateId } = step;
    if (alternateId === null || arrivals.has(alternateId)) continue;
    arrivals.set(alternateId, { exchangeId: alternateId, from, isAlternate: true });
  }
  return { topicIds: [...topicIds].sort((a, b) => a - b), steps };
}

function explainStep(
  topology: Topology,
  arrival: Arrival,
  keys: readonly string[],
  headers: RecordHeaders,
): ExplainedStep {
  const { exchangeId } = arrival;
  const exchange = present(topology.exchange(exchangeId), 'the exchange is there');
  const { alternateId, type } = exchange;
  const found = new Map<Binding, ExplainedMatch>();
  for (const key of isByEachKey(type) ? keys : keys.slice(0, 1)) {
    for (const binding of topology.matchesOf(exchangeId, key, headers)) {
      if (found.has(binding)) continue;
      found.set(binding, { binding, key, why: whyOf(exchange, binding, key) });
    }
  }
  const matches = [...found.values()].sort((a, b) => a.binding.bindingId - b.binding.bindingId);
  const isThere = alternateId !== null && topology.exchange(alternateId) !== null;
  return {
    ...arrival,
    type,
    matches,
    alternateId: matches.length === 0 && isThere ? alternateId : null,
  };
}

function whyOf({ type }: Exchange, { routingKey, headers }: Binding, key: string): string {
  if (type === 'direct') return 'the routing key is equal';
  if (type === 'fanout') return 'a fanout exchange sends everything to all of its bindings';
  if (type === 'topic') return `the pattern matches${explainPattern(routingKey, key)}`;
  if (type === 'consistent-hash') return `the routing key falls to it, of weight ${routingKey}`;
  return whyHeaders(headers);
}

function whyHeaders(headers: HeaderConditions | null): string {
  const names = headers === null ? [] : effectiveConditions(headers).map(({ name }) => name);
  if (headers === null || names.length === 0) return 'it has no condition, so it takes everything';
  return `${isAny(headers) ? 'at least one' : 'each'} of its conditions is met: ${names.join(', ')}`;
}
