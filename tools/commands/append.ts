/** `varve append <dir>`: stdin into a log or a topic, one record per line. */
import { Option } from 'commander';
import { openLog } from '../../src/index.ts';
import type { CompressionName, DurabilityLevel } from '../../src/index.ts';
import { COMPRESSION_NAMES } from '../../src/format/compression.ts';
import { appendInput } from '../append-input.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { WRITER_FILES } from '../help-text.ts';
import type { DuplicateTally } from '../duplicate-tally.ts';
import { LineAppender, type InputRecord } from '../line-appender.ts';
import { DEDUP_ID_OPTION, DEDUP_NOTES } from '../dedup-ids.ts';
import { checkWritablePath } from '../log-path.ts';
import { checkPartition } from '../partition-offsets.ts';
import { parseCount } from '../ranges.ts';
import { recordFromJson } from '../record-json.ts';
import { checkChoice, type PartitionChoice } from '../record-logs.ts';
import { checkStorePath, CREATE_TOPIC_HINT, STORE_WRITER_FILES } from '../store-access.ts';
import { askForTopic } from '../store-desk.ts';
import { relayToStore } from '../store-relay.ts';
import { durabilityOption } from '../topic-config.ts';
import { placeOf, TopicSink } from '../topic-sink.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from '../units.ts';
import { appendAll, KEY_SEPARATOR_OPTION } from '../value-lines.ts';

interface AppendVerbOptions extends PartitionChoice {
  readonly ndjson?: true;
  readonly keySeparator?: string;
  readonly dedupId?: string;
  readonly durability: DurabilityLevel;
  readonly compression?: CompressionName;
  readonly json?: true;
}

const NOTES = `A line ends at its line feed, which is not stored; everything else is, carriage returns and
empty lines too. So a value that holds a line feed needs --ndjson, whose lines look like
  {"key": "SAN", "value": "text", "headers": {"h": "x"}, "createTimeMs": 978307200000}
where only "value" must be there. Bytes that are not UTF-8 are {"base64": "AAEC"}, and a null value
makes a tombstone. The output of varve cat --json is such input.

With --topic, a record goes to the partition that its key chooses, as in Kafka; records without a key
go to one partition for a while, then to another; --partition is for all of them. The records of one
partition keep their order.

${DEDUP_NOTES}`;

