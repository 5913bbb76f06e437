/** `varve queue send <store> <queue>`: values, or stdin, into a queue. */
import { Option } from 'commander';
import type { DurabilityLevel } from '../../src/index.ts';
import { appendInput, appendValues } from '../append-input.ts';
import type { CommandContext, Verb } from '../command.ts';
import { JSON_OPTION } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { LineAppender, type LineOptions } from '../line-appender.ts';
import { findQueue, QUEUE_ARGUMENT } from '../queue-choice.ts';
import { checkPartition } from '../partition-offsets.ts';
import { parseCount } from '../ranges.ts';
import { parseHeader, type HeaderOption } from '../record-headers.ts';
import { checkStorePath, STORE_ARGUMENT, STORE_WRITER_FILES, TAKES_LOCK } from '../store-access.ts';
import { askForTopic } from '../store-desk.ts';
import { relayToStore } from '../store-relay.ts';
import { noteDoubtful, placeOf, TopicSink, type PartitionShare } from '../topic-sink.ts';
import { formatPlural } from '../units.ts';

interface QueueSendOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly header?: HeaderOption;
  readonly ndjson?: true;
  readonly partition?: number;
  readonly durability?: DurabilityLevel;
  readonly json?: true;
}

const NOTES = `Each value is one record. Without values, each line of stdin is one, as varve append reads it; with
--ndjson a line is {"value": "text", "key": "k", "headers": {"h": "x"}}. What a line says of its key
and its headers goes before --key and --header.`;

export const queueSendVerb: Verb<QueueSendOptions> = {
  description:
    'Send values to a queue, or stdin, one record per line. Returns when everything is stored.',
  argument: STORE_ARGUMENT,
  moreArguments: [
    { ...QUEUE_ARGUMENT, description: 'the name of the queue' },
    { description: 'one record each (default: the lines of stdin)' },
  ],
  options: [
    new Option('--key <text>', 'of every record: records of a key go to one partition'),
    new Option(
      '-K, --key-separator <text>',
      'what stands before its first occurrence in a line is the key',
    ).conflicts('ndjson'),
    new Option('-H, --header <name=value>', 'of every record; as often as you like').argParser(
      parseHeader,
    ),
    new Option('--ndjson', 'lines are JSON objects: key, value, headers, createTimeMs'),
    new Option(
      '--partition <number>',
      'of the queue, this one (default: by key, as it chooses)',
    ).argParser(parseCount),
    new Option(
      '--durability <level>',
      'what a stored record survives (default: as the queue is set)',
    ).choices(['os', 'interval', 'sync']),
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: TAKES_LOCK,
    exitCodes: {
      0: true,
      1: true,
      2: 'The command line or a line of the input is wrong; what stands before it is stored.',
      3: true,
      4: true,
      5: true,
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue work', 'queue peek', 'append'],
    examples: [
      { command: "varve queue send ./store email 'to: you@example.org'", does: 'one record' },
      {
        command: 'varve queue send ./store email --key you -H priority=high < lines.txt',
        does: 'a record per line, with a key and a header',
      },
      {
        command:
          'varve cat ./store --topic orders --json | varve queue send ./store email --ndjson',
        does: 'what a topic holds',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueueSendOptions,
  [queue = '', ...values]: readonly string[],
): Promise<ExitCode> {
  const line = lineOptionsOf(options, values);
  await checkStorePath(path);
  const sent = await relayToStore(context, path, async (desk) => {
    const { topic } = await findQueue(desk, path, queue, {});
    const described = await askForTopic(desk, path, topic);
    const { partition = null } = options;
    if (partition !== null) checkPartition(partition, { ...described, topic });
    const { recordBytesMax, durability: own } = described.options;
    const { durability = own } = options;
    const sink = new TopicSink(desk, { topic, partition, durability, recordBytesMax });
    const appender = new LineAppender(sink);
    const appended =
      values.length > 0
        ? appendValues(appender, values, line)
        : appendInput(context, appender, line);
    await appended.catch((error: unknown) => {
      noteDoubtful(context, sink);
      throw error;
    });
    return { topic, recordCount: appender.storedCount, shares: sink.shares };
  });
  writeSummary(context, { path, options, ...sent });
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

/** @throws UsageError for what does not go together */
function lineOptionsOf(options: QueueSendOptions, values: readonly string[]): LineOptions {
  const { key, keySeparator, header: headers, ndjson } = options;
  if (keySeparator === '') throw new UsageError('--key-separator must not be empty');
  if (values.length > 0 && (ndjson !== undefined || keySeparator !== undefined)) {
    throw new UsageError('--ndjson and --key-separator are for lines of stdin, not for values');
  }
  return {
    ...(ndjson === undefined ? {} : { ndjson }),
    ...(keySeparator === undefined ? {} : { keySeparator }),
    common: { key: key ?? null, headers: headers ?? null },
  };
}

interface Sent {
  readonly path: string;
  readonly options: QueueSendOptions;
  readonly topic: string;
  readonly recordCount: number;
  readonly shares: readonly PartitionShare[];
}

function writeSummary(context: CommandContext, sent: Sent): void {
  const { path, options, topic, recordCount, shares } = sent;
  context.note(`sent ${formatPlural(recordCount, 'record')}${placeOf(topic, shares)}`);
  if (options.json !== true) return;
  const document = { path, topic, recordCount, partitions: shares };
  context.output.write(`${JSON.stringify(document)}\n`);
}
