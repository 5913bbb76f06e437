/** What a topology would be, as a command line says it. */
import { InvalidArgumentError, Option } from 'commander';
import { documentBinding, type DocumentBinding } from '../src/routing/topology-document.ts';
import { isObject } from './record-json.ts';

export interface HypothesisOptions {
  readonly topology?: string;
  readonly bind?: readonly BindingText[];
  readonly unbind?: readonly BindingText[];
}

/** A binding of the exchange that is simulated, unless it says another one. */
export type BindingText = (exchange: string) => DocumentBinding;

export const HYPOTHESIS_OPTIONS: readonly Option[] = [
  new Option(
    '--topology <file>',
    'a whole topology, as topology export prints it; - is stdin (default: the present one)',
  ),
  new Option(
    '--bind <binding>',
    'a binding more: destination=pattern, or as JSON; as often as you like',
  ).argParser(parseBinding),
  new Option('--unbind <binding>', 'a binding less: as --bind').argParser(parseBinding),
];

export const HYPOTHESIS_NOTES = `A binding is destination=pattern, where a name alone is a binding with an empty pattern, or JSON as
varve bindings ls --ndjson prints it: {"destination": {"exchange": "late"}, "pattern": "a.#"}. Without
"exchange" it is one of the exchange that is simulated. Queues and topics need not be there.`;

/** Commander calls it for each one. */
function parseBinding(given: string, before: readonly BindingText[] = []): readonly BindingText[] {
  const fields = given.startsWith('{') ? parsedObject(given) : shortForm(given);
  // Now, so that a mistake is named with its option; the exchange is known later.
  checked({ exchange: 'any', ...fields });
  return [...before, (exchange) => checked({ exchange, ...fields })];
}

function checked(fields: Readonly<Record<string, unknown>>): DocumentBinding {
  try {
    return documentBinding.check('binding', fields);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : '');
  }
}

function parsedObject(given: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(given);
    if (isObject(parsed)) return parsed;
  } catch {
    // As other mistakes.
  }
  throw new InvalidArgumentError('Expected destination=pattern, or a binding as JSON.');
}

function shortForm(given: string): Readonly<Record<string, unknown>> {
  const at = given.indexOf('=');
  const name = at === -1 ? given : given.slice(0, at);
  if (name === '') throw new InvalidArgumentError('Expected destination=pattern.');
  return { destination: { topic: name }, pattern: at === -1 ? '' : given.slice(at + 1) };
}
