/** `varve import <dir> [file]`: an export into a log, or into a partition of a topic. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Option } from 'commander';
import type { DurabilityLevel } from '../../src/index.ts';
import type { PlaceableLog } from '../../src/log/placement.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { EXPORT_LINE_BYTES_MAX, ExportDecoder, type ExportedRecord } from '../export-format.ts';
import { WRITER_FILES } from '../help-text.ts';
import { splitLines } from '../line-splitter.ts';
import { importTarget, type ImportTarget } from '../import-target.ts';
import { PARTITION_OPTION } from '../partition-offsets.ts';
import { parseCount } from '../ranges.ts';
import type { PartitionChoice } from '../record-logs.ts';
import { RecordImporter } from '../record-importer.ts';
import { STORE_WRITER_FILES } from '../store-access.ts';
import { durabilityOption } from '../topic-config.ts';
import { formatCount, formatDuration, formatPlural } from '../units.ts';

interface ImportVerbOptions extends PartitionChoice {
  readonly resume?: true;
  readonly at?: number;
  readonly durability: DurabilityLevel;
  readonly json?: true;
}

const NOTES = `A file is read twice: first every line and the checksum are checked, and only when all is right are
records appended. A pipe can be read only once: records are appended as they come, and when the
trailer is missing or wrong at the end, exit code 4 and a message say what was stored: every record
whose line came whole. Of an empty input no log is made.

Keys, values, headers and create times are kept; offsets are the log's own, without holes, from its
end on. So offsets stay the same only when a whole export, from offset 0 and without gaps, goes into
a new log; the summary says which offset the first record had and has.

--resume continues an import that was interrupted, from the same input: what the log already holds
from --at on is compared record by record, never appended again, and the rest is appended.

With --topic, all of it goes to one partition, for only a log can be compared so; nobody else should
append to it meanwhile. To spread records by key: varve cat --json | varve append --topic --ndjson.`;

export const importVerb: Verb<ImportVerbOptions> = {
  description:
    'Append the records of an export, from a file or from stdin, to a log, which is created when it\n' +
    'does not exist, or to a partition of a topic.',
  argument: { description: 'the log, created when missing; with --topic the store' },
  moreArguments: [{ description: 'what varve export wrote; default: stdin' }],
  options: [
    new Option('--topic <name>', 'into this topic of a store'),
    PARTITION_OPTION,
    new Option('--resume', 'continue an interrupted import of the same input'),
    new Option(
      '--at <offset>',
      'with --resume: where the first record of the input stands in the log (default: its start)',
    ).argParser(parseCount),
    durabilityOption('what a stored record survives: sync also a power cut').default('sync'),
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
      2: 'The command line or a line of the input is wrong; of a file nothing was stored.',
      3: 'There is no such file, store or topic.',
      4: 'The input is not a whole export, or the tail of the log is damaged.',
      5: true,
      130: 'Stopped by Ctrl-C; what was acknowledged is stored, and --resume goes on.',
    },
    files: { ...WRITER_FILES, ...STORE_WRITER_FILES },
    seeAlso: ['export', 'append', 'cat'],
    examples: [
      {
        command: 'varve import ./numbers numbers.ndjson',
        does: 'a file, checked before it is used',
      },
      { command: 'varve export ./a | varve import ./b', does: 'copy a log, times and headers too' },
      {
        command: 'varve import ./numbers numbers.ndjson --resume',
        does: 'go on with an import that was interrupted',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: ImportVerbOptions,
  [file]: readonly string[],
): Promise<ExitCode> {
  if (options.at !== undefined && options.resume !== true) {
    throw new UsageError(
      '--at is for --resume',
      'without --resume, records go to the end of the log',
    );
  }
  const target = await importTarget(context, path, options);
  if (file !== undefined) await checkFile(context, file);
  const source = file === undefined ? context.stdin : createReadStream(file);
  const { signal } = context;
  // Destroying the stream is what ends a read that waits on a terminal.
  const onAbort = (): void => void source.destroy();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await importFrom(context, source, { path, options, target });
  } finally {
    signal.removeEventListener('abort', onAbort);
    source.destroy(); // Also when the log was not opened and nobody read on.
  }
}

interface Request {
  readonly path: string;
  readonly options: ImportVerbOptions;
  readonly target: ImportTarget;
}

async function importFrom(
  context: CommandContext,
  source: Readable,
  { path, options, target }: Request,
): Promise<ExitCode> {
  const lines = splitLines(source, EXPORT_LINE_BYTES_MAX);
  const first = await firstLines(context, lines);
  const startMs = performance.now();
  const done = await target.open((log) =>
    importAll(context, log, { lines: joined(first, lines), options }),
  );
  const durationMs = performance.now() - startMs;
  writeSummary(context, { ...done, path, options, place: target.place, durationMs });
  if (done.problem !== null) throw notWhole(done.problem, done.importer);
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

type Lines = AsyncGenerator<readonly Uint8Array[], void, void>;

/** Waits for the input: of an empty one no log is made. */
async function firstLines(context: CommandContext, lines: Lines): Promise<readonly Uint8Array[]> {
  try {
    const first = await lines.next();
    if (first.done !== true) return first.value;
  } catch (error) {
    context.signal.throwIfAborted(); // Why the stream ended early.
    throw error;
  }
  context.signal.throwIfAborted();
  throw new CommandError(
    ExitCode.corrupt,
    'the input is not a whole export: it is empty; nothing was stored',
    'did what should have written it fail?',
  );
}

