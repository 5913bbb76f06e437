/** `varve repair <store> --journal`: what a damaged journal does not know any more, and the rest. */
import { basename } from 'node:path';
import {
  repairJournal,
  type JournalRepairReport,
  type RepairedPartition,
  type UnknownTopic,
} from '../../src/store/repair-journal.ts';
import type { CommandContext } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { findingLine, toFinding, type Finding } from '../finding.ts';
import type { KeptFile } from '../quarantine-files.ts';
import { formatBytes, formatPlural } from '../units.ts';

export interface JournalRepairVerbOptions {
  readonly yes?: true;
  readonly adopt?: true;
  readonly json?: true;
}

/** What `--json` prints; the keys are a documented contract. */
export interface JournalOutcome extends Pick<
  JournalRepairReport,
  'misfitCount' | 'firstMisfit' | 'reordered' | 'unknown' | 'partitions'
> {
  readonly path: string;
  readonly isDryRun: boolean;
  readonly damage: readonly Finding[];
  /** Entries that nobody can read any more. */
  readonly lost: readonly Finding[];
  readonly cutBytes: number;
  readonly quarantined: readonly KeptFile[];
}

export async function runJournalRepair(
  context: CommandContext,
  path: string,
  options: JournalRepairVerbOptions,
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const { adopt } = options;
  const { signal } = context;
  const report = await repairJournal(path, { dryRun: isDryRun, adopt, signal });
  const outcome = journalOutcomeOf(report, { path, isDryRun });
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeJournalOutcome(context, outcome);
  return isDryRun && isJournalDamaged(outcome) ? ExitCode.corrupt : ExitCode.ok;
}

export function journalOutcomeOf(
  { log, lost, ...rest }: JournalRepairReport,
  { path, isDryRun }: Pick<JournalOutcome, 'path' | 'isDryRun'>,
): JournalOutcome {
  return {
    path,
    isDryRun,
    damage: log.damage.map(toFinding),
    lost: lost.map(toFinding),
    cutBytes: log.cutBytes,
    quarantined: log.quarantined,
    ...rest,
  };
}

export function isJournalDamaged({ damage, lost }: JournalOutcome): boolean {
  return damage.length > 0 || lost.length > 0;
}

export function writeJournalOutcome(
  { output, style }: CommandContext,
  outcome: JournalOutcome,
): void {
  const { damage, lost, misfitCount, firstMisfit, reordered, isDryRun } = outcome;
  const line = (label: string, text: string): void => output.write(`${label} ${text}\n`);
  for (const finding of damage) line(style('red', 'damaged'), findingLine(finding));
  for (const finding of lost) line(style('red', 'lost'), lostText(finding));
  if (firstMisfit !== null) {
    const { offset, kind, reason } = firstMisfit;
    const first = escapeText(`the first at offset ${offset}: ${kind}: ${reason}`);
    line('misfits', `${formatPlural(misfitCount, 'entry')} that change nothing, ${first}`);
  }
  for (const name of reordered) {
    line('order', `partitions of ${escapeText(name)}: as their directories say`);
  }
  for (const unknown of outcome.unknown) line(...unknownLine(unknown, isDryRun));
  if (lost.length > 0) {
    for (const partition of outcome.partitions) line('holds', partitionText(partition));
  }
  for (const { path, sizeBytes } of outcome.quarantined) {
    const file = `journal/quarantine/${escapeText(basename(path))}`;
    line(isDryRun ? 'would keep' : 'kept', `${file}, ${formatBytes(sizeBytes)}`);
  }
  output.write(`${verdict(outcome)}\n`);
}

function lostText({ firstOffset, nextOffset, reason }: Finding): string {
  const first = firstOffset ?? 0;
  const count = (nextOffset ?? first) - first;
  const range = `entries ${first} to ${first + count - 1} (${formatPlural(count, 'entry')})`;
  return `${range}: ${escapeText(reason)}`;
}

function unknownLine(topic: UnknownTopic, isDryRun: boolean): [label: string, text: string] {
  const { directory, name, firstPartition, partitionCount, isAdopted, owedCommits } = topic;
  const what = name === null ? 'a topic' : `topic ${escapeText(name)}`;
  const from = firstPartition === 0 ? '' : ` from ${firstPartition} on`;
  const place = `topics/${escapeText(basename(directory))}`;
  const text = `${what}, ${formatPlural(partitionCount, 'partition')}${from}, in ${place}`;
  if (isAdopted) return [isDryRun ? 'would adopt' : 'adopted', text];
  const owed =
    owedCommits === 0 ? '' : `; otherwise it loses ${formatPlural(owedCommits, 'commit')}`;
  return ['unknown', `${text}: ${topic.obstacle ?? '--adopt takes it up'}${owed}`];
}

function partitionText(partition: RepairedPartition): string {
  const { topic, partition: number, syncedOffset, namedOffset } = partition;
  const place = `${escapeText(topic)}/${number}`;
  if (syncedOffset === null) return `${place}: its log is not there`;
  const named = `the journal names offsets below ${namedOffset}`;
  return `${place}: records below offset ${syncedOffset}; ${named}`;
}

function verdict(outcome: JournalOutcome): string {
  const { path, isDryRun, lost, unknown } = outcome;
  const adopted = unknown.filter(({ isAdopted }) => isAdopted).length;
  const taken = adopted === 0 ? '' : `${formatPlural(adopted, 'directory')} adopted`;
  if (!isJournalDamaged(outcome)) {
    const done = taken === '' ? 'nothing to repair: all of the journal can be read' : taken;
    return isDryRun && taken !== ''
      ? `${done}: would be; nothing was changed, --yes does it`
      : done;
  }
  const count = lost.reduce((sum, one) => sum + (one.nextOffset ?? 0) - (one.firstOffset ?? 0), 0);
  const cost = `${formatPlural(count, 'entry')} of the journal`;
  if (isDryRun) return `${cost} would be lost; nothing was changed, --yes repairs`;
  return `repaired: ${cost} lost; ${escapeText(path)} can be written to again`;
}
