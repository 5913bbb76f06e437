/** `varve exchanges describe <store> <exchange>`: what an exchange is, and what leads from and to it. */
import type { Store } from '../../src/index.ts';
import { DEFAULT_DESCRIPTION, DEFAULT_EXCHANGE } from '../../src/routing/exchange-name.ts';
import { defaultBindings } from '../../src/routing/named-route.ts';
import type { ExchangeStats } from '../../src/routing/exchange-stats.ts';
import type { DocumentBinding } from '../../src/routing/topology-document.ts';
import { describeProjection } from '../../src/store/routing-verbs.ts';
import { knownTopics, topologyOf } from '../../src/store/store-topology.ts';
import { SOURCE_PREFIX } from '../../src/topic/topic-names.ts';
import { bindingsTable } from '../binding-text.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import { ASKS_OWNER, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultOwner } from '../store-desk.ts';
import { formatPairs, formatTable } from '../table.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from '../units.ts';
import { traitsOf, withExtent, type ListedExchange } from './exchanges-ls.ts';

interface ExchangesDescribeOptions {
  readonly json?: true;
}

const NOTES = `How far its destinations are is known only to the process that has the store open: "projection" is null in
JSON, and missing in text, when no such process was asked. "lag" is in offsets of the source, not all of
which need belong there; "waits" is how long the oldest copy has been due.`;

export const exchangesDescribeVerb: Verb<ExchangesDescribeOptions> = {
  description: 'Show what an exchange is, its bindings, and what leads to it from other exchanges.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT],
  options: [JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['exchanges ls', 'bindings ls', 'route', 'simulate'],
    examples: [
      { command: 'varve exchanges describe ./store flights', does: 'tables' },
      {
        command: "varve exchanges describe ./store flights --json | jq '.bindings'",
        does: 'its bindings, as topology export has them',
      },
      {
        command:
          'varve cat ./store --topic $(varve exchanges describe ./store flights --json | jq -r .source)',
        does: 'what was published to it',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface Described extends Omit<ListedExchange, 'exchangeId'> {
  /** Null for the default exchange. */
  readonly exchangeId: number | null;
  /** The topic that holds what was published to it; null for the default exchange, which keeps nothing. */
  readonly source: string | null;
  readonly bindings: readonly DocumentBinding[];
  /** Of other exchanges. */
  readonly bindingsTo: readonly DocumentBinding[];
  /** Names of the exchanges whose alternate it is. */
  readonly alternateOf: readonly string[];
}

/** Null when there is no process to tell. */
type Projection = ExchangeStats | null;

async function run(
  context: CommandContext,
  path: string,
  options: ExchangesDescribeOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const isDefault = name === DEFAULT_EXCHANGE;
  const described = await lookAtStore(path, async (store): Promise<Described> => {
    if (isDefault) return describeDefault(store);
    const exchange = await withExtent(store, findExchange(store, name));
    const { exchanges, bindings } = topologyOf(store);
    return {
      ...exchange,
      source: SOURCE_PREFIX + name,
      bindings: bindings.filter((binding) => binding.exchange === name),
      bindingsTo: bindings.filter(
        ({ destination }) => 'exchange' in destination && destination.exchange === name,
      ),
      alternateOf: exchanges.flatMap((each) => (each.alternate === name ? [each.name] : [])),
    };
  });
  const told = isDefault
    ? null
    : await consultOwner(context, path, (desk) => desk.ask(describeProjection, { exchange: name }));
  const projection: Projection = told === null ? null : told.value;
  if (options.json === true) {
    context.output.write(`${JSON.stringify({ path, ...described, projection })}\n`);
  } else writeText(context, described, projection);
  return ExitCode.ok;
}

/** It is there in every store, and leads to everything. */
function describeDefault(store: Store): Described {
  const bindings = defaultBindings(knownTopics(store));
  return {
    ...DEFAULT_DESCRIPTION,
    exchangeId: null,
    bindingCount: bindings.length,
    offsetCount: null,
    sizeBytes: 0,
    source: null,
    bindings,
    bindingsTo: [],
    alternateOf: [],
  };
}

function writeText({ output }: CommandContext, described: Described, projection: Projection): void {
  const { name, exchangeId, type, alternate, source, offsetCount, sizeBytes } = described;
  const { bindings, bindingsTo, alternateOf } = described;
  const records = offsetCount === null ? '?' : formatCount(offsetCount);
  const traits = traitsOf(described);
  output.write(
    formatPairs([
      ['exchange', exchangeId === null ? "'', the default exchange" : name],
      ...(exchangeId === null ? [] : ([['id', String(exchangeId)]] as const)),
      ['type', traits === '' ? type : `${type}, ${traits}`],
      ['alternate', alternate ?? 'none'],
      ...(alternateOf.length === 0 ? [] : ([['alternate of', alternateOf.join(', ')]] as const)),
      [
        'source',
        source === null
          ? 'none: what is published is in its destination'
          : `topic ${source}: ${records} records, ${formatBytes(sizeBytes)}`,
      ],
      ['bindings', formatCount(bindings.length)],
    ]),
  );
  if (bindings.length > 0) output.write(`\n${bindingsTable(bindings)}`);
  if (bindingsTo.length > 0) output.write(`\nbound to it:\n${bindingsTable(bindingsTo)}`);
  if (projection === null) return;
  const { destinations, backfills, error, skippedCount } = projection;
  if (destinations.length > 0) output.write(`\n${lagTable(destinations)}`);
  if (backfills.length > 0) {
    output.write(`${formatPlural(backfills.length, 'binding')} still being given the past\n`);
  }
  if (error !== null) output.write(`its source cannot be read: ${escapeText(error)}\n`);
  if (skippedCount > 0) output.write(`${formatPlural(skippedCount, 'record')} let off\n`);
}

function lagTable(destinations: ExchangeStats['destinations']): string {
  return formatTable(
    [
      { title: 'destination' },
      { title: 'partition', align: 'right' },
      { title: 'position', align: 'right' },
      { title: 'lag', align: 'right' },
      { title: 'waits', align: 'right' },
      { title: 'state' },
    ],
    destinations.map((one) => [
      one.destination,
      String(one.partition),
      formatCount(one.position),
      formatCount(one.lagCount),
      formatDuration(one.lagMs),
      stateOf(one),
    ]),
  );
}

function stateOf({ bindingId, isBehind, error }: ExchangeStats['destinations'][number]): string {
  const parts = [
    ...(bindingId === null ? [] : ['its past']),
    ...(isBehind ? ['behind'] : []),
    ...(error === null ? [] : [error]),
  ];
  return parts.join(', ');
}
