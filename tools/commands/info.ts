/** `varve info <dir>`: what a log or a store holds, where it stands, and who writes to it. */
import type { CorruptLogDetails, Log } from '../../src/index.ts';
import type { SegmentHeader } from '../../src/format/segment-header.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { LOG_FILES } from '../help-text.ts';
import { describeCheckpoint, describeLock, readLogFiles } from '../log-files.ts';
import type { LogFiles } from '../log-files.ts';
import { checkReadablePath, classifyPath } from '../log-path.ts';
import { damageLine, openInSpiteOfDamage } from '../read-log.ts';
import { PARTITION_OPTIONS, type PartitionChoice } from '../record-logs.ts';
import { chooseLogs, type ChosenLog } from '../store-logs.ts';
import { formatPairs, formatTable, type Column } from '../table.ts';
import { formatBytes, formatCount, formatPlural, formatTime } from '../units.ts';
import { runStoreInfo } from './info-store.ts';

interface InfoVerbOptions extends PartitionChoice {
  readonly json?: true;
}

const NOTES = `A store is shown also where its journal is damaged, which exits 4: its topics and groups are then as
they were in front of the damage. Offsets and bytes of topics are as of the last checkpoints; what only
the process knows that has the store open, varve stats asks it.
With --topic, --json prints a document with all "partitions"; with --partition too, that of the log.`;

export const infoVerb: Verb<InfoVerbOptions> = {
  description:
    'Show offsets, sizes, segments, the checkpoint, the lock and the quarantine of a log; id, topics,\n' +
    'groups, journal, lock and health of a store; with --topic, each log of a topic. Never writes;\n' +
    'works beside a writer. Damage in the tail exits 4; varve verify checks all.',
  argument: { description: 'the log, or the store' },
  options: [...PARTITION_OPTIONS, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: 'Safe: it never writes and takes no lock. It shows what was there when it began.',
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: { ...LOG_FILES, '<dir>/LOCK': 'who writes, or wrote last' },
    seeAlso: ['ls', 'stats', 'topics describe', 'verify', 'dump'],
    examples: [
      { command: 'varve info ./numbers', does: 'a table' },
      {
        command: 'varve info ./numbers --json | jq .endOffset',
        does: 'the offset of the next record',
      },
      {
        command: 'varve info ./store --topic orders --json | jq .partitions[].quarantine',
        does: 'what was cut off or replaced in the logs of a topic',
      },
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
  const chosen = await chooseLogs(context, path, options);
  if (chosen !== null) return runTopicInfo(context, { path, chosen, options });
  if ((await classifyPath(path)) === 'store') return runStoreInfo(context, path, options);
  await checkReadablePath(path);
  const info = await readInfo(path);
  if (options.json === true) context.output.write(`${JSON.stringify(documentOf(info))}\n`);
  else writeText(context, info);
  return exitCodeOf([info]);
}

interface TopicJob {
  /** Of the store. */
  readonly path: string;
  readonly chosen: readonly ChosenLog[];
  readonly options: InfoVerbOptions;
}

/** One block or document for each partition. */
async function runTopicInfo(
  context: CommandContext,
  { path, chosen, options }: TopicJob,
): Promise<ExitCode> {
  const { output, signal } = context;
  const infos: PartitionInfo[] = [];
  for (const log of chosen) {
    signal.throwIfAborted();
    infos.push({ ...(await readInfo(log.path)), log });
  }
  if (options.json !== true) {
    for (const [index, info] of infos.entries()) {
      if (index > 0) output.write('\n');
      writeText(context, info);
    }
    return exitCodeOf(infos);
  }
  const documents = infos.map((info) => {
    const { topic, partition } = info.log;
    return { topic, partition, ...documentOf(info) };
  });
  const all = { path, topic: options.topic, partitions: documents };
  output.write(`${JSON.stringify(options.partition === undefined ? all : documents[0])}\n`);
  return exitCodeOf(infos);
}

function exitCodeOf(infos: readonly Info[]): ExitCode {
  return infos.every(({ state }) => state.damage === null) ? ExitCode.ok : ExitCode.corrupt;
}

async function readInfo(path: string): Promise<Info> {
  const state = await readState(path);
  return { path, state, files: await readLogFiles(path) };
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
  /** Which it is; not of a log by its directory. */
  readonly log?: ChosenLog;
}

interface PartitionInfo extends Info {
  readonly log: ChosenLog;
}

/** As `--json` prints it; the keys are a documented contract. */
function documentOf({ path, state, files }: Info): object {
  const { notes, damage, ...offsets } = state;
  const { segments, headers, sizeBytes, checkpoint, checkpointProblems, lock, quarantine } = files;
  const segmentCount = segments.length;
  return {
    path,
    ...offsets,
    sizeBytes,
    segmentCount,
    segments: segments.map(({ name, baseOffset, sizeBytes: bytes }, at) => ({
      file: name,
      baseOffset,
      sizeBytes: bytes,
      generation: headers[at]?.generation ?? null,
      recordCount: headers[at]?.recordCount ?? null,
    })),
    checkpoint,
    checkpointProblems,
    lock,
    quarantine,
    notes,
    damage,
  };
}

function writeText({ output, style }: CommandContext, { path, state, files, log }: Info): void {
  const { segments, sizeBytes, quarantine } = files;
  const pairs: [string, string][] = [
    ...(log === undefined ? [] : [partitionPair(log)]),
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
    pairs.splice(
      pairs.findIndex(([name]) => name === 'epoch'),
      0,
      ['last append', formatTime(state.lastAppendTimeMs)],
    );
  }
  for (const note of state.notes) pairs.push(['note', note]);
  output.write(formatPairs(pairs));
  if (state.damage !== null) {
    output.write(`${style('red', `damage      ${escapeText(damageLine(state.damage))}`)}\n`);
  }
  if (segments.length > 0) output.write(`\n${segmentTable(files)}`);
}

function partitionPair({ topic, partition }: ChosenLog): [string, string] {
  return ['partition', `${topic}/${partition}`];
}

function describeOffsets({ startOffset, endOffset }: LogState): string {
  const range = `${formatPlural(endOffset - startOffset, 'offset')}, next ${formatCount(endOffset)}`;
  if (startOffset === endOffset) return `none yet, next ${formatCount(endOffset)}`;
  return `${formatCount(startOffset)} to ${formatCount(endOffset - 1)}: ${range}`;
}

/** With generations where one was rewritten. */
function segmentTable({ segments, headers }: LogFiles): string {
  const hasRewritten = headers.some((header) => (header?.generation ?? 0) > 0);
  const columns: Column[] = [
    { title: 'segment' },
    { title: 'base offset', align: 'right' },
    { title: 'size', align: 'right' },
  ];
  if (hasRewritten) {
    columns.push({ title: 'generation', align: 'right' }, { title: 'records', align: 'right' });
  }
  const rows = segments.map(({ name, baseOffset, sizeBytes }, at) => {
    const row = [name, formatCount(baseOffset), formatBytes(sizeBytes)];
    return hasRewritten ? [...row, ...rewritingCells(headers[at] ?? null)] : row;
  });
  return formatTable(columns, rows);
}

/** Of an original nobody counts the records. */
function rewritingCells(header: SegmentHeader | null): [generation: string, records: string] {
  if (header === null) return ['?', '?'];
  const { generation, recordCount } = header;
  if (generation === 0) return ['0', ''];
  return [formatCount(generation), recordCount === null ? '?' : formatCount(recordCount)];
}
