/** `varve repair <dir>`: says what a damaged log has lost, and makes the rest whole again. */
import { basename, join } from 'node:path';
import { Option } from 'commander';
import { LockedError } from '../../src/index.ts';
import { QUARANTINE_DIRECTORY } from '../../src/format/file-names.ts';
import { repairLog, type RepairReport } from '../../src/log/repair-log.ts';
import { AtomicFile } from '../atomic-file.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  countOffsets,
  findingLine,
  lostLine,
  toFinding,
  toLostRange,
  type Finding,
  type LostRange,
} from '../finding.ts';
import { WRITER_FILES } from '../help-text.ts';
import { checkCopyTarget, copyLog } from '../log-copy.ts';
import { isJournal, readLogFiles } from '../log-files.ts';
import { checkReadablePath } from '../log-path.ts';
import { listQuarantine, pruneQuarantine, type KeptFile } from '../quarantine-files.ts';
import { journalPath } from '../store-access.ts';
import { formatBytes, formatCount, formatPlural } from '../units.ts';
import { runJournalRepair } from './repair-journal.ts';

interface RepairVerbOptions {
  readonly yes?: true;
  readonly to?: string;
  readonly gaps?: string;
  readonly pruneQuarantine?: true;
  readonly journal?: true;
  readonly adopt?: true;
  readonly json?: true;
}

const NOTES = `Without --yes it is a dry run: the same repair, whose writes stay in memory. It prints
  damaged  a place that is not as it was written: file, byte, offsets, reason
  lost     offsets whose records cannot be read any more; a gap batch will stand for them
  gap      offsets that were lost before: gap batches of earlier repairs, also of a killed one
  cut      a torn tail: bytes of a last write that was never acknowledged as synced
  kept     a file in quarantine/ with the bytes that are replaced or cut off (a dry run: would keep);
           also the index of a segment, which is made again when it is read
A record that is not damaged keeps its offset and its bytes. After --yes, varve verify finds nothing,
the log can be appended to, and readers pass over the gaps. It may be killed at any step and run
again. Copy the directory first (or use --to) if you want to try other ways to rescue what is lost.

With --journal, <dir> is a store that opens read-only because its journal is damaged. It prints
  lost     entries of the journal that nobody can read any more: what they changed is not known
  misfits  entries that do not fit what is left, as the deletion of a topic whose creation is lost
  order    a topic whose partitions were put in the order of their directories
  unknown  a topic, or partitions, with files and without an entry; --adopt takes them up, with the
           default options (varve topics ls shows them)
  holds    what each partition holds, and what is left of the journal names of it
What else is left counts, also behind the damage. After --yes the store opens for writing.`;