async function* joined(first: readonly Uint8Array[], rest: Lines): Lines {
  yield first;
  yield* rest;
}

/**
 * The first of two passes over a file: nothing is stored of one that is not whole. What is no
 * regular file, such as a named pipe, is taken as it comes.
 */
async function checkFile(context: CommandContext, file: string): Promise<void> {
  const stats = await stat(file).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code !== 'ENOENT') throw error;
    throw new CommandError(ExitCode.notFound, `there is no file ${file}`);
  });
  if (stats.isDirectory()) throw new UsageError(`${file} is a directory, not an export`);
  if (!stats.isFile()) return;
  const decoder = new ExportDecoder();
  const progress = context.progress({ label: 'checking', unit: 'record', total: null });
  try {
    for await (const lines of splitLines(createReadStream(file), EXPORT_LINE_BYTES_MAX)) {
      context.signal.throwIfAborted();
      for (const line of lines) decoder.push(line);
      progress.update(decoder.recordCount);
    }
  } finally {
    progress.end();
  }
  decoder.takeLast();
  const problem = decoder.end();
  if (problem !== null) throw notWhole(problem, null);
}

interface Imported {
  readonly importer: RecordImporter;
  readonly decoder: ExportDecoder;
  /** Why the input is not a whole export; null when it is, or when Ctrl-C ended it. */
  readonly problem: string | null;
}

interface ImportInput {
  readonly lines: Lines;
  readonly options: ImportVerbOptions;
}

async function importAll(
  context: CommandContext,
  log: PlaceableLog,
  { lines: input, options }: ImportInput,
): Promise<Imported> {
  const { signal } = context;
  const isResumed = options.resume === true;
  const baseOffset = isResumed ? (options.at ?? log.startOffset) : log.endOffset;
  if (!isResumed && log.endOffset > log.startOffset) {
    context.note(`the log is not empty: records are appended from offset ${baseOffset} on`);
  }
  const importer = new RecordImporter(log, baseOffset);
  const decoder = new ExportDecoder();
  const progress = context.progress({ label: 'importing', unit: 'record', total: null });
  try {
    for await (const lines of input) {
      for (const record of recordsOf(decoder, lines)) await importer.add(record.record);
      progress.update(importer.placedCount);
    }
    const last = decoder.takeLast();
    if (last !== null) await importer.add(last.record);
    await importer.flush();
  } catch (error) {
    await settle(context, importer, error);
  } finally {
    progress.end();
  }
  return { importer, decoder, problem: signal.aborted ? null : decoder.end() };
}

function* recordsOf(
  decoder: ExportDecoder,
  lines: readonly Uint8Array[],
): Generator<ExportedRecord, void, void> {
  for (const line of lines) {
    const record = decoder.push(line);
    if (record !== null) yield record;
  }
}

/** The input ended early or is wrong: what stands before is stored, then said. */
async function settle(
  context: CommandContext,
  importer: RecordImporter,
  error: unknown,
): Promise<void> {
  const isInput = error instanceof UsageError || context.signal.aborted;
  if (isInput) await importer.flush();
  if (context.signal.aborted) return;
  context.note(storedSentence(importer));
  throw error;
}

function storedSentence({ baseOffset, placedCount, heldCount }: RecordImporter): string {
  if (placedCount <= heldCount) return 'nothing was stored';
  const nextOffset = baseOffset + placedCount;
  const range = `at offsets ${baseOffset + heldCount} to ${nextOffset - 1}`;
  return `${formatPlural(placedCount - heldCount, 'record')} stored ${range}`;
}

function notWhole(problem: string, importer: RecordImporter | null): CommandError {
  const stored = importer === null ? 'nothing was stored' : storedSentence(importer);
  return new CommandError(
    ExitCode.corrupt,
    `the input is not a whole export: ${problem}; ${stored}`,
    importer === null
      ? 'export again; or take the whole records of it: varve import <dir> < FILE'
      : 'export again, and --resume appends what is missing',
  );
}

interface Summary extends Imported {
  readonly path: string;
  readonly options: ImportVerbOptions;
  readonly place: ImportTarget['place'];
  readonly durationMs: number;
}

function writeSummary(context: CommandContext, summary: Summary): void {
  const { importer, decoder, path, options, place, durationMs } = summary;
  const { baseOffset, placedCount, heldCount } = importer;
  const alreadyThere = Math.min(heldCount, placedCount);
  const recordCount = placedCount - alreadyThere;
  const time = formatDuration(durationMs);
  const there = alreadyThere === 0 ? '' : `, ${formatCount(alreadyThere)} were there`;
  context.note(`imported ${formatPlural(recordCount, 'record')}${there}, in ${time}`);
  if (decoder.firstOffset !== null && decoder.firstOffset !== baseOffset) {
    context.note(`offset ${decoder.firstOffset} of the export is offset ${baseOffset} here`);
  }
  if (decoder.missingCount > 0) {
    const missing = formatPlural(decoder.missingCount, 'offset');
    context.note(`the export has no record at ${missing}; there are no holes here`);
  }
  if (context.signal.aborted) {
    context.note(`interrupted; go on with the same input and --resume --at ${baseOffset}`);
  }
  if (options.json !== true) return;
  const document = {
    path,
    ...place,
    recordCount,
    alreadyThere,
    firstOffset: decoder.firstOffset,
    baseOffset,
    nextOffset: baseOffset + placedCount,
    missingCount: decoder.missingCount,
    durability: options.durability,
    durationMs: Math.round(durationMs),
  };
  context.output.write(`${JSON.stringify(document)}\n`);
}
