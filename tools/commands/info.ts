/** `varve info <dir>`: what a log holds, where it stands, and who writes to it. */
import type { CorruptLogDetails, Log } from '../../src/index.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { LOG_FILES } from '../help-text.ts';
import { describeCheckpoint, describeLock, readLogFiles } from '../log-files.ts';
import type { LogFiles } from '../log-files.ts';
import { checkReadablePath } from '../log-path.ts';
import { damageLine, openInSpiteOfDamage } from '../read-log.ts';
import { formatPairs, formatTable } from '../table.ts';
import { formatBytes, formatCount, formatPlural, formatTime } from '../units.ts';

interface InfoVerbOptions {
  readonly json?: true;
}

export const infoVerb: Verb<InfoVerbOptions> = {
  name: 'info',
  summary: 'what a log holds and who writes to it',
  description:
    'Show offsets, sizes, segments, the checkpoint, the lock and the quarantine of a log.\n' +
    'Never writes; works beside a writer. Damage in the tail exits 4; varve verify checks all.',
  argument: { name: '<dir>', description: 'the log' },
  options: [JSON_OPTION],
  help: {
    besideWriter: 'Safe: it never writes and takes no lock. It shows what was there when it began.',
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: { ...LOG_FILES, '<dir>/LOCK': 'who writes, or wrote last' },
    seeAlso: ['ls', 'verify', 'dump'],
    examples: [
      { command: 'varve info ./numbers', does: 'a table' },
      {
        command: 'varve info ./numbers --json | jq .endOffset',
        does: 'the offset of the next record',
      },
      { command: 'varve info ./numbers --json | jq .lock.state', does: 'held, or free?' },
    ],
  },
  run,
};

/** What the log itself says, from its checkpoint and its tail. */
interface LogState {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly epoch: number;
  readonly lastAppendTimeMs: number | null;
  readonly notes: readonly string[];
  /** Why the tail cannot be trusted; null when it can. */
  readonly damage: CorruptLogDetails | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: InfoVerbOptions,
): Promise<ExitCode> {
  await checkReadablePath(path);
  const state = await readState(path);
  const files = await readLogFiles(path);
  if (options.json === true) writeJson(context, { path, state, files });
  else writeText(context, { path, state, files });
  return state.damage === null ? ExitCode.ok : ExitCode.corrupt;
}

async function readState(path: string): Promise<LogState> {
  const { log, damage } = await openInSpiteOfDamage(path);
  try {
    const { startOffset, endOffset, epoch, recovery } = log;
    const lastAppendTimeMs = damage === null ? await readLastAppendTime(log) : null;
    return { startOffset, endOffset, epoch, lastAppendTimeMs, notes: recovery.notes, damage };
  } finally {
    await log.close();
  }
}

async function readLastAppendTime(log: Log<Uint8Array>): Promise<number | null> {
  let lastAppendTimeMs: number | null = null;
  for await (const batch of log.batches({ from: { last: 1 } }))
    lastAppendTimeMs = batch.appendTimeMs;
  return lastAppendTimeMs;
}

interface Info {
  readonly path: string;
  readonly state: LogState;
  readonly files: LogFiles;
}

/** The keys are a documented contract. */
function writeJson({ output }: CommandContext, { path, state, files }: Info): void {
  const { notes, damage, ...offsets } = state;
  const { segments, sizeBytes, checkpoint, checkpointProblems, lock, quarantine } = files;
  const segmentCount = segments.length;
  const document = {
    path,
    ...offsets,
    sizeBytes,
    segmentCount,
    segments: segments.map(({ name, baseOffset, sizeBytes: bytes }) => ({
      file: name,
      baseOffset,
      sizeBytes: bytes,
    })),
    checkpoint,
    checkpointProblems,
    lock,
    quarantine,
    notes,
    damage,
  };
  output.write(`${JSON.stringify(document)}\n`);
}

function writeText({ output, style }: CommandContext, { path, state, files }: Info): void {
  const { segments, sizeBytes, quarantine } = files;
  const pairs: [string, string][] = [
    ['log', path],
    ['offsets', describeOffsets(state)],
    ['epoch', formatCount(state.epoch)],
    ['size', `${formatBytes(sizeBytes)} in ${formatPlural(segments.length, 'segment')}`],
    ['checkpoint', describeCheckpoint(files)],
    ['lock', describeLock(files.lock)],
    [
      'quarantine',
      `${formatPlural(quarantine.fileCount, 'file')}, ${formatBytes(quarantine.sizeBytes)}`,
    ],
  ];
  if (state.lastAppendTimeMs !== null) {
    pairs.splice(2, 0, ['last append', formatTime(state.lastAppendTimeMs)]);
  }
  for (const note of state.notes) pairs.push(['note', note]);
  output.write(formatPairs(pairs));
  if (state.damage !== null) {
    output.write(`${style('red', `damage      ${escapeText(damageLine(state.damage))}`)}\n`);
  }
  if (segments.length > 0) output.write(`\n${segmentTable(files)}`);
}

function describeOffsets({ startOffset, endOffset }: LogState): string {
  const range = `${formatPlural(endOffset - startOffset, 'offset')}, next ${formatCount(endOffset)}`;
  if (startOffset === endOffset) return `none yet, next ${formatCount(endOffset)}`;
  return `${formatCount(startOffset)} to ${formatCount(endOffset - 1)}: ${range}`;
}

function segmentTable({ segments }: LogFiles): string {
  return formatTable(
    [
      { title: 'segment' },
      { title: 'base offset', align: 'right' },
      { title: 'size', align: 'right' },
    ],
    segments.map(({ name, baseOffset, sizeBytes }) => [
      name,
      formatCount(baseOffset),
      formatBytes(sizeBytes),
    ]),
  );
}
