/** `varve verify <dir>`: checks every byte that the log's promises rest on. */
import { join, relative } from 'node:path';
import { CorruptLogError } from '../../src/index.ts';
import type { LogGap, Store } from '../../src/index.ts';
import { JOURNAL_DIRECTORY } from '../../src/format/file-names.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { countOffsets, findingLine, toFinding, type Finding } from '../finding.ts';
import { LOG_FILES } from '../help-text.ts';
import { checkReadablePath, classifyPath, listSegmentFiles } from '../log-path.ts';
import { PARTITION_OPTIONS, type PartitionChoice } from '../record-logs.ts';
import { lookAtStore } from '../store-access.ts';
import { allLogs, chooseLogs } from '../store-logs.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from '../units.ts';

interface VerifyVerbOptions extends PartitionChoice {
  readonly json?: true;
  readonly ndjson?: true;
}

export const verifyVerb: Verb<VerifyVerbOptions> = {
  description:
    'Check every batch of a log: checksums, order, and the chain from segment to segment; of a store,\n' +
    'all of its logs, and that its journal makes sense, or with --topic the logs of a topic alone.\n' +
    'Prints one line for each damaged place. Never writes; works beside a writer.',
  argument: { description: 'the log, or the store' },
  options: [...PARTITION_OPTIONS, JSON_OPTION, NDJSON_OPTION],
  help: {
    besideWriter:
      'Safe: it never writes and takes no lock. A write in flight is told apart from damage.',
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: LOG_FILES,
    seeAlso: ['repair', 'dump', 'info'],
    examples: [
      { command: 'varve verify ./numbers', does: 'check a log' },
      {
        command: 'varve verify ./numbers --quiet && echo sound',
        does: 'in a script: 0 sound, 4 damaged',
      },
      {
        command: "varve verify ./store --topic orders --json | jq '.damage[].file'",
        does: 'the damaged files of a topic',
      },
    ],
  },
  run,
};

interface Totals {
  segmentCount: number;
  batchCount: number;
  recordCount: number;
  /** Segments that were rewritten, and offsets that lost their records by that. */
  rewrittenSegmentCount: number;
  removedCount: number;
  producedCount: number;
  fingerprintedCount: number;
  tableCount: number;
  sizeBytes: number;
  readonly gaps: LogGap[];
  readonly damage: Finding[];
  readonly notes: string[];
}

async function run(
  context: CommandContext,
  path: string,
  options: VerifyVerbOptions,
): Promise<ExitCode> {
  const chosen = await chooseLogs(context, path, options);
  const isStore = chosen === null && (await classifyPath(path)) === 'store';
  if (chosen === null && !isStore) await checkReadablePath(path);
  const logs = chosen?.map((log) => log.path) ?? (isStore ? await allLogs(context, path) : [path]);
  const startMs = performance.now();
  const totals = await verify(context, { path, logs, options });
  if (isStore && totals.damage.length === 0) await checkJournal(context, totals, { path, options });
  const durationMs = performance.now() - startMs;
  writeSummary(context, { path, options, totals, durationMs });
  return totals.damage.length === 0 ? ExitCode.ok : ExitCode.corrupt;
}

interface Job {
  /** What was asked for. */
  readonly path: string;
  readonly options: VerifyVerbOptions;
}

async function verify(
  context: CommandContext,
  { logs, ...job }: Job & { readonly logs: readonly string[] },
): Promise<Totals> {
  const segments = (await Promise.all(logs.map(listSegmentFiles))).flat();
  const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const progress = context.progress({ label: 'verifying', unit: 'byte', total: sizeBytes });
  const totals: Totals = {
    segmentCount: 0,
    batchCount: 0,
    recordCount: 0,
    rewrittenSegmentCount: 0,
    removedCount: 0,
    producedCount: 0,
    fingerprintedCount: 0,
    tableCount: 0,
    sizeBytes: 0,
    gaps: [],
    damage: [],
    notes: [],
  };
  for (const log of logs) {
    for await (const event of verifyLog(log)) {
      context.signal.throwIfAborted();
      count(totals, event);
      if (event.type === 'segment') progress.update(totals.sizeBytes);
      else if (event.type === 'damage') progress.end();
      writeEvent(context, { event, log }, job);
      await context.output.drain();
    }
  }
  progress.end();
  return totals;
}

function count(totals: Totals, event: VerifyEvent): void {
  if (event.type === 'segment') {
    totals.segmentCount += 1;
    totals.batchCount += event.batchCount;
    totals.recordCount += event.recordCount;
    if (event.generation > 0) totals.rewrittenSegmentCount += 1;
    totals.removedCount += event.removedCount;
    totals.producedCount += event.producedCount;
    totals.fingerprintedCount += event.fingerprintedCount;
    totals.tableCount += event.tableCount;
    totals.sizeBytes += event.sizeBytes;
    totals.gaps.push(...event.gaps);
  } else if (event.type === 'note') totals.notes.push(event.message);
  else totals.damage.push(toFinding(event.details));
}

