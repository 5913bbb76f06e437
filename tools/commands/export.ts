/** `varve export <dir>`: records as JSON lines that prove themselves, for `varve import`. */
import { Option } from 'commander';
import { AtomicFile } from '../atomic-file.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { ExportEncoder } from '../export-format.ts';
import { LOG_FILES } from '../help-text.ts';
import { RANGE_OPTIONS, toReadOptions, type RangeOptions } from '../ranges.ts';
import { GapReporter, ON_CORRUPTION_OPTION, type DamageOptions } from '../read-log.ts';
import {
  closeLogs,
  openLogsToRead,
  PARTITION_OPTIONS,
  RECORDS_ARGUMENT,
  type PartitionChoice,
} from '../record-logs.ts';
import { formatPlural } from '../units.ts';

interface ExportVerbOptions extends RangeOptions, DamageOptions, PartitionChoice {
  readonly output?: string;
}

const NOTES = `A line for each record, with offset, createTimeMs, key, headers and value, as varve cat --json prints
them without the append time: bytes that are not UTF-8 are {"base64": "..."}, and a null value is a
tombstone. The last line is a trailer: number of records, first and last offset, and the SHA-256 of
all bytes before it, so that varve import tells a whole export from one that was cut off or changed.
An export of what was imported is byte for byte the same, as long as the offsets are.`;

export const exportVerb: Verb<ExportVerbOptions> = {
  description: 'Write records with all they consist of as JSON lines, to stdout or to a file.',
  argument: RECORDS_ARGUMENT,
  options: [
    ...RANGE_OPTIONS,
    new Option(
      '-o, --output <file>',
      'write to a file, which appears or is replaced when all of it is on disk (default: stdout)',
    ),
    ...PARTITION_OPTIONS,
    ON_CORRUPTION_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: 'Safe: it never writes to the log. It ends where the log ended when it began.',
    exitCodes: {
      0: true,
      1: true,
      2: true,
      3: true,
      4: 'Damaged data was met: it stopped there, or skipped it and stderr says which offsets.',
      130: 'Stopped by Ctrl-C; the output has no trailer, and --output leaves no file.',
    },
    files: LOG_FILES,
    seeAlso: ['import', 'cat', 'repair'],
    examples: [
      { command: 'varve export ./numbers -o numbers.ndjson', does: 'a log into a file' },
      {
        command: 'varve export ./users --since 24h | gzip > users.ndjson.gz',
        does: 'the last day, compressed',
      },
      {
        command: 'varve export ./a --on-corruption skip | varve import ./b',
        does: 'what is readable of a damaged log, into a new one',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: ExportVerbOptions,
): Promise<ExitCode> {
  const readOptions = toReadOptions(options);
  const { signal } = context;
  const gaps = new GapReporter(context, options);
  const logs = await openLogsToRead(path, options);
  try {
    const [log, ...others] = logs;
    if (log === undefined || others.length > 0) {
      throw new UsageError('an export is of one log: choose one with --partition');
    }
    const batches = log.batches({ ...readOptions, ...gaps.readOptions, signal });
    const lines = exportLines(batches);
    if (options.output === undefined) await writeToStdout(context, lines);
    else await writeToFile(context, lines, options.output);
  } finally {
    await closeLogs(logs);
  }
  return gaps.isWhole ? ExitCode.ok : ExitCode.corrupt;
}

type Batches = AsyncIterable<Iterable<Parameters<ExportEncoder['record']>[0]>>;

interface ExportLines {
  readonly text: string;
  readonly recordCount: number;
}

/** The lines of each batch together, then the trailer. */
async function* exportLines(batches: Batches): AsyncGenerator<ExportLines> {
  const encoder = new ExportEncoder();
  for await (const batch of batches) {
    let text = '';
    for (const record of batch) text += encoder.record(record);
    yield { text, recordCount: encoder.recordCount };
  }
  yield { text: encoder.trailer(), recordCount: encoder.recordCount };
}

async function writeToStdout(
  { output }: CommandContext,
  lines: AsyncIterable<ExportLines>,
): Promise<void> {
  for await (const { text } of lines) {
    output.write(text);
    if (output.isFull) await output.drain();
  }
}

async function writeToFile(
  context: CommandContext,
  lines: AsyncIterable<ExportLines>,
  path: string,
): Promise<void> {
  const progress = context.progress({ label: 'exporting', unit: 'record', total: null });
  const file = await AtomicFile.create(path);
  let count = 0;
  try {
    for await (const { text, recordCount } of lines) {
      await file.write(text);
      count = recordCount;
      progress.update(count);
    }
    await file.commit();
  } catch (error) {
    await file.discard().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  } finally {
    progress.end();
  }
  context.note(`exported ${formatPlural(count, 'record')} to ${path}`);
}
