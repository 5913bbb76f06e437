/** `varve bindings ls <store> [exchange]`: what leads where. */
import { Option } from 'commander';
import { destinationName, type DocumentBinding } from '../../src/routing/topology-document.ts';
import { knownTopics, topologyOf } from '../../src/store/store-topology.ts';
import { DEFAULT_EXCHANGE } from '../../src/routing/exchange-name.ts';
import { defaultBindings } from '../../src/routing/named-route.ts';
import { bindingsTable } from '../binding-text.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';

interface BindingsLsOptions {
  readonly destination?: string;
  readonly json?: true;
  readonly ndjson?: true;
}

export const bindingsLsVerb: Verb<BindingsLsOptions> = {
  description: 'List bindings: of all exchanges of a store, or of one.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'that they belong to (default: all)' }],
  options: [
    new Option('-d, --destination <name>', 'that they lead to: a queue, a topic or an exchange'),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: 'In JSON, a binding is as varve topology export has it.',
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: 'Done; also when there is no binding.', 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['bindings add', 'bindings rm', 'exchanges ls', 'route', 'topology graph'],
    examples: [
      { command: 'varve bindings ls ./store', does: 'a table' },
      { command: 'varve bindings ls ./store flights', does: 'of one exchange' },
      { command: 'varve bindings ls ./store -d email', does: 'what leads to queue email' },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  { destination, json, ndjson }: BindingsLsOptions,
  [exchange]: readonly string[],
): Promise<ExitCode> {
  const { output } = context;
  const bindings = await lookAtStore(path, async (store): Promise<readonly DocumentBinding[]> => {
    const isDefault = exchange === DEFAULT_EXCHANGE;
    if (exchange !== undefined && !isDefault) findExchange(store, exchange);
    const all = isDefault ? defaultBindings(knownTopics(store)) : topologyOf(store).bindings;
    return all.filter(
      (binding) =>
        (exchange === undefined || binding.exchange === exchange) &&
        (destination === undefined || destinationName(binding.destination).name === destination),
    );
  });
  if (json === true) output.write(`${JSON.stringify({ path, bindings })}\n`);
  else if (ndjson === true) {
    for (const binding of bindings) {
      output.write(`${JSON.stringify(binding)}\n`);
      if (output.isFull) await output.drain();
    }
  } else if (bindings.length > 0) output.write(bindingsTable(bindings));
  else context.note(exchange === undefined ? `no binding in ${path}` : `no binding of ${exchange}`);
  return ExitCode.ok;
}
