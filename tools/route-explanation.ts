/** Where a record would go that is published now, and why, with names. */
import { present } from '../src/core/assert.ts';
import type { Store } from '../src/index.ts';
import type { ExchangeType } from '../src/routing/binding.ts';
import { explainRoute, type ExplainedStep } from '../src/routing/explain.ts';
import type { RecordHeaders } from '../src/routing/router-type.ts';
import { bindingNamer, type DocumentBinding } from '../src/routing/topology-document.ts';
import { VersionedTopology } from '../src/routing/topology-history.ts';
import { knownTopics } from '../src/store/store-topology.ts';
import { destinationText, ruleText } from './binding-text.ts';
import { escapeText } from './escape-text.ts';
import { formatPlural } from './units.ts';

/** As `varve route --json` prints it; the keys are a documented contract. */
export interface RouteExplanation {
  /** Names of the queues and topics that would get the record, each once, in order. */
  readonly destinations: readonly string[];
  /** The exchanges that it would reach, in the order in which it would. */
  readonly steps: readonly RouteStep[];
}

interface RouteStep {
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

interface RouteMatch extends DocumentBinding {
  readonly why: string;
}

/** @param exchangeId  it is there */
export function explainInStore(
  store: Store,
  exchangeId: number,
  key: string,
  headers: RecordHeaders,
): RouteExplanation {
  const { exchangeCatalog: catalog } = store;
  const now = new VersionedTopology(catalog.history);
  now.advanceTo(catalog.version);
  const exchanges = catalog.list();
  const names = new Map(exchanges.map((each) => [each.exchangeId, each.name]));
  const nameOf = (id: number): string => present(names.get(id), 'it is there');
  const bindingOf = bindingNamer(exchanges, knownTopics(store));
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
  const { topicIds, steps } = explainRoute(now.topology, exchangeId, key, headers);
  return { destinations: catalog.namesOf(topicIds), steps: steps.map(stepOf) };
}

/** A paragraph for each exchange, and where it all ends. */
export function explanationText({ destinations, steps }: RouteExplanation): string {
  const [only, ...others] = destinations.map((name) => escapeText(name));
  let end = 'it goes nowhere';
  if (only !== undefined) {
    const count = others.length === 0 ? '' : ` (${formatPlural(destinations.length, 'copy')})`;
    end = `it goes to ${[only, ...others].join(', ')}${count}`;
  }
  return `${steps.map((step) => stepText(step)).join('')}${end}\n`;
}

function stepText({ exchange, type, from, isAlternate, matches, alternate }: RouteStep): string {
  const way = isAlternate ? 'alternate of' : 'from';
  const origin = from === null ? '' : `, ${way} ${escapeText(from)}`;
  const lines = matches.map(
    ({ why, ...binding }) =>
      `  ${escapeText(destinationText(binding.destination))}${ruleIn(binding)}: ${escapeText(why)}`,
  );
  if (matches.length === 0) {
    const then = alternate === null ? '' : `, so it goes to its alternate ${escapeText(alternate)}`;
    lines.push(`  no binding matches${then}`);
  }
  return `exchange ${escapeText(exchange)} (${type}${origin})\n${lines.join('\n')}\n`;
}

function ruleIn(binding: DocumentBinding): string {
  const rule = ruleText(binding);
  return rule === '' ? '' : ` by ${escapeText(rule)}`;
}
