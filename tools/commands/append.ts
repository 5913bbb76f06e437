/** `varve append <dir>`: stdin into a log, one record per line. */
import { Option } from 'commander';
import { openLog } from '../../src/index.ts';
import type { CompressionName, DurabilityLevel } from '../../src/index.ts';
import { COMPRESSION_NAMES } from '../../src/format/compression.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { WRITER_FILES } from '../help-text.ts';
import { LineAppender } from '../line-appender.ts';
import { splitLines } from '../line-splitter.ts';
import { checkWritablePath } from '../log-path.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from '../units.ts';

interface AppendVerbOptions {
  readonly ndjson?: true;
  readonly keySeparator?: string;
  readonly durability: DurabilityLevel;
  readonly compression: CompressionName;
  readonly json?: true;
}

/** A record of 15 MiB in base64, with its JSON around it. */
const LINE_BYTES_MAX = 24 * 1024 * 1024;

const NOTES = `A line ends at its line feed, which is not stored; everything else is, carriage returns and
empty lines too. So a value that holds a line feed needs --ndjson, whose lines look like
  {"key": "SAN", "value": "text", "headers": {"h": "x"}, "createTimeMs": 978307200000}
where only "value" must be there. Bytes that are not UTF-8 are {"base64": "AAEC"}, and a null value
makes a tombstone. The output of varve cat --json is such input.`;

export const appendVerb: Verb<AppendVerbOptions> = {
  name: 'append',
  summary: 'store stdin, one record per line',
  description:
    'Append stdin to a log, one record per line. Creates the log when it does not exist.\n' +
    'Returns when everything is stored at the chosen level; Ctrl-C keeps what was read so far.',
  argument: { name: '<dir>', description: 'the log; created when missing' },
  options: [
    new Option('--ndjson', 'lines are JSON objects: key, value, headers, createTimeMs'),
    new Option(
      '-K, --key-separator <text>',
      'what stands before its first occurrence in a line is the key',
    ).conflicts('ndjson'),
    new Option('--durability <level>', 'what a stored record survives: sync also a power cut')
      .choices(['os', 'interval', 'sync'])
      .default('sync'),
    new Option('--compression <name>', 'compress batches; zstd needs Node.js 22.15 or 23.8')
      .choices(COMPRESSION_NAMES)
      .default('none'),
    new Option('--json', 'print the summary as JSON on stdout'),
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'One process writes at a time: exit 5 while another one has the log. Readers go on.',
    exitCodes: {
      0: true,
      1: true,
      2: 'The command line or a line of the input is wrong; what stands before it is stored.',
      4: 'The tail of the log is damaged; nothing was appended.',
      5: true,
      130: true,
    },
    files: WRITER_FILES,
    seeAlso: ['cat', 'import', 'repair'],
    examples: [
      { command: 'seq 1 1000 | varve append ./numbers', does: 'a thousand records' },
      {
        command: 'varve append ./users -K : < /etc/passwd',
        does: 'keyed by what stands before the colon',
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
  await checkWritablePath(path);
  const { durability, compression } = options;
  const log = await openLog(path, { durability, compression });
  const startMs = performance.now();
  const appender = new LineAppender(log);
  try {
    await appendInput(context, appender, options);
  } finally {
    await log.close();
  }
  const { baseOffset, storedCount, storedBytes } = appender;
  const durationMs = performance.now() - startMs;
  writeSummary(context, { path, options, durationMs, baseOffset, storedCount, storedBytes });
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

/** Appends all of stdin and waits until it is acknowledged; Ctrl-C ends the input. */
async function appendInput(
  context: CommandContext,
  appender: LineAppender,
  options: AppendVerbOptions,
): Promise<void> {
  const { stdin, signal } = context;
  const progress = context.progress({ label: 'appending', unit: 'record', total: null });
  // Destroying the stream is what ends a read that waits on a terminal.
  const onAbort = (): void => void stdin.destroy();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const lines of splitLines(stdin, LINE_BYTES_MAX)) {
      await appender.append(lines, options);
      progress.update(appender.storedCount);
    }
    await appender.flushed();
  } catch (error) {
    await appender.settle();
    if (signal.aborted && !appender.hasFailed) return;
    const stored = formatPlural(appender.storedCount, 'record');
    context.note(
      `stopped at line ${formatCount(appender.lineNumber)} of the input; ${stored} stored`,
    );
    throw error;
  } finally {
    progress.end();
    signal.removeEventListener('abort', onAbort);
  }
}

interface Summary {
  readonly path: string;
  readonly options: AppendVerbOptions;
  readonly durationMs: number;
  readonly baseOffset: number;
  readonly storedCount: number;
  readonly storedBytes: number;
}

function writeSummary(context: CommandContext, summary: Summary): void {
  const { path, options, durationMs, baseOffset, storedCount: recordCount } = summary;
  const valueBytes = summary.storedBytes;
  const recordsPerSecond = durationMs === 0 ? 0 : Math.round((recordCount / durationMs) * 1000);
  const nextOffset = baseOffset + recordCount;
  const { durability } = options;
  const range = recordCount === 0 ? '' : ` at offsets ${baseOffset} to ${nextOffset - 1}`;
  const rate = `${formatCount(recordsPerSecond)} records/s`;
  context.note(
    `appended ${formatPlural(recordCount, 'record')}${range}, ${formatBytes(valueBytes)} ` +
      `in ${formatDuration(durationMs)} (${rate}, durability ${durability})`,
  );
  if (options.json !== true) return;
  const document = {
    path,
    recordCount,
    baseOffset,
    nextOffset,
    valueBytes,
    durability,
    durationMs: Math.round(durationMs),
    recordsPerSecond,
  };
  context.output.write(`${JSON.stringify(document)}\n`);
}
