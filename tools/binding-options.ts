/** The binding that a command line speaks of. */
import { InvalidArgumentError, Option } from 'commander';
import type { Store } from '../src/index.ts';
import { checkPatternOf } from '../src/routing/binding-weight.ts';
import { checkExchangeName } from '../src/routing/exchange-name.ts';
import type { ExchangeDescription } from '../src/routing/exchange-catalog.ts';
import { HEADER_MATCHES, type HeaderMatch } from '../src/routing/header-conditions.ts';
import { ignoredPart, takenWithout } from '../src/routing/ignored-part.ts';
import {
  conditionsOf,
  documentBinding,
  type DocumentBinding,
} from '../src/routing/topology-document.ts';
import { checkPattern } from '../src/routing/routing-key.ts';
import { checkDestination, destinationNamed, findExchange } from './exchange-choice.ts';

export interface BindingOptions {
  readonly pattern?: string;
  readonly header?: Conditions;
  readonly match?: HeaderMatch;
  readonly toExchange?: true;
}

type Conditions = Readonly<Record<string, string | null>>;

export const DESTINATION_ARGUMENT = {
  description: 'the name of a queue or topic; with --to-exchange, of an exchange',
};

export const BINDING_OPTIONS: readonly Option[] = [
  new Option(
    '-p, --pattern <text>',
    'routing key of a direct exchange, pattern of a topic exchange (default: empty)',
  ),
  new Option(
    '-H, --header <name[=value]>',
    'of a headers exchange: a header to ask for, with this value; as often as you like',
  ).argParser(parseCondition),
  new Option(
    '--match <how>',
    'which of them must be met (default: all); those with x- first count with-x alone',
  ).choices(HEADER_MATCHES),
  new Option('--to-exchange', 'the destination is an exchange'),
];

/** @throws CommandError (exit code 3) when something is not there; BadPatternError */
export function bindingOf(
  store: Store,
  [exchange, name]: readonly [exchange: string, destination: string],
  options: BindingOptions,
): DocumentBinding {
  const { type } = findExchange(store, exchange);
  const { pattern = '', header, match, toExchange } = options;
  if (toExchange === true) checkExchangeName('destination', name);
  const destination = destinationNamed(store, name, toExchange === true);
  checkPattern('pattern', pattern);
  const binding = documentBinding.check('binding', {
    exchange,
    destination,
    pattern,
    ...(header === undefined && match === undefined
      ? {}
      : { headers: { ...header, 'x-match': match ?? 'all' } }),
  });
  checkPatternOf(type, 'pattern', pattern);
  checkDestination(store, destination);
  return binding;
}

/** What of a binding its exchange does not look at; null = nothing. */
export function uselessPart(
  { type, name }: ExchangeDescription,
  binding: DocumentBinding,
): string | null {
  const { pattern } = binding;
  const headers = conditionsOf(binding);
  const part = ignoredPart(type, { pattern, headers });
  if (part === null) return null;
  if (part !== 'x-headers') return `${name} is a ${type} exchange: it looks at no ${part}`;
  const takes = takenWithout(headers);
  return `names that begin with x- count with --match all-with-x or any-with-x alone: it takes ${takes}`;
}

/** `name=value`, or `name`: it is there. */
function parseCondition(given: string, before: Conditions = {}): Conditions {
  const at = given.indexOf('=');
  const name = at === -1 ? given : given.slice(0, at);
  if (name === '' || name === 'x-match') {
    throw new InvalidArgumentError(
      'Expected name=value, or the name of a header; --match says how.',
    );
  }
  return { ...before, [name]: at === -1 ? null : given.slice(at + 1) };
}
