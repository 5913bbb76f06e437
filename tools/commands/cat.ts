/** `varve cat <dir>`: records of a log to stdout. */
import { Option } from 'commander';
import type { Log, ReadOptions } from '../../src/index.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { LOG_FILES } from '../help-text.ts';
import { parseCount, RANGE_OPTIONS, toReadOptions, type RangeOptions } from '../ranges.ts';
import { GapReporter, ON_CORRUPTION_OPTION, type DamageOptions } from '../read-log.ts';
import { compileFilter, FILTER_OPTIONS, type FilterOptions } from '../record-filter.ts';
import {
  checkRange,
  closeLogs,
  openLogsToRead,
  PARTITION_OPTIONS,
  RECORDS_ARGUMENT,
  type PartitionChoice,
} from '../record-logs.ts';
import { PRINT_NOTES, printOptions, RecordPrinter, type PrintOptions } from '../record-printer.ts';

type CatVerbOptions = PrintOptions & RangeOptions & FilterOptions & DamageOptions & PartitionChoice;

export const catVerb: Verb<CatVerbOptions> = {
  description:
    'Print the records of a log, in offset order; of a topic, one partition after the other.',
  argument: RECORDS_ARGUMENT,
  options: [
    ...printOptions('-f, --format <text>'),
    ...RANGE_OPTIONS,
    new Option(
      '-n, --limit <count>',
      'stop after this many records that are shown (default: all)',
    ).argParser(parseCount),
    ...FILTER_OPTIONS,
    ...PARTITION_OPTIONS,
    ON_CORRUPTION_OPTION,
  ],
  help: {
    notes: PRINT_NOTES,
    besideWriter: 'Safe: it never writes and takes no lock. It ends where the log ended at first.',
    exitCodes: {
      0: true,
      1: true,
      2: true,
      3: true,
      4: 'Damaged data was met: it stopped there, or skipped it; stderr says which offsets.',
      130: true,
    },
    files: LOG_FILES,
    seeAlso: ['tail', 'export', 'dump'],
    examples: [
      { command: 'varve cat ./numbers --from -10', does: 'the values of the last ten records' },
      {
        command: String.raw`varve cat ./store --topic users --since 15m --format '%p %o %k %v\n'`,
        does: 'the last quarter of an hour of a topic, with partition, offset and key',
      },
      {
        command: 'varve cat ./users --json --from 100 --to 200 --grep nologin | jq .key',
        does: 'those of a range that hold a word, as JSON lines',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: CatVerbOptions,
): Promise<ExitCode> {
  const isWanted = compileFilter(options);
  const { limit = Number.POSITIVE_INFINITY, ...range } = options;
  // A limit counts what is shown: with a filter the log cannot know how much to read.
  const readOptions = toReadOptions(isWanted === null ? options : range);
  const printer = new RecordPrinter(context, options, { isWanted, limit });
  const { output, signal } = context;
  const gaps = new GapReporter(context, options);
  const logs = await openLogsToRead(path, options);
  try {
    checkRange(options, logs);
    const plan = { ...readOptions, ...gaps.readOptions, signal };
    for await (const batch of batchesOf(logs, plan)) {
      if (!printer.print(batch)) break;
      // A batch is above 64 KiB only when it is one record, so this bounds the buffer.
      if (context.isTerminal || output.isFull) await output.drain();
    }
  } finally {
    await closeLogs(logs);
  }
  return gaps.isWhole ? ExitCode.ok : ExitCode.corrupt;
}

async function* batchesOf(logs: readonly Log<Uint8Array>[], plan: ReadOptions) {
  for (const log of logs) yield* log.batches(plan);
}
