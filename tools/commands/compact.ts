/** `varve compact <dir> [topic]`: of each key the last record; a dry run unless `--yes`. */
import { InvalidArgumentError, Option } from 'commander';
import { toError } from '../../src/core/abort.ts';
import {
  COMPACTION_BYTES_PER_SECOND_MIN,
  COMPACTION_MAP_BYTES_LIMIT,
  COMPACTION_MAP_BYTES_MIN,
} from '../../src/core/limits.ts';
import { OwnerError } from '../../src/store/owner-error.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { describeFailure, UsageError } from '../command-error.ts';
import { compactLog, compactTopics, type Compacted } from '../compaction-job.ts';
import { compactionSummary, compactionTable, type CompactedPartition } from '../compaction-text.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { WRITER_FILES } from '../help-text.ts';
import { checkReadablePath, classifyPath } from '../log-path.ts';
import { parseBytesOption, parseCount, parseDurationOption } from '../ranges.ts';

interface CompactVerbOptions {
  readonly partition?: number;
  readonly yes?: true;
  readonly rate?: number;
  readonly map?: number;
  readonly key?: true;
  readonly compactionLagMin?: number;
  readonly tombstoneRetention?: number;
  readonly json?: true;
}

const NOTES = `A topic that is made or altered with --compaction key is compacted by itself. This is for who does not
want to wait for that, or wants to know what it comes to. Records that stay keep their offsets.
  superseded  records that go, for a later one of the same key stays
  tombstones  how many deletions go of those that there are: each stays for a time, when what it
              deletes is gone, so that whoever reads from the start learns of it
  up to       where it ends, because of: the newest segment is left alone; not synced; too young
              (--compaction-lag-min); still needed, by a copy that is on its way, a window of ids, a
              producer; damage
The log of a bare directory has stored nothing of its options: --key says that it is to be compacted, and
--compaction-lag-min and --tombstone-retention should be what the program gives that writes to it.
It may be stopped or killed at any time: segments are replaced one by one, each is whole.`;

export const compactVerb: Verb<CompactVerbOptions> = {
  description:
    'Compact a log, a topic, or all topics of a store that are: of each key the last record stays.',
  argument: { description: 'the store, or a log of its own' },
  moreArguments: [{ description: 'the name of the topic (default: all that are compacted)' }],
  options: [
    new Option('--partition <number>', 'of the topic, only this one (default: all)').argParser(
      parseCount,
    ),
    YES_OPTION,
    new Option(
      '--rate <bytes>',
      'bytes read and written per second, such as 64MiB (default: as fast as it goes)',
    ).argParser(parseRate),
    new Option(
      '--map <bytes>',
      'memory for keys, 1MiB to 1GiB (default: 128MiB, for ten million keys in one pass)',
    ).argParser(parseMap),
    new Option('--key', 'of a log of its own: compact it by key'),
    new Option(
      '--compaction-lag-min <duration>',
      'of a log of its own: leave files alone that got a record within this time (default: 0)',
    ).argParser(parseDurationOption),
    new Option(
      '--tombstone-retention <duration>',
      'of a log of its own: how long a deletion stays (default: 1d)',
    ).argParser(parseDurationOption),
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'A dry run works beside a writer. With --yes the verb takes the lock of a log: exit 5 while\n' +
      'somebody else has it. Of a store that a process has open, that process does it, through\n' +
      'control.sock, and goes on with it also when the verb is killed.',
    exitCodes: {
      0: 'Compacted, or there is nothing to do; or a dry run.',
      1: true,
      2: true,
      3: true,
      4: 'Damage was found: what lies in front of it was compacted, or would be.',
      5: true,
      130: 'Stopped by Ctrl-C, between two segments: what was rewritten stays.',
    },
    files: { ...WRITER_FILES, '<dir>/*.log.tmp': 'a segment that is being rewritten' },
    seeAlso: ['topics alter', 'retention run', 'verify', 'info'],
    examples: [
      { command: 'varve compact ./store last-flight', does: 'what would it free?' },
      { command: 'varve compact ./store last-flight --yes --rate 64MiB', does: 'do it, gently' },
      { command: 'varve compact ./positions --key --yes', does: 'a log of its own' },
    ],
  },
  run,
};

function parseRate(text: string): number {
  const bytes = parseBytesOption(text);
  if (bytes >= COMPACTION_BYTES_PER_SECOND_MIN) return bytes;
  throw new InvalidArgumentError('Expected at least 64KiB.');
}

