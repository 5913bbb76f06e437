/** What a repair of a log did, or would do, as `repair` prints it. */
import { basename, join } from 'node:path';
import { QUARANTINE_DIRECTORY } from '../src/format/file-names.ts';
import type { RepairReport } from '../src/log/repair-log.ts';
import { AtomicFile } from './atomic-file.ts';
import type { CommandContext } from './command.ts';
import { escapeText } from './escape-text.ts';
import type { ExitCode } from './exit-codes.ts';
import {
  countOffsets,
  findingLine,
  lostLine,
  toFinding,
  toLostRange,
  type Finding,
  type LostRange,
} from './finding.ts';
import type { KeptFile } from './quarantine-files.ts';
import { formatBytes, formatCount, formatPlural } from './units.ts';

/** The report of a repair whose directory was renamed to `directory` afterwards. */
export function inDirectory(directory: string, report: RepairReport): RepairReport {
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
export interface Gap extends LostRange {
  readonly lost: 'now' | 'before';
}

/** What `--json` prints; the keys are a documented contract. */
export interface RepairOutcome {
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

export function outcomeOf(
  report: RepairReport,
  { path, isDryRun }: Pick<RepairOutcome, 'path' | 'isDryRun'>,
): RepairOutcome {
  const { cutBytes, quarantined, startOffset, endOffset, notes } = report;
  const now = report.gaps.map((gap) => ({ ...toLostRange(gap), lost: 'now' as const }));
  const before = report.earlierGaps.map((gap) => ({
    ...toLostRange(gap),
    lost: 'before' as const,
  }));
  return {
    path,
    isDryRun,
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

export function writeOutcome(
  { output, style }: CommandContext,
  outcome: RepairOutcome,
  isCopy: boolean,
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
  output.write(`${verdict(outcome, isCopy)}\n`);
}

function verdict(outcome: RepairOutcome, isCopy: boolean): string {
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

/** What came of a repair of one log, or of several. */
export interface RepairAccount {
  /** For the file of `--gaps`. */
  readonly gaps: readonly Gap[];
  /** Prints what is not printed yet. */
  readonly write: () => void;
  readonly exitCode: ExitCode;
}

/** Repairs, gives the account of it, and writes the list of `--gaps` when there is to be one. */
export async function giveAccount(
  context: CommandContext,
  file: string | undefined,
  repair: () => Promise<RepairAccount>,
): Promise<ExitCode> {
  // Before anything is changed: a list that cannot be written must not cost the account.
  const list = file === undefined ? null : await AtomicFile.create(file);
  try {
    const { gaps, write, exitCode } = await repair();
    await list?.write(gaps.map((gap) => `${JSON.stringify(gap)}\n`).join(''));
    write();
    // Neither a list that cannot get its name nor a reader who left costs the other its account.
    try {
      await context.output.drain();
    } finally {
      await list?.commit();
    }
    return exitCode;
  } catch (error) {
    await list?.discard().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}
