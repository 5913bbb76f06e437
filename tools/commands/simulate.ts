/** `varve simulate <store> <exchange>`: where the past of an exchange would have gone by another topology. */
import { Option } from 'commander';
import { present } from '../../src/core/assert.ts';
import type { Store } from '../../src/index.ts';
import type { SimulationSummary } from '../../src/routing/route-tally.ts';
import {
  destinationName,
  type DocumentBinding,
  type KnownTopic,
  type TopologyDocument,
} from '../../src/routing/topology-document.ts';
import { WhatIf } from '../../src/routing/what-if.ts';
import { knownTopics, topologyOf } from '../../src/store/store-topology.ts';
import type { CommandContext, Verb } from '../command.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { checkBound, EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  HYPOTHESIS_NOTES,
  HYPOTHESIS_OPTIONS,
  type HypothesisOptions,
} from '../hypothesis-options.ts';
import { parseSince, RANGE_OPTIONS, toReadOptions, type RangeOptions } from '../ranges.ts';
import { BESIDE_STORE, lookAtStore, STORE_ARGUMENT, STORE_FILES } from '../store-access.ts';
import { formatTable } from '../table.ts';
import { readTopology } from '../topology-file.ts';
import { formatCount, formatPlural } from '../units.ts';

interface SimulateVerbOptions extends HypothesisOptions, RangeOptions {
  readonly until?: number;
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `${HYPOTHESIS_NOTES}

Each record that the source of the exchange still holds is routed once more, by the topology that is
asked about, and compared with where it went: "same" goes there again, "added" would come in, "removed"
would not. Went means when it was published: what a backfill brought later counts as "added".
--json has "copies" besides, a destination and an offset of the source for each copy, and
--ndjson prints these alone.`;

export const simulateVerb: Verb<SimulateVerbOptions> = {
  description:
    'Say where records that were published to an exchange would have gone by another topology.\n' +
    'Nothing is changed.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT],
  options: [
    ...HYPOTHESIS_OPTIONS,
    ...RANGE_OPTIONS,
    new Option('--until <when>', 'stop before this create time: as --since')
      .argParser((text: string) => parseSince(text, Date.now()))
      .conflicts('to'),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_FILES,
    seeAlso: ['route', 'bindings add', 'bindings ls', 'topology export'],
    examples: [
      {
        command: "varve simulate ./store flights --bind 'late=flight.*.AMS'",
        does: 'what would a new binding get?',
      },
      {
        command: "varve simulate ./store flights --unbind 'arrivals=flight.#' --since 1d",
        does: 'what would queue arrivals have missed today?',
      },
      {
        command: 'varve simulate ./store flights --topology new.json --ndjson',
        does: 'destination and offset of each copy, by another topology',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: SimulateVerbOptions,
  [exchange = '']: readonly string[],
): Promise<ExitCode> {
  const { topology: file } = options;
  const check = file === undefined ? null : await readTopology(context, file);
  const topology = check?.(() => false);
  const summary = await lookAtStore(path, async (store) => {
    const { exchangeId } = findExchange(store, exchange);
    const catalog = store.exchangeCatalog;
    const source = present(catalog.sources.of(exchangeId), 'it was made with it');
    const parts = { exchange, source, catalog, topics: knownTopics(store) };
    const whatIf = makeWhatIf(parts, { context, options, topology, store });
    return simulated(context, whatIf, { path, exchange, ...options });
  });
  if (summary.unknownFrom !== null) {
    context.warn(
      `stopped at offset ${summary.unknownFrom}: the process that has the store open has just changed ` +
        'the topology; try again',
    );
  }
  return ExitCode.ok;
}

interface Wanted {
  readonly context: CommandContext;
  readonly options: SimulateVerbOptions;
  readonly topology: TopologyDocument | undefined;
  readonly store: Store;
}

/** @throws CommandError (exit code 3) for what the hypothesis names and is not there */
function makeWhatIf(
  parts: ConstructorParameters<typeof WhatIf>[0],
  { context, options, topology, store }: Wanted,
): WhatIf {
  const { exchange } = parts;
  const { bind = [], unbind = [], until } = options;
  const { from, to } = toReadOptions(options);
  if (topology === undefined) {
    for (const bindingOf of [...bind, ...unbind]) {
      const { exchange: of, destination } = bindingOf(exchange);
      findExchange(store, of);
      if ('exchange' in destination) findExchange(store, destination.exchange);
    }
    const more = bind.map((bindingOf) => bindingOf(exchange));
    const known = [...topologyOf(store).bindings, ...more];
    for (const bindingOf of unbind) checkBound(named(bindingOf(exchange), parts.topics), known);
    noteNew(context, more, parts.topics);
  }
  try {
    return new WhatIf(parts, {
      topology,
      bind: bind.map((bindingOf) => bindingOf(exchange)),
      unbind: unbind.map((bindingOf) => bindingOf(exchange)),
      from,
      to: until === undefined ? to : { timestamp: until },
      signal: context.signal,
    });
  } catch (error) {
    const isMissing =
      error instanceof Error && 'code' in error && error.code === 'ERR_VARVE_NOT_FOUND';
    if (!isMissing) throw error;
    const hint = 'varve bindings ls <store> lists the bindings there are';
    throw new CommandError(ExitCode.notFound, error.message, hint);
  }
}

/** The short form does not say that a queue is one. */
function named(binding: DocumentBinding, topics: readonly KnownTopic[]): DocumentBinding {
  const { kind, name } = destinationName(binding.destination);
  const isQueue = topics.some((topic) => topic.name === name && topic.isQueue);
  return kind === 'topic' && isQueue ? { ...binding, destination: { queue: name } } : binding;
}

/** They need not be there, and may be misspelt. */
function noteNew(
  context: CommandContext,
  bindings: readonly DocumentBinding[],
  topics: readonly KnownTopic[],
): void {
  for (const { destination } of bindings) {
    const { kind, name } = destinationName(destination);
    if (kind === 'exchange' || topics.some((topic) => topic.name === name)) continue;
    context.note(`there is no queue or topic ${escapeText(name)} yet`);
  }
}

interface Shown extends Pick<SimulateVerbOptions, 'json' | 'ndjson'> {
  readonly path: string;
  readonly exchange: string;
}

async function simulated(
  { output }: CommandContext,
  whatIf: WhatIf,
  { path, exchange, json, ndjson }: Shown,
): Promise<SimulationSummary> {
  if (json !== true && ndjson !== true) {
    const summary = await whatIf.run();
    output.write(textOf(summary));
    return summary;
  }
  let between = '';
  if (json === true) {
    output.write(`${JSON.stringify({ path, exchange }).slice(0, -1)},"copies":[`);
  }
  for await (const { offset, destinations } of whatIf) {
    for (const destination of destinations) {
      const copy = JSON.stringify({ destination, offset });
      output.write(json === true ? between + copy : `${copy}\n`);
      between = ',';
    }
    if (output.isFull) await output.drain();
  }
  const { summary } = whatIf;
  if (json === true) output.write(`],${JSON.stringify(summary).slice(1)}\n`);
  return summary;
}

function textOf(summary: SimulationSummary): string {
  const { recordCount, range, unrouted, differentCount, destinations } = summary;
  if (range === null) return 'no record is there to be routed\n';
  const lines = [
    `${formatPlural(recordCount, 'record')}, offsets ${range.start} to ${range.end - 1}: ` +
      (differentCount === 0
        ? 'all would go where they went'
        : `${formatCount(differentCount)} would go elsewhere than they went`),
  ];
  if (unrouted.would > 0 || unrouted.did > 0) {
    lines.push(
      `${formatCount(unrouted.would)} would go nowhere, ${formatCount(unrouted.did)} went nowhere`,
    );
  }
  return `${table(destinations)}${lines.join('\n')}\n`;
}

function table(destinations: SimulationSummary['destinations']): string {
  if (destinations.length === 0) return '';
  return formatTable(
    [
      { title: 'destination' },
      { title: 'records', align: 'right' },
      { title: 'same', align: 'right' },
      { title: 'added', align: 'right' },
      { title: 'removed', align: 'right' },
    ],
    destinations.map(({ name, recordCount, same, added, removed }) => [
      name ?? '(deleted)',
      formatCount(recordCount),
      formatCount(same),
      formatCount(added),
      formatCount(removed),
    ]),
  );
}