function parseMap(text: string): number {
  const bytes = parseBytesOption(text);
  if (bytes >= COMPACTION_MAP_BYTES_MIN && bytes <= COMPACTION_MAP_BYTES_LIMIT) return bytes;
  throw new InvalidArgumentError('Expected 1MiB to 1GiB.');
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  /** Null = all that are compacted, or a log of its own. */
  readonly topic: string | null;
  readonly isDryRun: boolean;
  /** Whether it ended before its time: then partitions may be missing. */
  readonly isStopped: boolean;
  /** Those that came to their end, or failed. */
  readonly partitions: readonly CompactedPartition[];
}

async function run(
  context: CommandContext,
  path: string,
  options: CompactVerbOptions,
  [topic]: readonly string[],
): Promise<ExitCode> {
  const isStore = (await classifyPath(path)) === 'store';
  const isDryRun = options.yes !== true;
  const { rate: bytesPerSecondMax = null, map: mapBytesMax } = options;
  const wish = { isDryRun, bytesPerSecondMax, mapBytesMax };
  let compacted: Compacted;
  if (isStore) {
    checkStoreOptions(options, topic);
    const { partition } = options;
    compacted = await compactTopics(context, path, { ...wish, topic, partition });
  } else {
    await checkReadablePath(path);
    checkLogOptions(path, options, topic);
    const { compactionLagMin, tombstoneRetention } = options;
    const own = { compactionLagMsMin: compactionLagMin, tombstoneRetentionMs: tombstoneRetention };
    compacted = await compactLog(context, path, { ...wish, ...own });
  }
  const { partitions, stoppedBy } = compacted;
  const isStopped = stoppedBy !== null;
  const outcome: Outcome = { path, topic: topic ?? null, isDryRun, isStopped, partitions };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome, isStore && topic === undefined));
  const exitCode = exitCodeOf(context, outcome);
  if (!isStopped) return exitCode;
  if (context.signal.aborted) return ExitCode.interrupted;
  throw toError(stoppedBy);
}

/** @throws UsageError */
function checkStoreOptions(options: CompactVerbOptions, topic: string | undefined): void {
  const { key, compactionLagMin, tombstoneRetention, partition } = options;
  if (partition !== undefined && topic === undefined) {
    throw new UsageError('--partition needs the name of a topic');
  }
  const hint = 'varve topics alter changes those of a topic';
  if (key !== undefined) throw new UsageError('--key is for a log of its own', hint);
  if (compactionLagMin === undefined && tombstoneRetention === undefined) return;
  const name = compactionLagMin === undefined ? 'tombstone-retention' : 'compaction-lag-min';
  throw new UsageError(`--${name} is for a log of its own`, hint);
}

/** @throws UsageError */
function checkLogOptions(
  path: string,
  { key, partition }: CompactVerbOptions,
  topic: string | undefined,
): void {
  if (topic !== undefined || partition !== undefined) {
    throw new UsageError(`${path} is a log of its own: it has no topics, and no partitions`);
  }
  if (key === true) return;
  throw new UsageError(
    `${path} is a log of its own: whether it is compacted is not stored there`,
    '--key has it keep the last record of each key, and lose the others for good',
  );
}

function textOf(
  { path, topic, isDryRun, isStopped, partitions }: Outcome,
  isOfAll: boolean,
): string {
  if (isOfAll && partitions.length === 0 && !isStopped) {
    return `no topic of ${escapeText(path)} is compacted: nothing was changed\n`;
  }
  if (partitions.every(({ result }) => result === null)) return '';
  const table = compactionTable(partitions, topic === null && isOfAll);
  return `${table}${compactionSummary(partitions, { isDryRun, isStopped })}`;
}

/** By the code of the error. */
const HINTS: Readonly<Record<string, string>> = {
  ERR_VARVE_CORRUPT: 'varve verify <dir> lists all damage',
  ERR_VARVE_DISK_FULL: 'free some space, and run it again; without --yes it says how much it needs',
};

/** Says what went wrong with which partition. */
function exitCodeOf(context: CommandContext, { isDryRun, partitions }: Outcome): ExitCode {
  let exitCode: ExitCode = ExitCode.ok;
  const hints = new Set<string>();
  for (const { topic, partition, result, error } of partitions) {
    const name = topic === null ? '' : `${topic}/${partition}: `;
    if (error !== null) {
      context.warn(`${name}${error.message}`);
      const { code } = error;
      const failure = describeFailure(new OwnerError(error.message, { code, details: null }));
      if (exitCode === ExitCode.ok) exitCode = failure.exitCode;
      const hint = HINTS[code ?? ''];
      if (hint !== undefined) hints.add(hint);
    } else if (result?.limitedBy === 'damage') {
      context.warn(`${name}damaged behind offset ${result.limitOffset}; varve verify says where`);
      if (exitCode === ExitCode.ok) exitCode = ExitCode.corrupt;
    }
  }
  const stays = isDryRun ? '' : 'what was rewritten stays; ';
  for (const hint of hints) context.warn(`hint: ${stays}${hint}`);
  return exitCode;
}
