/** `varve topology graph <store>`: exchanges and bindings as a drawing. */
import { Option } from 'commander';
import { GRAPH_FORMATS, graphOf, type GraphFormat } from '../../src/routing/topology-graph.ts';
import { topologyOf } from '../../src/store/store-topology.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';

interface TopologyGraphOptions {
  readonly format: GraphFormat;
}

export const topologyGraphVerb: Verb<TopologyGraphOptions> = {
  description: 'Print the exchanges of a store and their bindings as the text of a drawing.',
  argument: STORE_ARGUMENT,
  options: [
    new Option('--format <name>', 'Graphviz DOT, or Mermaid, which Markdown viewers draw')
      .choices(GRAPH_FORMATS)
      .default('dot'),
  ],
  help: {
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['topology export', 'bindings ls', 'route'],
    examples: [
      { command: 'varve topology graph ./store | dot -Tsvg > topology.svg', does: 'a picture' },
      {
        command: 'varve topology graph ./store --format mermaid',
        does: 'for a Markdown file',
      },
      {
        command: 'varve topology graph ./store | grep -c -- "->"',
        does: 'how many arrows it has',
      },
    ],
  },
  run,
};

async function run(
  { output }: CommandContext,
  path: string,
  { format }: TopologyGraphOptions,
): Promise<ExitCode> {
  const topology = await lookAtStore(path, async (store) => topologyOf(store));
  output.write(graphOf(topology, format));
  return ExitCode.ok;
}
