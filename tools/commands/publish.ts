/** `varve publish <store> <exchange>`: values, or stdin, to an exchange. */
import { Option } from 'commander';
import type { DurabilityLevel } from '../../src/index.ts';
import { DEFAULT_EXCHANGE } from '../../src/routing/exchange-name.ts';
import { CONFIRMATIONS, type Confirmation } from '../../src/routing/publish-options.ts';
import { listTopics } from '../../src/store/control-verbs.ts';
import { SOURCE_PREFIX } from '../../src/topic/topic-names.ts';
import { newSettings } from '../../src/topic/topic-options.ts';
import type { CommandContext, Verb } from '../command.ts';
import { JSON_OPTION } from '../command.ts';
import { DEDUP_ID_OPTION, DEDUP_NOTES } from '../dedup-ids.ts';
import { EXCHANGE_ARGUMENT, findExchange } from '../exchange-choice.ts';
import { ExitCode } from '../exit-codes.ts';
import type { LineOptions } from '../line-appender.ts';
import { PublishSink } from '../publish-sink.ts';
import { checkKeys, keyHeaders, parseFurtherKey, publishedFromJson } from '../routing-keys.ts';
import { lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES, TAKES_LOCK } from '../store-access.ts';
import type { StoreDesk } from '../store-desk.ts';
import { relayToStore } from '../store-relay.ts';
import { untilProjected } from '../projection-wait.ts';
import { durabilityOption } from '../topic-config.ts';
import { formatCount, formatPlural } from '../units.ts';
import {
  appendAll,
  HEADER_OPTION,
  KEY_SEPARATOR_OPTION,
  VALUES_ARGUMENT,
  valueLinesOf,
  type ValueOptions,
} from '../value-lines.ts';

interface PublishVerbOptions extends ValueOptions {
  readonly routingKey?: string;
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
  readonly mandatory?: true;
  readonly confirm?: Confirmation;
  readonly durability?: DurabilityLevel;
  readonly json?: true;
}

const NOTES = `Each value is one record. Without values, each line of stdin is one, as varve append reads it; with
--ndjson a line is {"value": "text", "routingKey": "a.b", "key": "k", "headers": {"h": "x"}}. What a
line says goes before the options; "cc" and "bcc" are arrays of further keys.

A record is stored once, in the source log of the exchange, and copied to each queue and topic that a
binding leads to. --confirm logged returns when it is stored, routed when all of its copies are, too.
What is not copied when a store is closed is copied when it is opened again: without --confirm, and
where no process has the store open, the verb waits for the copies at its end.

The exchange '' is the default exchange: each record goes to the queue or topic that its routing key
names, and is nowhere else.

${DEDUP_NOTES}`;

