/** `varve repair <store>`: each damaged log of a store, or of a topic, in turn. */
import { relative } from 'node:path';
import { JOURNAL_DIRECTORY } from '../../src/format/file-names.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { OverlayFileSystem } from '../../src/io/overlay-file-system.ts';
import { repairLog, type RepairReport } from '../../src/log/repair-log.ts';
import { repairJournal } from '../../src/store/repair-journal.ts';
import type { CommandContext } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { listSegmentFiles } from '../log-path.ts';
import {
  giveAccount,
  outcomeOf,
  writeOutcome,
  type RepairAccount,
  type RepairOutcome,
} from '../repair-outcome.ts';
import { formatBytes, formatPlural } from '../units.ts';
import {
  isJournalDamaged,
  journalOutcomeOf,
  writeJournalOutcome,
  type JournalOutcome,
} from './repair-journal.ts';

interface StoreRepair {
  /** Of the store. */
  readonly path: string;
  /** Directories. */
  readonly logs: readonly string[];
  /** Whether it is all of the store, with its journal. */
  readonly isWhole: boolean;
  readonly options: {
    readonly yes?: true;
    readonly to?: string;
    readonly gaps?: string;
    readonly adopt?: true;
    readonly json?: true;
  };
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly isDryRun: boolean;
  /** Of partitions, also the sound ones. */
  readonly logs: readonly RepairOutcome[];
  /** Null when it was not asked for, or a new store has none yet. */
  readonly journal: JournalOutcome | null;
}

export function runStoreRepair(context: CommandContext, work: StoreRepair): Promise<ExitCode> {
  const { to, gaps } = work.options;
  if (to !== undefined) {
    throw new UsageError('--to is for one log: choose one with --topic and --partition');
  }
  return giveAccount(context, gaps, () => new StoreRepairer(context, work).run());
}

class StoreRepairer {
  readonly #context: CommandContext;
  readonly #work: StoreRepair;
  readonly #isDryRun: boolean;
  /** In a dry run each log that is damaged lies on top, repaired: the journal's repair opens some. */
  #fileSystem: FileSystem = nodeFileSystem;

  constructor(context: CommandContext, work: StoreRepair) {
    this.#context = context;
    this.#work = work;
    this.#isDryRun = work.options.yes !== true;
  }

  async run(): Promise<RepairAccount> {
    const { path, isWhole } = this.#work;
    const isDryRun = this.#isDryRun;
    const partitions = this.#work.logs.filter((log) => relative(path, log) !== JOURNAL_DIRECTORY);
    const hasJournal = partitions.length < this.#work.logs.length;
    if (isWhole && !hasJournal && partitions.length > 0) throw noJournal(path);
    const segments = (await Promise.all(this.#work.logs.map(listSegmentFiles))).flat();
    const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
    const size = `${formatBytes(sizeBytes)} in ${formatPlural(segments.length, 'segment')}`;
    this.#context.note(`reading ${size} of ${formatPlural(this.#work.logs.length, 'log')}`);
    const logs: RepairOutcome[] = [];
    for (const log of partitions) {
      const outcome = outcomeOf(await this.#repairLog(log), { path: log, isDryRun });
      this.#tell(log, hasNews(outcome), () => writeOutcome(this.#context, outcome, false));
      await this.#context.output.drain();
      logs.push(outcome);
    }
    const journal = hasJournal ? await this.#repairJournal() : null;
    return this.#account({ path, isDryRun, logs, journal });
  }

  /** Tries it out first: what is sound is not written to. */
  async #repairLog(log: string): Promise<RepairReport> {
    const { signal } = this.#context;
    const trial = new OverlayFileSystem(this.#fileSystem);
    const report = await repairLog(log, { fileSystem: trial, signal });
    if (!isToRepair(report)) return report;
    if (!this.#isDryRun) return repairLog(log, { signal });
    this.#fileSystem = trial;
    return report;
  }

  async #repairJournal(): Promise<JournalOutcome> {
    const { path, options } = this.#work;
    const isDryRun = this.#isDryRun;
    const { signal } = this.#context;
    const { adopt } = options;
    const fileSystem = new OverlayFileSystem(this.#fileSystem);
    let report = await repairJournal(path, { fileSystem, adopt, signal });
    let outcome = journalOutcomeOf(report, { path, isDryRun });
    if (!isDryRun && isJournalToRepair(outcome)) {
      report = await repairJournal(path, { adopt, signal });
      outcome = journalOutcomeOf(report, { path, isDryRun });
    }
    const isNews = isJournalToRepair(outcome) || outcome.unknown.length > 0;
    this.#tell(JOURNAL_DIRECTORY, isNews, () => writeJournalOutcome(this.#context, outcome));
    return outcome;
  }

  /** A block with the place of a log as its title. */
  #tell(log: string, isNews: boolean, write: () => void): void {
    if (!isNews || this.#work.options.json === true) return;
    this.#context.output.write(`${escapeText(this.#placeOf(log))}:\n`);
    write();
    this.#context.output.write('\n');
  }

  #placeOf(log: string): string {
    return log === JOURNAL_DIRECTORY ? log : relative(this.#work.path, log);
  }

  #account(outcome: Outcome): RepairAccount {
    const { logs, journal, isDryRun } = outcome;
    const hasLost = journal !== null && isJournalDamaged(journal);
    const isDamaged = hasLost || logs.some(({ damage }) => damage.length > 0);
    const isJournalRepaired = journal !== null && isJournalToRepair(journal);
    const repaired = logs.filter(isToRepair).length + (isJournalRepaired ? 1 : 0);
    const count = logs.length + (journal === null ? 0 : 1);
    const write = (): void => {
      const { json } = this.#work.options;
      const text = json === true ? JSON.stringify(outcome) : verdict(isDryRun, repaired, count);
      this.#context.output.write(`${text}\n`);
    };
    const exitCode = isDryRun && isDamaged ? ExitCode.corrupt : ExitCode.ok;
    return { gaps: logs.flatMap(({ gaps }) => gaps), write, exitCode };
  }
}

/** Also for a torn tail, which the next opening would cut off by itself. */
function isToRepair({ damage, cutBytes }: Found): boolean {
  return damage.length > 0 || cutBytes > 0;
}

function isJournalToRepair(outcome: JournalOutcome): boolean {
  return isJournalDamaged(outcome) || outcome.unknown.some(({ isAdopted }) => isAdopted);
}

interface Found {
  readonly damage: readonly unknown[];
  readonly cutBytes: number;
}

function hasNews(outcome: RepairOutcome): boolean {
  return isToRepair(outcome) || outcome.gaps.length > 0;
}

function noJournal(path: string): CommandError {
  return new CommandError(
    ExitCode.corrupt,
    `the journal of ${path} is gone, and nothing can make it again`,
    'varve ls lists the directories of its logs: cat, export and repair take them one by one',
  );
}

function verdict(isDryRun: boolean, repaired: number, count: number): string {
  const logs = formatPlural(count, 'log');
  if (repaired === 0) return `nothing to repair in ${logs}`;
  if (isDryRun)
    return `${repaired} of ${logs} would be repaired; nothing was changed, --yes repairs`;
  return `repaired ${repaired} of ${logs}`;
}
