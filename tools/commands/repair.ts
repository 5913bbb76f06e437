/** `varve repair <dir>`: says what a damaged log has lost, and makes the rest whole again. */
import { basename, relative } from 'node:path';
import { Option } from 'commander';
import { LockedError } from '../../src/index.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { repairLog, type RepairReport } from '../../src/log/repair-log.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { WRITER_FILES } from '../help-text.ts';
import { checkCopyTarget, copyLog } from '../log-copy.ts';
import { isJournal, lockDirectoryOf, readLogFiles } from '../log-files.ts';
import { checkReadablePath, classifyPath } from '../log-path.ts';
import { listQuarantine, pruneQuarantine, type KeptFile } from '../quarantine-files.ts';
import { PARTITION_OPTIONS, type PartitionChoice } from '../record-logs.ts';
import { giveAccount, inDirectory, outcomeOf, writeOutcome } from '../repair-outcome.ts';
import { journalPath } from '../store-access.ts';
import { allLogs, chooseLogs } from '../store-logs.ts';
import { formatBytes, formatPlural } from '../units.ts';
import { runJournalRepair } from './repair-journal.ts';
import { runStoreRepair } from './repair-store.ts';

interface RepairVerbOptions extends PartitionChoice {
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

Of a store it takes the partitions one after the other, then the journal, as --journal does, and writes
to those alone that are damaged: each of them is tried out first. --gaps lists the offsets of all
partitions; --to is for one log. --journal is for the journal alone.

Of the journal of a store, which opens read-only when it is damaged, it prints
  lost     entries of the journal that nobody can read any more: what they changed is not known
  misfits  entries that do not fit what is left, as the deletion of a topic whose creation is lost
  order    a topic whose partitions were put in the order of their directories
  unknown  a topic, or partitions, with files and without an entry; --adopt takes them up, with the
           default options (varve topics ls shows them)
  holds    what each partition holds, and what is left of the journal names of it
What else is left counts, also behind the damage. After --yes the store opens for writing.`;

export const repairVerb: Verb<RepairVerbOptions> = {
  description:
    'Say what a damaged log has lost, and with --yes make the rest whole again: damaged places\n' +
    'become gaps, a torn tail is cut off, and the bytes go to quarantine/ first. Of a store: each of its\n' +
    'logs that is damaged, with --topic those of a topic.',
  argument: { description: 'the log, or the store' },
  options: [
    ...PARTITION_OPTIONS,
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
      'topic',
      'partition',
    ]),
    new Option(
      '--adopt',
      'of a store: take up topics and partitions that no entry of its journal knows',
    ),
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
        command: 'varve repair ./store --topic orders --partition 2',
        does: 'a log of a store; without --topic, all that are damaged, and the journal',
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
  const chosen = await chooseLogs(context, path, options);
  const isStore = chosen === null && (await classifyPath(path)) === 'store';
  if (options.adopt === true && (!isStore || options.pruneQuarantine === true)) {
    throw new UsageError('--adopt is for a journal: it goes with --journal, or a store');
  }
  const logs = isStore ? await allLogs(context, path) : (chosen?.map((log) => log.path) ?? [path]);
  if (chosen === null && !isStore) await checkReadablePath(path);
  if (options.pruneQuarantine === true) return prune(context, { path, logs }, options);
  await checkQuiet(path, options);
  const [log, ...others] = logs;
  if (isStore || log === undefined || others.length > 0) {
    return runStoreRepair(context, { path, logs, isWhole: isStore, options });
  }
  return repairOne(context, log, options);
}

async function repairOne(
  context: CommandContext,
  path: string,
  options: RepairVerbOptions,
): Promise<ExitCode> {
  const { to, gaps: list, json } = options;
  await checkNoJournal(path, options);
  if (to !== undefined) await checkCopyTarget(to);
  return giveAccount(context, list, async () => {
    const report = await repair(context, path, options);
    const outcome = outcomeOf(report, { path: to ?? path, isDryRun: options.yes !== true });
    const write = (): void => {
      if (json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
      else writeOutcome(context, outcome, to !== undefined);
    };
    const isFound = outcome.isDryRun && outcome.damage.length > 0;
    return { gaps: outcome.gaps, write, exitCode: isFound ? ExitCode.corrupt : ExitCode.ok };
  });
}

/**
 * A dry run beside a writer would take its last write for a torn tail, and so would a copy. Whether
 * an owner lives that cannot be seen, only the lock finds out, which a repair in place takes.
 */
async function checkQuiet(path: string, { yes, to }: RepairVerbOptions): Promise<void> {
  const { state, holder } = await nodeFileSystem.lockState(await lockDirectoryOf(path));
  const takesLock = yes === true && to === undefined;
  if (state === 'free' || (state === 'unknown' && takesLock)) return;
  throw new CommandError(
    ExitCode.locked,
    new LockedError({ path, holder }).message,
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

async function prune(
  { output }: CommandContext,
  { path, logs }: { readonly path: string; readonly logs: readonly string[] },
  options: RepairVerbOptions,
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const files: KeptFile[] = [];
  for (const log of logs) {
    files.push(...(await (isDryRun ? listQuarantine(log) : pruneQuarantine(log))));
  }
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  if (options.json === true) {
    output.write(`${JSON.stringify({ path, isDryRun, files, sizeBytes })}\n`);
    return ExitCode.ok;
  }
  const done = isDryRun ? 'would delete' : 'deleted';
  const isOne = logs.length === 1;
  for (const file of files) {
    const place = isOne ? basename(file.path) : relative(path, file.path);
    output.write(`${done} ${escapeText(place)}, ${formatBytes(file.sizeBytes)}\n`);
  }
  const total = `${formatPlural(files.length, 'file')}, ${formatBytes(sizeBytes)}`;
  output.write(`${total}${isDryRun ? '; nothing was changed, --yes deletes' : ' deleted'}\n`);
  return ExitCode.ok;
}