export const appendVerb: Verb<AppendVerbOptions> = {
  description:
    'Append stdin to a log, which is created when it does not exist, or to a topic of a store; one\n' +
    'record per line.\n' +
    'Returns when everything is stored at the chosen level; Ctrl-C keeps what was read so far.',
  argument: { description: 'the log, created when missing; with --topic the store' },
  options: [
    new Option('--topic <name>', 'append to this topic of a store'),
    new Option(
      '--partition <number>',
      'of the topic, this one (default: by key, as the topic chooses)',
    ).argParser(parseCount),
    new Option('--ndjson', 'lines are JSON objects: key, value, headers, createTimeMs, dedupId'),
    KEY_SEPARATOR_OPTION,
    DEDUP_ID_OPTION,
    durabilityOption('what a stored record survives: sync also a power cut').default('sync'),
    new Option(
      '--compression <name>',
      'of a log: compress batches; zstd needs Node.js 22.15 or 23.8 (default: none)',
    ).choices(COMPRESSION_NAMES),
    new Option('--json', 'print the summary as JSON on stdout'),
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'One process writes at a time: exit 5 while another one has the log. Readers go on. Of a store\n' +
      'that a process has open, that process does it, through control.sock; when that one closes it\n' +
      'meanwhile, the verb goes on under the lock of the store.',
    exitCodes: {
      0: true,
      1: true,
      2: 'The command line or a line of the input is wrong; what stands before it is stored.',
      3: 'There is no such store or topic.',
      4: 'The tail of the log, or the store, is damaged; nothing was appended.',
      5: true,
      130: true,
    },
    files: { ...WRITER_FILES, ...STORE_WRITER_FILES },
    seeAlso: ['cat', 'import', 'topics create', 'repair'],
    examples: [
      { command: 'seq 1 1000 | varve append ./numbers', does: 'a thousand records' },
      {
        command: 'varve append ./store --topic users -K : < /etc/passwd',
        does: 'into a topic, keyed by what stands before the colon',
      },
      {
        command: 'varve cat ./a --json | varve append ./b --ndjson',
        does: 'copy a log, times and headers too',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: AppendVerbOptions,
): Promise<ExitCode> {
  if (options.keySeparator === '')
    throw new UsageError(
      '--key-separator must not be empty',
      'varve append --help shows how it is used',
    );
  checkChoice(options);
  const { topic } = options;
  const startMs = performance.now();
  const done = await (topic === undefined
    ? appendToLog(context, path, options)
    : appendToTopic(context, path, { ...options, topic }));
  const durationMs = performance.now() - startMs;
  writeSummary(context, { ...done, path, options, durationMs });
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

/** What was stored, and where. */
interface Appended {
  readonly recordCount: number;
  readonly valueBytes: number;
  /** Where, for people; empty when nothing was. */
  readonly place: string;
  /** The same, for programs. */
  readonly placeJson: object;
  /** Null = it is a log, which has none. */
  readonly duplicates: DuplicateTally | null;
}

async function appendToLog(
  context: CommandContext,
  path: string,
  options: AppendVerbOptions,
): Promise<Appended> {
  if (options.dedupId !== undefined) throw noIds('--dedup-id is');
  await checkWritablePath(path);
  const { durability, compression = 'none' } = options;
  const log = await openLog(path, { durability, compression });
  const appender = new LineAppender(log);
  try {
    await appendInput(context, appender, { ...options, readJson: recordOfLog });
  } finally {
    await log.close();
  }
  const { baseOffset, storedCount: recordCount, storedBytes: valueBytes } = appender;
  const nextOffset = baseOffset + recordCount;
  const place = recordCount === 0 ? '' : ` at offsets ${baseOffset} to ${nextOffset - 1}`;
  const placeJson = { baseOffset, nextOffset };
  return { recordCount, valueBytes, place, placeJson, duplicates: null };
}

/** @throws UsageError also for a line with an id */
function recordOfLog(line: Uint8Array, lineNumber: number): InputRecord {
  const record = recordFromJson(line, lineNumber);
  if (record.dedupId === undefined) return record;
  throw noIds(`line ${lineNumber} of the input has a "dedupId", which is`);
}

function noIds(what: string): UsageError {
  return new UsageError(
    `${what} for a topic of a store: a log of its own stores whatever it gets`,
    'varve append <store> --topic <name> stores a record of an id once',
  );
}

async function appendToTopic(
  context: CommandContext,
  path: string,
  options: AppendVerbOptions & { readonly topic: string },
): Promise<Appended> {
  const { topic, partition, durability, compression } = options;
  if (compression !== undefined) {
    throw new UsageError(
      '--compression is for a log of its own: a topic compresses as it was told to',
      'varve topics alter <store> <topic> --compression changes that',
    );
  }
  await checkStorePath(path);
  return relayToStore(context, path, async (desk) => {
    const described = await askForTopic(desk, path, topic, CREATE_TOPIC_HINT);
    if (partition !== undefined) checkPartition(partition, { ...described, topic });
    const { recordBytesMax } = described.options;
    const chosen = { topic, partition: partition ?? null, durability, recordBytesMax };
    const sink = new TopicSink(desk, chosen);
    const { dedupId } = options;
    const lines = dedupId === undefined ? options : { ...options, common: { dedupId } };
    await appendAll(context, sink, lines);
    const { recordCount, storedBytes: valueBytes, shares, duplicates } = sink;
    const placeJson = { topic, partitions: shares };
    return { recordCount, valueBytes, place: placeOf(topic, shares), placeJson, duplicates };
  });
}

interface Summary extends Appended {
  readonly path: string;
  readonly options: AppendVerbOptions;
  readonly durationMs: number;
}

function writeSummary(context: CommandContext, summary: Summary): void {
  const { path, options, durationMs, recordCount, valueBytes, place, placeJson } = summary;
  const { duplicates } = summary;
  const recordsPerSecond = durationMs === 0 ? 0 : Math.round((recordCount / durationMs) * 1000);
  const { durability } = options;
  const rate = `${formatCount(recordsPerSecond)} records/s`;
  context.note(
    `appended ${formatPlural(recordCount, 'record')}${place}, ${formatBytes(valueBytes)} ` +
      `in ${formatDuration(durationMs)} (${rate}, durability ${durability})`,
  );
  duplicates?.noteTo(context);
  if (options.json !== true) return;
  const document = {
    path,
    recordCount,
    ...duplicates?.toJson(options.dedupId),
    ...placeJson,
    valueBytes,
    durability,
    durationMs: Math.round(durationMs),
    recordsPerSecond,
  };
  context.output.write(`${JSON.stringify(document)}\n`);
}
