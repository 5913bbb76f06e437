/** `varve ls <dir>`: the logs below a directory, from names, sizes and checkpoints alone. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { LockState } from '../../src/io/file-system.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { LOG_FILES } from '../help-text.ts';
import { readLogFiles } from '../log-files.ts';
import { classifyPath } from '../log-path.ts';
import { parseCount } from '../ranges.ts';
import { formatTable, type Column } from '../table.ts';
import { formatBytes, formatCount, formatTime } from '../units.ts';

interface LsVerbOptions {
  readonly depth: number;
  readonly columns: readonly ColumnName[];
  readonly json?: true;
  readonly ndjson?: true;
}

/** A log, as `--json` prints it; the keys are a documented contract. Null: no valid checkpoint. */
interface ListedLog {
  readonly path: string;
  readonly startOffset: number | null;
  readonly endOffset: number | null;
  readonly offsetCount: number | null;
  readonly sizeBytes: number;
  readonly segmentCount: number;
  /** When the newest segment was last written to; null without segments. */
  readonly lastWriteTimeMs: number | null;
  readonly lock: LockState['state'];
}

interface ListedColumn extends Column {
  readonly cell: (log: ListedLog) => string;
}

const UNKNOWN = '?';

const COLUMNS = {
  path: { title: 'path', cell: ({ path }) => path },
  start: { title: 'start', align: 'right', cell: (log) => countCell(log.startOffset) },
  end: { title: 'end', align: 'right', cell: (log) => countCell(log.endOffset) },
  offsets: { title: 'offsets', align: 'right', cell: (log) => countCell(log.offsetCount) },
  bytes: { title: 'bytes', align: 'right', cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
  segments: { title: 'segments', align: 'right', cell: (log) => formatCount(log.segmentCount) },
  last: {
    title: 'last append',
    cell: ({ lastWriteTimeMs: timeMs }) => (timeMs === null ? '-' : formatTime(timeMs)),
  },
  lock: { title: 'lock', cell: ({ lock }) => lock },
} satisfies Record<string, ListedColumn>;
type ColumnName = keyof typeof COLUMNS;

const COLUMN_NAMES = Object.keys(COLUMNS).filter(isColumnName);
const DEPTH_DEFAULT = 1;
/** A store's logs are at `journal` and `topics/<topic>/<partition>`. */
const STORE_DEPTH = 3;

const NOTES = `Columns: ${COLUMN_NAMES.join(', ')}.
"end" is the offset of the next record, "offsets" how many there are from start to end; both as of the last
checkpoint, which a live writer at durability os or interval, or one that was killed, may be ahead
of: varve info looks at the data. "last append" is when the newest segment was last written to.
"lock" is held (a live process writes), free, or unknown (a process of another machine or
container). A "?" means that there is no valid checkpoint: varve verify says more.`;

export const lsVerb: Verb<LsVerbOptions> = {
  description:
    'List the logs below a directory: offsets, sizes, last append, and who writes. Reads names,\n' +
    'sizes and checkpoints only, so it is cheap for any number of bytes. A log lists itself, a store\n' +
    'its journal and the partitions of its topics.',
  argument: { description: 'a directory with logs below it, or a log' },
  options: [
    new Option('--depth <levels>', 'how far below the directory a log may be')
      .argParser(parseCount)
      .default(DEPTH_DEFAULT),
    new Option('--columns <names>', 'which columns to print, and in which order')
      .argParser(parseColumns)
      .default(COLUMN_NAMES, 'all'),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: 'Safe: it never writes, takes no lock, and opens no segment.',
    exitCodes: { 0: 'Done; also when there is no log.', 1: true, 2: true, 3: true, 130: true },
    files: { ...LOG_FILES, '<dir>/LOCK': 'who writes, or wrote last' },
    seeAlso: ['info', 'verify', 'cat'],
    examples: [
      { command: 'varve ls ./data', does: 'the logs right below a directory' },
      {
        command: 'varve ls . --depth 3 --columns path,offsets,bytes',
        does: 'further down, with three columns',
      },
      {
        command: `varve ls ./data --ndjson | jq -r 'select(.lock == "held") | .path'`,
        does: 'those that somebody writes to',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: LsVerbOptions,
): Promise<ExitCode> {
  await checkDirectory(path);
  const { output, signal } = context;
  const logs: ListedLog[] = [];
  for await (const found of logsBelow(context, path, options.depth)) {
    signal.throwIfAborted();
    const log = await describeLog(found);
    if (options.ndjson === true) output.write(`${JSON.stringify(log)}\n`);
    else logs.push(log);
    if (output.isFull) await output.drain();
  }
  if (options.json === true) output.write(`${JSON.stringify({ path, logs })}\n`);
  else if (logs.length > 0) output.write(table(logs, options.columns));
  else if (options.ndjson !== true) {
    context.note(`no log in ${path}, down to depth ${options.depth}`);
  }
  return ExitCode.ok;
}

async function checkDirectory(path: string): Promise<void> {
  const kind = await classifyPath(path);
  if (kind === 'missing') {
    throw new CommandError(ExitCode.notFound, `there is no directory at ${path}`);
  }
  if (kind === 'file') {
    throw new UsageError(`${path} is a file`, 'varve dump reads single segment files');
  }
}

/** Paths of logs, depth first, by name. Does not look inside a log, nor follow symbolic links. */
async function* logsBelow(
  context: CommandContext,
  path: string,
  depth: number,
): AsyncGenerator<string> {
  const kind = await classifyPath(path);
  if (kind === 'log') {
    yield path;
    return;
  }
  if (kind === 'store' && depth < STORE_DEPTH) {
    yield* logsBelow(context, path, STORE_DEPTH); // It is listed as one, whatever the depth.
    return;
  }
  if (depth === 0) return;
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  for (const name of names.toSorted()) {
    const child = join(path, name);
    try {
      yield* logsBelow(context, child, depth - 1);
    } catch (error) {
      if (!isDenied(error)) throw error;
      context.warn(`not allowed to read ${child}`);
    }
  }
}

async function describeLog(path: string): Promise<ListedLog> {
  const { segments, sizeBytes, checkpoint, lock } = await readLogFiles(path);
  const startOffset = checkpoint?.startOffset ?? null;
  const endOffset = checkpoint?.visibleOffset ?? null;
  const last = segments.at(-1);
  return {
    path,
    startOffset,
    endOffset,
    offsetCount: startOffset === null || endOffset === null ? null : endOffset - startOffset,
    sizeBytes,
    segmentCount: segments.length,
    lastWriteTimeMs: last === undefined ? null : Math.floor((await stat(last.path)).mtimeMs),
    lock: lock.state,
  };
}

function table(logs: readonly ListedLog[], names: readonly ColumnName[]): string {
  const columns: ListedColumn[] = names.map((name) => COLUMNS[name]);
  return formatTable(
    columns,
    logs.map((log) => columns.map(({ cell }) => cell(log))),
  );
}

function countCell(count: number | null): string {
  return count === null ? UNKNOWN : formatCount(count);
}

function parseColumns(text: string): ColumnName[] {
  const names = text.split(',').map((name) => name.trim());
  const known = names.filter(isColumnName);
  if (known.length === names.length) return known;
  throw new InvalidArgumentError(`Expected names out of ${COLUMN_NAMES.join(', ')}.`);
}

function isColumnName(name: string): name is ColumnName {
  return Object.hasOwn(COLUMNS, name);
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EACCES';
}
