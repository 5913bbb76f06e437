/** `varve topology export <store>`: exchanges and bindings as a JSON document. */
import { topologyOf } from '../../src/store/store-topology.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';

const NOTES = `Queues, topics and exchanges are named, everything is sorted, and the same topology gives the same text:
fit for version control. Queues and topics themselves are not in it, nor is anything that was published.`;

export const topologyExportVerb: Verb<object> = {
  description: 'Print the exchanges of a store and their bindings as a JSON document.',
  argument: STORE_ARGUMENT,
  options: [],
  help: {
    notes: NOTES,
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['topology import', 'topology graph', 'simulate', 'bindings ls'],
    examples: [
      { command: 'varve topology export ./store > topology.json', does: 'keep it' },
      {
        command: 'varve topology export ./store | varve topology import ./other --create --yes',
        does: 'the same in another store, with queues and topics',
      },
      {
        command: "varve topology export ./store | jq '.bindings | length'",
        does: 'how many bindings?',
      },
    ],
  },
  run,
};

async function run({ output }: CommandContext, path: string): Promise<ExitCode> {
  const topology = await lookAtStore(path, async (store) => topologyOf(store));
  output.write(`${JSON.stringify(topology, null, 2)}\n`);
  return ExitCode.ok;
}