export const publishVerb: Verb<PublishVerbOptions> = {
  description: 'Publish values to an exchange of a store, or stdin, one record per line.',
  argument: STORE_ARGUMENT,
  moreArguments: [EXCHANGE_ARGUMENT, VALUES_ARGUMENT],
  options: [
    new Option('-r, --routing-key <key>', 'of every record: bindings match it (default: empty)'),
    new Option(
      '--cc <key>',
      'a further routing key of every record, which copies tell; as often as you like',
    ).argParser(parseFurtherKey),
    new Option('--bcc <key>', 'the same, which copies do not tell').argParser(parseFurtherKey),
    new Option('--key <text>', 'of every record: its copies go to one partition by it'),
    KEY_SEPARATOR_OPTION,
    HEADER_OPTION,
    DEDUP_ID_OPTION,
    new Option(
      '--ndjson',
      'lines are JSON objects: value, routingKey, cc, bcc, key, headers, createTimeMs, dedupId',
    ),
    new Option('--mandatory', 'refuse a record that no binding matches: exit 1'),
    new Option('--confirm <when>', 'return when records are logged, or routed').choices(
      CONFIRMATIONS,
    ),
    durabilityOption('what a published record survives (default: as the exchange is set)'),
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: TAKES_LOCK,
    exitCodes: {
      0: true,
      1: 'With --mandatory, a record that nothing takes: those before it are stored. Or another failure.',
      2: 'The command line or a line of the input is wrong; what stands before it is stored.',
      3: true,
      4: true,
      5: true,
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['route', 'exchanges create', 'bindings add', 'queue send', 'append'],
    examples: [
      {
        command: 'varve publish ./store flights -r flight.LHR.AMS \'{"delay": 5}\'',
        does: 'one record',
      },
      {
        command: 'varve publish ./store flights --ndjson --mandatory < flights.ndjson',
        does: 'a record per line, each with a routing key of its own; stop at one that nothing takes',
      },
      {
        command:
          'varve cat ./store --topic exchange:flights --json | varve publish ./other flights --ndjson',
        does: 'all that was published, once more, to another store',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: PublishVerbOptions,
  [exchange = '', ...values]: readonly string[],
): Promise<ExitCode> {
  const line = lineOptionsOf(options, values);
  const isDefault = exchange === DEFAULT_EXCHANGE;
  await lookAtStore(path, async (store) => {
    if (!isDefault) findExchange(store, exchange);
  });
  const published = await relayToStore(context, path, async (desk) => {
    const recordBytesMax = await recordBytesMaxOf(desk, exchange);
    const { durability, confirm, mandatory } = options;
    const how = { durability, confirm: confirm ?? 'logged', isMandatory: mandatory === true };
    const sink = new PublishSink(desk, { exchange, recordBytesMax, ...how });
    await appendAll(context, sink, line, values);
    // Nobody else would copy them before the store is opened again.
    const isCopied = isDefault || confirm !== undefined;
    if (!desk.isOwner && !isCopied) await untilProjected(context, desk, exchange);
    return sink;
  });
  writeSummary(context, { path, exchange, options, sink: published });
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

/** @throws UsageError for what does not go together */
function lineOptionsOf(options: PublishVerbOptions, values: readonly string[]): LineOptions {
  const { routingKey, cc, bcc, header, ...others } = options;
  const keys = {
    ...(routingKey === undefined ? {} : { routingKey }),
    ...(cc === undefined ? {} : { cc }),
    ...(bcc === undefined ? {} : { bcc }),
  };
  checkKeys(keys);
  const lines = valueLinesOf({ ...others, header: { ...header, ...keyHeaders(keys) } }, values);
  return lines.ndjson === undefined ? lines : { ...lines, readJson: publishedFromJson };
}

async function recordBytesMaxOf(desk: StoreDesk, exchange: string): Promise<number> {
  const topics = await desk.ask(listTopics, {});
  const logs = topics.filter(
    ({ name }) => exchange === DEFAULT_EXCHANGE || name === SOURCE_PREFIX + exchange,
  );
  const { recordBytesMax } = newSettings({}, { durability: 'sync' });
  if (logs.length === 0) return recordBytesMax;
  // Of several, only the one that it goes to knows.
  return Math.max(...logs.map(({ options }) => options.recordBytesMax));
}

interface Published {
  readonly path: string;
  readonly exchange: string;
  readonly options: PublishVerbOptions;
  readonly sink: PublishSink;
}

function writeSummary(context: CommandContext, { path, exchange, options, sink }: Published): void {
  const { recordCount, baseOffset, nextOffset, unroutedCount } = sink;
  const destinations = [...sink.copyCounts]
    .map(([name, count]) => ({ name, recordCount: count }))
    .toSorted((one, two) => (one.name < two.name ? -1 : 1));
  context.note(`published ${formatPlural(recordCount, 'record')}${whereTo(sink, destinations)}`);
  sink.duplicates.noteTo(context);
  if (options.json !== true) return;
  const told = sink.duplicates.toJson(options.dedupId);
  const document = { path, exchange, recordCount, ...told, baseOffset, nextOffset, unroutedCount };
  context.output.write(`${JSON.stringify({ ...document, destinations })}\n`);
}

function whereTo(
  { recordCount, baseOffset, nextOffset, unroutedCount }: PublishSink,
  destinations: readonly { readonly name: string; readonly recordCount: number }[],
): string {
  if (recordCount === 0) return '';
  const at = offsetsText(baseOffset, nextOffset);
  if (destinations.length === 0) {
    const why = baseOffset === null ? 'its routing key names nothing' : 'no binding matches';
    return `${at}: ${why}, so nobody gets it`;
  }
  const counts = destinations.map(({ name, recordCount: count }) =>
    recordCount === 1 ? name : `${formatCount(count)} to ${name}`,
  );
  const nowhere = unroutedCount === 0 ? '' : `, ${formatCount(unroutedCount)} to nobody`;
  return `${at}: ${recordCount === 1 ? 'to ' : ''}${counts.join(', ')}${nowhere}`;
}

/** Nothing for the default exchange, whose records have none in common. */
function offsetsText(baseOffset: number | null, nextOffset: number | null): string {
  if (baseOffset === null || nextOffset === null) return '';
  if (nextOffset === baseOffset + 1) return ` at offset ${baseOffset}`;
  return ` at offsets ${baseOffset} to ${nextOffset - 1}`;
}
