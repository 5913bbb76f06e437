/** Where a record would go that is published now, and why, in words. */
import { DEFAULT_EXCHANGE } from '../src/routing/exchange-name.ts';
import type { RouteExplanation, RouteStep } from '../src/routing/named-route.ts';
import type { DocumentBinding } from '../src/routing/topology-document.ts';
import { destinationText, ruleText } from './binding-text.ts';
import { escapeText } from './escape-text.ts';
import { formatPlural } from './units.ts';

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
    const nothing = exchange === DEFAULT_EXCHANGE ? 'nothing is called so' : 'no binding matches';
    lines.push(`  ${nothing}${then}`);
  }
  const name =
    exchange === DEFAULT_EXCHANGE ? 'the default exchange' : `exchange ${escapeText(exchange)}`;
  return `${name} (${type}${origin})\n${lines.join('\n')}\n`;
}

function ruleIn(binding: DocumentBinding): string {
  const rule = ruleText(binding);
  return rule === '' ? '' : ` by ${escapeText(rule)}`;
}