export const repairVerb: Verb<RepairVerbOptions> = {
  name: 'repair',
  summary: 'say what damage costs; with --yes replace it by gaps',
  description:
    'Say what a damaged log has lost, and with --yes make the rest whole again: damaged places\n' +
    'become gaps, a torn tail is cut off, and the bytes go to quarantine/ first.',
  argument: { name: '<dir>', description: 'the log; with --journal the store' },
  options: [
    new Option('--yes', 'do it (default: a dry run that changes nothing)'),
    new Option('--to <dir>', 'repair a copy in a new directory; the log itself is only read'),
    new Option(
      '--gaps <file>',
      'also write all lost ranges to a file, as JSON lines; "lost" is "now" or "before"',
    ),
    new Option(
      '--prune-quarantine',
      'instead of a repair: delete what is kept in quarantine/; without --yes, list it',
    ).conflicts(['to', 'gaps']),
    new Option('--journal', 'of a store: repair its journal').conflicts([
      'to',
      'gaps',
      'pruneQuarantine',
    ]),
    new Option('--adopt', 'with --journal: take up topics and partitions that no entry knows'),
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'Refused with exit 5, also without --yes: stop the writer first. varve verify and\n' +
      'varve cat --on-corruption skip work beside it.',
    exitCodes: {
      0: 'Nothing is damaged; or --yes, and the log is whole again.',
      1: true,
      2: true,
      3: true,
      4: 'Dry run: damage was found and nothing was changed. --yes: it cannot be repaired.',
      5: true,
      130: 'Stopped by Ctrl-C; run it again.',
    },
    files: WRITER_FILES,
    seeAlso: ['verify', 'export', 'cat'],
    examples: [
      { command: 'varve repair ./numbers', does: 'what is lost? changes nothing' },
      {
        command: 'varve repair ./numbers --yes --gaps lost.ndjson',
        does: 'repair, and keep the list',
      },
      {
        command: 'varve repair ./store --journal',
        does: 'a store whose journal is damaged: what is lost?',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: RepairVerbOptions,
): Promise<ExitCode> {
  if (options.journal === true) {
    const journal = await journalPath(path);
    await checkQuiet(journal, options);
    return runJournalRepair(context, path, options);
  }
  if (options.adopt === true) throw new UsageError('--adopt goes with --journal');
  await checkReadablePath(path);
  if (options.pruneQuarantine === true) return prune(context, path, options);
  await checkQuiet(path, options);
  await checkNoJournal(path, options);
  if (options.to !== undefined) await checkCopyTarget(options.to);
  // Before anything is changed: a list that cannot be written must not cost the account.
  const list = options.gaps === undefined ? null : await AtomicFile.create(options.gaps);
  try {
    const outcome = outcomeOf(await repair(context, path, options), path, options);
    await list?.write(outcome.gaps.map((gap) => `${JSON.stringify(gap)}\n`).join(''));
    await printAndKeep(context, { outcome, list, options });
    return outcome.isDryRun && outcome.damage.length > 0 ? ExitCode.corrupt : ExitCode.ok;
  } catch (error) {
    await list?.discard().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}

interface Account {
  readonly outcome: Outcome;
  readonly list: AtomicFile | null;
  readonly options: RepairVerbOptions;
}

/** Neither a list that cannot get its name nor a reader who left costs the other its account. */
async function printAndKeep(
  context: CommandContext,
  { outcome, list, options }: Account,
): Promise<void> {
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeText(context, outcome, options);
  try {
    await context.output.drain();
  } finally {
    await list?.commit();
  }
}

/**
 * A dry run beside a writer would take its last write for a torn tail, and so would a copy. Whether
 * an owner lives that cannot be seen, only the lock finds out, which a repair in place takes.
 */
async function checkQuiet(path: string, { yes, to }: RepairVerbOptions): Promise<void> {
  const { lock } = await readLogFiles(path);
  const takesLock = yes === true && to === undefined;
  if (lock.state === 'free' || (lock.state === 'unknown' && takesLock)) return;
  throw new CommandError(
    ExitCode.locked,
    new LockedError({ path, holder: lock.holder }).message,
    'stop the writer first; varve verify and varve cat --on-corruption skip work beside it',
  );
}

/** A store that lost entries would open, without what they said: a topic, a position, a commit. */
async function checkNoJournal(path: string, { yes, to }: RepairVerbOptions): Promise<void> {
  if (yes !== true || to !== undefined || !(await isJournal(path))) return;
  throw new CommandError(
    ExitCode.failure,
    `${path} is the journal of a store: a gap in it would be a change that nobody misses`,
    'varve repair <store> --journal repairs it; --to <dir> repairs a copy',
  );
}

async function repair(
  context: CommandContext,
  path: string,
  { yes, to }: RepairVerbOptions,
): Promise<RepairReport> {
  const { signal } = context;
  const { segments, sizeBytes } = await readLogFiles(path);
  const size = `${formatBytes(sizeBytes)} in ${formatPlural(segments.length, 'segment')}`;
  context.note(`reading ${size}`);
  if (yes !== true) return repairLog(path, { dryRun: true, signal });
  if (to === undefined) return repairLog(path, { signal });
  return inDirectory(
    to,
    await copyLog(path, to, (copy) => repairLog(copy, { signal, isCopy: true })),
  );
}

/** The report of a repair whose directory was renamed to `directory` afterwards. */
function inDirectory(directory: string, report: RepairReport): RepairReport {
  const rename = <T extends { readonly file: string }>(at: T): T => ({
    ...at,
    file: join(directory, basename(at.file)),
  });
  return {
    ...report,
    damage: report.damage.map(rename),
    gaps: report.gaps.map(rename),
    earlierGaps: report.earlierGaps.map(rename),
    quarantined: report.quarantined.map(({ path, sizeBytes }) => ({
      path: join(directory, QUARANTINE_DIRECTORY, basename(path)),
      sizeBytes,
    })),
  };
}

/** Whether this repair gave a range up, or it was a gap already. */
interface Gap extends LostRange {
  readonly lost: 'now' | 'before';
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  /** The log that is whole now, or would be. */
  readonly path: string;
  readonly isDryRun: boolean;
  readonly damage: readonly Finding[];
  /** All of the log, in offset order. */
  readonly gaps: readonly Gap[];
  /** In gaps of this repair. */
  readonly lostOffsetCount: number;
  /** In gaps that were there before. */
  readonly lostBeforeOffsetCount: number;
  readonly cutBytes: number;
  readonly quarantined: readonly KeptFile[];
  readonly startOffset: number;
  readonly endOffset: number;
  readonly notes: readonly string[];
}

function outcomeOf(report: RepairReport, path: string, options: RepairVerbOptions): Outcome {
  const { cutBytes, quarantined, startOffset, endOffset, notes } = report;
  const now = report.gaps.map((gap) => ({ ...toLostRange(gap), lost: 'now' as const }));
  const before = report.earlierGaps.map((gap) => ({
    ...toLostRange(gap),
    lost: 'before' as const,
  }));
  return {
    path: options.to ?? path,
    isDryRun: options.yes !== true,
    damage: report.damage.map(toFinding),
    gaps: [...before, ...now].toSorted((one, other) => one.firstOffset - other.firstOffset),
    lostOffsetCount: countOffsets(now),
    lostBeforeOffsetCount: countOffsets(before),
    cutBytes,
    quarantined,
    startOffset,
    endOffset,
    notes,
  };
}

function writeText(
  { output, style }: CommandContext,
  outcome: Outcome,
  { to }: RepairVerbOptions,
): void {
  const { damage, gaps, cutBytes, quarantined } = outcome;
  for (const finding of damage)
    output.write(`${style('red', 'damaged')} ${findingLine(finding)}\n`);
  for (const gap of gaps) {
    const label = gap.lost === 'now' ? `${style('red', 'lost')}   ` : 'gap    ';
    output.write(`${label} ${lostLine(gap)}${gap.lost === 'now' ? '' : ', lost before'}\n`);
  }
  if (cutBytes > 0) {
    const size = formatBytes(cutBytes);
    output.write(
      `${style('yellow', 'cut')}     ${size} of a torn tail, never acknowledged as synced\n`,
    );
  }
  const label = outcome.isDryRun ? 'would keep ' : 'kept    ';
  for (const { path, sizeBytes } of quarantined) {
    output.write(`${label}quarantine/${escapeText(basename(path))}, ${formatBytes(sizeBytes)}\n`);
  }
  output.write(`${verdict(outcome, to !== undefined)}\n`);
}

function verdict(outcome: Outcome, isCopy: boolean): string {
  const { path, isDryRun, damage, cutBytes, startOffset, endOffset } = outcome;
  const { lostOffsetCount, lostBeforeOffsetCount } = outcome;
  const all = formatPlural(endOffset - startOffset, 'offset');
  const before =
    lostBeforeOffsetCount === 0 ? '' : `, ${formatCount(lostBeforeOffsetCount)} were lost before`;
  if (damage.length === 0 && cutBytes === 0) {
    const copied = isCopy && !isDryRun ? `; copied to ${escapeText(path)}` : '';
    return `nothing to repair: ${all}${before === '' ? ', all readable' : before}${copied}`;
  }
  const lost = `${formatCount(lostOffsetCount)} of ${all}`;
  if (!isDryRun) return `repaired: ${lost} lost${before}; ${escapeText(path)} is whole again`;
  return `${lost} would be lost${before}; nothing was changed, --yes repairs`;
}

async function prune(
  { output }: CommandContext,
  path: string,
  options: RepairVerbOptions,
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const files = isDryRun ? await listQuarantine(path) : await pruneQuarantine(path);
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  if (options.json === true) {
    output.write(`${JSON.stringify({ path, isDryRun, files, sizeBytes })}\n`);
    return ExitCode.ok;
  }
  const done = isDryRun ? 'would delete' : 'deleted';
  for (const file of files) {
    output.write(`${done} ${escapeText(basename(file.path))}, ${formatBytes(file.sizeBytes)}\n`);
  }
  const total = `${formatPlural(files.length, 'file')}, ${formatBytes(sizeBytes)}`;
  output.write(`${total}${isDryRun ? '; nothing was changed, --yes deletes' : ' deleted'}\n`);
  return ExitCode.ok;
}