/** Entries may be whole, one by one, and yet lack others, or contradict each other. */
async function checkJournal(context: CommandContext, totals: Totals, job: Job): Promise<void> {
  try {
    await lookAtStore(job.path, (store) =>
      Promise.resolve(noteMisfits(context, totals, { store, job })),
    );
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    const { details } = error;
    totals.damage.push(toFinding(details));
    const log = join(job.path, JOURNAL_DIRECTORY);
    writeEvent(context, { event: { type: 'damage', details }, log }, job);
  }
}

/** They changed nothing: a mistake of a program, and no damage. */
function noteMisfits(
  context: CommandContext,
  totals: Totals,
  { store, job }: { readonly store: Store; readonly job: Job },
): void {
  const { count: misfitCount, first } = store.misfits;
  if (first === null) return;
  const { offset, kind, reason } = first;
  const what = `${formatPlural(misfitCount, 'entry')} did not fit the state and changed nothing`;
  const message = `${what}, the first at offset ${offset}: ${kind}: ${reason}`;
  totals.notes.push(message);
  const log = join(job.path, JOURNAL_DIRECTORY);
  writeEvent(context, { event: { type: 'note', message }, log }, job);
}

type VerifyEvent = ReturnType<typeof verifyLog> extends AsyncIterable<infer Event> ? Event : never;

interface LogEvent {
  readonly event: VerifyEvent;
  /** The directory of the log that it is about. */
  readonly log: string;
}

function writeEvent(
  { output, style }: CommandContext,
  { event, log }: LogEvent,
  { path, options }: Job,
): void {
  if (options.json === true) return; // One document at the end.
  const place = relative(path, log); // Empty for the log that was asked for.
  const prefix = place === '' ? '' : `${escapeText(place)}/`;
  if (options.ndjson === true) {
    const { type, ...rest } = event;
    const fields = event.type === 'damage' ? toFinding(event.details) : rest;
    output.write(`${JSON.stringify({ type, ...fields })}\n`);
  } else if (event.type === 'damage') {
    output.write(`${style('red', 'damaged')} ${prefix}${findingLine(toFinding(event.details))}\n`);
  } else if (event.type === 'note') {
    const of = prefix === '' ? '' : `${prefix}: `;
    output.write(`${style('yellow', 'note')} ${of}${escapeText(event.message)}\n`);
  }
}

interface Summary {
  readonly path: string;
  readonly options: VerifyVerbOptions;
  readonly totals: Totals;
  readonly durationMs: number;
}

function writeSummary(context: CommandContext, summary: Summary): void {
  const { path, options, totals, durationMs } = summary;
  const { output, style } = context;
  const { damage, gaps, notes, segmentCount, batchCount, recordCount, sizeBytes } = totals;
  const { producedCount, fingerprintedCount, tableCount } = totals;
  const { rewrittenSegmentCount, removedCount } = totals;
  const lost = { gapCount: gaps.length, gapOffsetCount: countOffsets(gaps) };
  const isSound = damage.length === 0;
  if (options.json === true || options.ndjson === true) {
    const batches = { batchCount, producedCount, fingerprintedCount, tableCount };
    const rewritten = { rewrittenSegmentCount, removedCount };
    const records = { ...batches, recordCount, ...rewritten, sizeBytes };
    const counts = { isSound, segmentCount, ...records, ...lost };
    const time = { durationMs: Math.round(durationMs) };
    const document =
      options.json === true
        ? { path, ...counts, ...time, damage, notes }
        : { type: 'summary', path, ...counts, damageCount: damage.length, ...time };
    output.write(`${JSON.stringify(document)}\n`);
    return;
  }
  const verdict = isSound
    ? style('green', 'sound')
    : style('red', formatPlural(damage.length, 'damaged place'));
  output.write(
    `${verdict}: ${formatPlural(segmentCount, 'segment')}, ${formatPlural(batchCount, 'batch')}` +
      `${taggedOf(totals)}, ` +
      `${formatPlural(recordCount, 'record')}${removedOf(totals)}, ` +
      `${formatBytes(sizeBytes)}${gapsOf(lost)} ` +
      `in ${formatDuration(durationMs)}\n`,
  );
}

/** ` (3 of producers, 2 with ids, 1 table of ids)`: where exactly once rests on what batches say. */
function taggedOf({ producedCount, fingerprintedCount, tableCount }: Totals): string {
  const parts: string[] = [];
  if (producedCount > 0) parts.push(`${formatCount(producedCount)} of producers`);
  if (fingerprintedCount > 0) parts.push(`${formatCount(fingerprintedCount)} with ids`);
  if (tableCount > 0) parts.push(`${formatPlural(tableCount, 'table')} of ids`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** ` (700 compacted away in 3 segments)`. */
function removedOf({ rewrittenSegmentCount, removedCount }: Totals): string {
  if (rewrittenSegmentCount === 0) return '';
  const segments = formatPlural(rewrittenSegmentCount, 'segment');
  return ` (${formatCount(removedCount)} compacted away in ${segments})`;
}

/** `, 3 gaps of 1,500 offsets`: what repairs gave up is no damage, and not to be forgotten. */
function gapsOf(lost: { readonly gapCount: number; readonly gapOffsetCount: number }): string {
  if (lost.gapCount === 0) return '';
  return `, ${formatPlural(lost.gapCount, 'gap')} of ${formatPlural(lost.gapOffsetCount, 'offset')}`;
}
