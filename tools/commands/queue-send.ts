/** `varve queue send <store> <queue>`: values, or stdin, into a queue. */
import { Option } from 'commander';
import type { DurabilityLevel } from '../../src/index.ts';
import type { CommandContext, Verb } from '../command.ts';
import { JSON_OPTION } from '../command.ts';
import { DEDUP_ID_OPTION, DEDUP_NOTES } from '../dedup-ids.ts';
import type { DuplicateTally } from '../duplicate-tally.ts';
import { ExitCode } from '../exit-codes.ts';
import { findQueue, QUEUE_ARGUMENT } from '../queue-choice.ts';
import { checkPartition } from '../partition-offsets.ts';
import { parseCount } from '../ranges.ts';
import { checkStorePath, STORE_ARGUMENT, STORE_WRITER_FILES, TAKES_LOCK } from '../store-access.ts';
import { askForTopic } from '../store-desk.ts';
import { relayToStore } from '../store-relay.ts';
import { durabilityOption } from '../topic-config.ts';
import { placeOf, TopicSink, type PartitionShare } from '../topic-sink.ts';
import { formatPlural } from '../units.ts';
import {
  appendAll,
  HEADER_OPTION,
  KEY_SEPARATOR_OPTION,
  VALUES_ARGUMENT,
  valueLinesOf,
  type ValueOptions,
} from '../value-lines.ts';

interface QueueSendOptions extends ValueOptions {
  readonly partition?: number;
  readonly durability?: DurabilityLevel;
  readonly json?: true;
}

const NOTES = `Each value is one record. Without values, each line of stdin is one, as varve append reads it; with
--ndjson a line is {"value": "text", "key": "k", "headers": {"h": "x"}}. What a line says of its key
and its headers goes before --key and --header.

${DEDUP_NOTES}`;

export const queueSendVerb: Verb<QueueSendOptions> = {
  description:
    'Send values to a queue, or stdin, one record per line. Returns when everything is stored.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ ...QUEUE_ARGUMENT, description: 'the name of the queue' }, VALUES_ARGUMENT],
  options: [
    new Option('--key <text>', 'of every record: records of a key go to one partition'),
    KEY_SEPARATOR_OPTION,
    HEADER_OPTION,
    DEDUP_ID_OPTION,
    new Option('--ndjson', 'lines are JSON objects: key, value, headers, createTimeMs, dedupId'),
    new Option(
      '--partition <number>',
      'of the queue, this one (default: by key, as it chooses)',
    ).argParser(parseCount),
    durabilityOption('what a stored record survives (default: as the queue is set)'),
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
  const line = valueLinesOf(options, values);
  await checkStorePath(path);
  const sent = await relayToStore(context, path, async (desk) => {
    const { topic } = await findQueue(desk, path, queue, {});
    const described = await askForTopic(desk, path, topic);
    const { partition = null } = options;
    if (partition !== null) checkPartition(partition, { ...described, topic });
    const { recordBytesMax, durability: own } = described.options;
    const { durability = own } = options;
    const sink = new TopicSink(desk, { topic, partition, durability, recordBytesMax });
    await appendAll(context, sink, line, values);
    const { recordCount, shares, duplicates } = sink;
    return { topic, recordCount, shares, duplicates };
  });
  writeSummary(context, { path, options, ...sent });
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

interface Sent {
  readonly path: string;
  readonly options: QueueSendOptions;
  readonly topic: string;
  readonly recordCount: number;
  readonly shares: readonly PartitionShare[];
  readonly duplicates: DuplicateTally;
}

function writeSummary(context: CommandContext, sent: Sent): void {
  const { path, options, topic, recordCount, shares, duplicates } = sent;
  context.note(`sent ${formatPlural(recordCount, 'record')}${placeOf(topic, shares)}`);
  duplicates.noteTo(context);
  if (options.json !== true) return;
  const told = duplicates.toJson(options.dedupId);
  const document = { path, topic, recordCount, ...told, partitions: shares };
  context.output.write(`${JSON.stringify(document)}\n`);
}
