/** Where a record would go that is published now, and why, with names. */
import { present } from '../core/assert.ts';
import { SOURCE_PREFIX } from '../topic/topic-names.ts';
import type { ExchangeType } from './binding.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import { DEFAULT_EXCHANGE } from './exchange-name.ts';
import { explainRoute, type ExplainedStep } from './explain.ts';
import type { RecordHeaders } from './router-type.ts';
import { bindingNamer, type DocumentBinding, type KnownTopic } from './topology-document.ts';

export interface NamedParts {
  readonly catalog: ExchangeCatalog;
  readonly topics: readonly KnownTopic[];
}

/** `varve route --json` prints it: its keys are a contract. */
export interface RouteExplanation {
  /** Names of the queues and topics that would get the record, each once, in order. */
  readonly destinations: readonly string[];
  /** The exchanges that it would reach, in the order in which it would. */
  readonly steps: readonly RouteStep[];
}

export interface RouteStep {
  readonly exchange: string;
  readonly type: ExchangeType;
  /** The exchange that it comes from; null = it is published here. */
  readonly from: string | null;
  /** Whether it comes as what no binding of that exchange matched. */
  readonly isAlternate: boolean;
  readonly matches: readonly RouteMatch[];
  /** The exchange that gets it, for nothing matched. */
  readonly alternate: string | null;
}

export interface RouteMatch extends DocumentBinding {
  readonly why: string;
}

/** What leads from the default exchange: to each queue and topic by its name. */
export function defaultBindings(topics: readonly KnownTopic[]): readonly DocumentBinding[] {
  return topics
    .filter(({ name }) => !name.startsWith(SOURCE_PREFIX))
    .map(({ name, isQueue }) => ({
      exchange: DEFAULT_EXCHANGE,
      destination: isQueue ? { queue: name } : { topic: name },
      pattern: name,
    }));
}

/** As `explainByName`, for the default exchange. */
export function explainDefault(topics: readonly KnownTopic[], key: string): RouteExplanation {
  const matches = defaultBindings(topics)
    .filter(({ pattern }) => pattern === key)
    .map((binding) => ({ ...binding, why: 'the routing key is its name' }));
  const from = { from: null, isAlternate: false, alternate: null };
  return {
    destinations: matches.map(({ pattern }) => pattern),
    steps: [{ exchange: DEFAULT_EXCHANGE, type: 'direct', matches, ...from }],
  };
}

/** @param exchangeId  it is there */
export function explainByName(
  { catalog, topics }: NamedParts,
  exchangeId: number,
  key: string,
  headers: RecordHeaders,
): RouteExplanation {
  const exchanges = catalog.list();
  const names = new Map(exchanges.map((each) => [each.exchangeId, each.name]));
  const nameOf = (id: number): string => present(names.get(id), 'it is there');
  const bindingOf = bindingNamer(exchanges, topics);
  const stepOf = (step: ExplainedStep): RouteStep => ({
    exchange: nameOf(step.exchangeId),
    type: step.type,
    from: step.from === null ? null : nameOf(step.from),
    isAlternate: step.isAlternate,
    matches: step.matches.flatMap(({ binding, why }) => {
      const named = bindingOf(binding);
      return named === null ? [] : [{ ...named, why }];
    }),
    alternate: step.alternateId === null ? null : nameOf(step.alternateId),
  });
  const { topicIds, steps } = explainRoute(catalog.now.topology, exchangeId, key, headers);
  return { destinations: catalog.namesOf(topicIds), steps: steps.map(stepOf) };
}
