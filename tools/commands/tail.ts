/** `varve tail <dir>`: the last records of a log, and those that are still to come. */
import { Option } from 'commander';
import { OffsetOutOfRangeError } from '../../src/index.ts';
import type { Log } from '../../src/index.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { LOG_FILES } from '../help-text.ts';
import { parseCount } from '../ranges.ts';
import { GapReporter, ON_CORRUPTION_OPTION, type DamageOptions } from '../read-log.ts';
import {
  closeLogs,
  openLogsToRead,
  PARTITION_OPTIONS,
  RECORDS_ARGUMENT,
  type PartitionChoice,
} from '../record-logs.ts';
import { compileFilter, FILTER_OPTIONS, type FilterOptions } from '../record-filter.ts';
import {
  PRINT_NOTES,
  printOptions,
  RecordPrinter,
  type PrintOptions,
  type RecordFilter,
} from '../record-printer.ts';

interface TailVerbOptions extends PrintOptions, FilterOptions, DamageOptions, PartitionChoice {
  readonly last: number;
  readonly follow?: true;
}

const LAST_DEFAULT = 20;
/** Each search for the last records looks at this many times as many offsets as the one before. */
const SEARCH_GROWTH = 8;

const NOTES = `With --grep or --key, -n counts the records that match. With --follow, records that retention
deletes before they were printed are named on stderr, and the output goes on behind them. Of a topic,
-n counts in each partition, and --follow prints what comes as it comes.

${PRINT_NOTES}`;

export const tailVerb: Verb<TailVerbOptions> = {
  description:
    'Print the last records of a log; with --follow also those that are appended from then on,\n' +
    'each once and in order, until Ctrl-C.',
  argument: RECORDS_ARGUMENT,
  options: [
    new Option('-n, --last <count>', 'how many records that are there to print')
      .argParser(parseCount)
      .default(LAST_DEFAULT),
    new Option('-f, --follow', 'go on with what is appended; Ctrl-C ends it'),
    ...printOptions('--format <text>'),
    ...FILTER_OPTIONS,
    ...PARTITION_OPTIONS,
    ON_CORRUPTION_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'Safe: it never writes and takes no lock. --follow shows what another process appends, across\n' +
      'new segments and deleted ones.',
    exitCodes: {
      0: true,
      1: true,
      2: true,
      3: true,
      4: 'Damaged data was met: it stopped there, or skipped it; stderr says which offsets.',
      130: 'Stopped by Ctrl-C, the usual end of --follow.',
    },
    files: LOG_FILES,
    seeAlso: ['cat', 'info', 'append'],
    examples: [
      { command: 'varve tail ./numbers', does: 'the values of the last twenty records' },
      {
        command: String.raw`varve tail ./users -f -n 0 --format '%o %k %v\n'`,
        does: 'only what is appended from now on',
      },
      {
        command: 'varve tail ./users -f --json --grep error | jq .value',
        does: 'the last matches and all further ones, as JSON lines',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: TailVerbOptions,
): Promise<ExitCode> {
  const isWanted = compileFilter(options);
  const printer = new RecordPrinter(context, options, {
    isWanted,
    limit: Number.POSITIVE_INFINITY,
  });
  const gaps = new GapReporter(context, options);
  const logs = await openLogsToRead(path, options);
  const isDamaged = logs.some(({ recovery }) => recovery.damage !== null);
  const isCutShort = options.follow === true && isDamaged;
  const follow = options.follow === true && !isCutShort;
  const print = async (log: Log<Uint8Array>): Promise<void> => {
    let from: number | null = await findStart(log, { context, options, isWanted });
    // Retention may pass a reader: then it goes on with what is left.
    while (from !== null) from = await printFrom(log, from, { context, follow, printer, gaps });
  };
  try {
    if (follow) await Promise.all(logs.map(print));
    else for (const log of logs) await print(log);
  } finally {
    await closeLogs(logs);
  }
  if (isCutShort) throw cannotFollow();
  return gaps.isWhole ? ExitCode.ok : ExitCode.corrupt;
}

function cannotFollow(): CommandError {
  return new CommandError(
    ExitCode.corrupt,
    'a log with a damaged tail cannot be followed: nothing is appended to it as it is',
    'varve repair <dir> says what is lost, and with --yes makes the log whole again',
  );
}

interface Search {
  readonly context: CommandContext;
  readonly options: TailVerbOptions;
  readonly isWanted: RecordFilter;
}

/** Offset of the first of the last records that are wanted. Reads backwards, more and more. */
async function findStart(log: Log<Uint8Array>, search: Search): Promise<number> {
  const { last } = search.options;
  const { startOffset, visibleOffset: endOffset } = log;
  if (last === 0) return endOffset;
  for (let count = last; ; count *= SEARCH_GROWTH) {
    const from = Math.max(startOffset, endOffset - count);
    const offsets = await lastOffsets(log, { from, to: endOffset }, search);
    const first = offsets[0];
    if (offsets.length === last && first !== undefined) return first;
    // There are fewer. From the start on, so that what is damaged there is named when it is printed.
    if (from === startOffset) return startOffset;
  }
}

/** Offsets of the last `options.last` records in a range that are wanted. */
async function lastOffsets(
  log: Log<Uint8Array>,
  range: { readonly from: number; readonly to: number },
  { context, options, isWanted }: Search,
): Promise<number[]> {
  const { onCorruption, last } = options;
  const offsets: number[] = [];
  try {
    for await (const batch of log.batches({ ...range, onCorruption, signal: context.signal })) {
      const wanted = isWanted === null ? [...batch] : [...batch].filter(isWanted);
      for (const { offset } of wanted) offsets.push(offset);
      if (offsets.length > last) offsets.splice(0, offsets.length - last);
    }
  } catch (error) {
    if (!(error instanceof OffsetOutOfRangeError)) throw error;
    return []; // Retention was faster: printing begins at the start that it left.
  }
  return offsets;
}

interface Printing {
  readonly context: CommandContext;
  readonly follow: boolean;
  readonly printer: RecordPrinter;
  readonly gaps: GapReporter;
}

/** Prints from an offset on. @returns where to go on when retention passed; null at the end */
async function printFrom(
  log: Log<Uint8Array>,
  from: number,
  { context, follow, printer, gaps }: Printing,
): Promise<number | null> {
  const { output, signal } = context;
  let next = from;
  try {
    for await (const batch of log.batches({ from, follow, signal, ...gaps.readOptions })) {
      printer.print(batch);
      next = batch.nextOffset;
      // Whoever follows wants to see a record when it is there, not when a buffer is full.
      if (follow || context.isTerminal || output.isFull) await output.drain();
    }
    return null;
  } catch (error) {
    if (!(error instanceof OffsetOutOfRangeError)) throw error;
    const { startOffset } = error.details;
    if (startOffset <= next) throw error;
    context.warn(`offsets ${next} to ${startOffset - 1} were deleted before they were printed`);
    return startOffset;
  }
}
