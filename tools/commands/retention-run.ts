/** `varve retention run <store> [topic]`: lets go now of what is too old, too much or settled; a dry run unless `--yes`. */
import { listTopics } from '../../src/store/control-verbs.ts';
import { OwnerError } from '../../src/store/owner-error.ts';
import { runRetention, type RetentionAnswer } from '../../src/store/retention-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { describeFailure, UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { classifyPath } from '../log-path.ts';
import {
  CHANGES_STORE,
  checkStorePath,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { askForTopic, examineStore, type StoreDesk } from '../store-desk.ts';
import { relayToStore } from '../store-relay.ts';
import { formatTable, type Column } from '../table.ts';
import { formatBytes, formatCount, formatPlural } from '../units.ts';

interface RetentionRunOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `A store does this by itself: with --retention and --retention-bytes of a topic every few minutes, with
settled records of a queue every half a minute. This is for who does not want to wait, or wants to know.
  age      all records of the segment are older than --retention
  size     without the segment the partition still holds --retention-bytes
  settled  all records of the segment are settled by every group of the queue
The newest segment of a partition always stays. What is due and is still needed stays, too: for a window
of ids, for a copy that is on its way, for a producer. "unfinished" counts what groups are not done with
of what is due by age or size; "held by" says for whom it stays, where the topic says so (--unfinished).
Where the topic archives it, --yes copies it first, and says what could not be copied: "archived to"
says where to. What is leased cannot be; what of that is left when --yes comes to it stays.`;

export const retentionRunVerb: Verb<RetentionRunOptions> = {
  description:
    'Let go now of what retention lets go of: what is too old, too much, or settled. Of a topic, or of all.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the topic (default: all)' }],
  options: [YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Deleted, or nothing was due; or a dry run.',
      1: true,
      2: true,
      3: true,
      4: 'The journal, or a partition, is damaged: nothing of that one was deleted.',
      5: true,
      130: 'Stopped by Ctrl-C between two topics.',
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics alter', 'delete-records', 'topics describe'],
    examples: [
      { command: 'varve retention run ./store', does: 'what would go, of all topics?' },
      { command: 'varve retention run ./store orders --yes', does: 'do it, for one topic' },
      {
        command: "varve retention run ./store --json | jq '[.partitions[].due[].sizeBytes] | add'",
        does: 'how many bytes would be freed?',
      },
    ],
  },
  run,
};

interface TopicPartition extends RetentionAnswer {
  readonly topic: string;
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  /** Null = all of them. */
  readonly topic: string | null;
  readonly isDryRun: boolean;
  /** Whether it ended before its time: then topics are missing. */
  readonly isStopped: boolean;
  /** Also those of which nothing is due. */
  readonly partitions: readonly TopicPartition[];
}

async function run(
  context: CommandContext,
  path: string,
  options: RetentionRunOptions,
  [topic]: readonly string[],
): Promise<ExitCode> {
  await checkIsStore(path);
  const isDryRun = options.yes !== true;
  const partitions: TopicPartition[] = [];
  let isStopped = false;
  const putTo = isDryRun ? examineStore : relayToStore;
  await putTo(context, path, async (desk) => {
    partitions.length = 0;
    for (const name of await topicsOf(desk, path, topic)) {
      isStopped = context.signal.aborted;
      if (isStopped) return;
      const done = await desk.ask(runRetention, { topic: name, isDryRun });
      partitions.push(...done.map((one) => ({ topic: name, ...one })));
    }
  });
  const outcome: Outcome = { path, topic: topic ?? null, isDryRun, isStopped, partitions };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else context.output.write(textOf(outcome));
  const exitCode = tellErrors(context, partitions);
  return isStopped ? ExitCode.interrupted : exitCode;
}

/** @throws as `checkStorePath` */
async function checkIsStore(path: string): Promise<void> {
  if ((await classifyPath(path)) === 'log') {
    throw new UsageError(
      `${path} is a log of its own: who opens it says what it retains, and nothing is stored of that`,
      'varve delete-records deletes records below an offset',
    );
  }
  await checkStorePath(path);
}

async function topicsOf(
  desk: StoreDesk,
  path: string,
  topic: string | undefined,
): Promise<readonly string[]> {
  if (topic !== undefined) return [(await askForTopic(desk, path, topic)).name];
  return (await desk.ask(listTopics, {})).map(({ name }) => name);
}

/** Says what went wrong with which partition. @returns the exit code of the first */
function tellErrors(context: CommandContext, partitions: readonly TopicPartition[]): ExitCode {
  let exitCode: ExitCode = ExitCode.ok;
  for (const { topic, partition, error } of partitions) {
    if (error === null) continue;
    context.warn(`${topic}/${partition}: ${error.message}`);
    const { code } = error;
    const failure = describeFailure(new OwnerError(error.message, { code, details: null }));
    if (exitCode === ExitCode.ok) exitCode = failure.exitCode;
  }
  return exitCode;
}

function textOf(outcome: Outcome): string {
  const { topic, isDryRun, isStopped, partitions } = outcome;
  const due = partitions.flatMap((one) => one.due);
  const whose = topic === null ? '' : ` of ${escapeText(topic)}`;
  const isAll = !isStopped && partitions.every(({ error }) => error === null);
  if (due.length === 0) {
    return `nothing${whose}${isAll ? '' : ' that was looked at'} is due: nothing was changed\n`;
  }
  const segmentCount = due.reduce((sum, one) => sum + one.segmentCount, 0);
  const sizeBytes = due.reduce((sum, one) => sum + one.sizeBytes, 0);
  const segments = formatPlural(segmentCount, 'segment');
  if (isDryRun) {
    const what = `${segments}${whose}, ${formatBytes(sizeBytes)},`;
    return `${table(outcome)}${what} ${endOfDryRun(partitions)}\n`;
  }
  const deletedCount = due.reduce((sum, one) => sum + one.deletedCount, 0);
  const stays = deletedCount < segmentCount ? '; the rest is still needed, or could not go' : '';
  return `${table(outcome)}deleted ${formatCount(deletedCount)} of ${segments}${whose}${stays}\n`;
}

function endOfDryRun(partitions: readonly TopicPartition[]): string {
  if (partitions.some(({ isHeld }) => isHeld)) {
    return 'are due; nothing was changed, --yes deletes those that nobody holds by then';
  }
  const isArchived = partitions.some(({ archiveTo }) => archiveTo !== null);
  const yes = isArchived ? 'archives what is unfinished, and deletes them' : 'deletes them';
  return `would go; nothing was changed, --yes ${yes}`;
}

type DueRow = RetentionAnswer['due'][number] &
  Pick<TopicPartition, 'topic' | 'partition' | 'unfinished' | 'isHeld' | 'archiveTo'>;

interface Cell {
  readonly column: Column;
  readonly of: (row: DueRow) => string;
}

const TOPIC: Cell = { column: { title: 'topic' }, of: ({ topic }) => topic };
const DUE: readonly Cell[] = [
  { column: { title: 'partition', align: 'right' }, of: ({ partition }) => String(partition) },
  { column: { title: 'reason' }, of: ({ reason }) => reason },
  {
    column: { title: 'segments', align: 'right' },
    of: ({ segmentCount }) => formatCount(segmentCount),
  },
  { column: { title: 'bytes', align: 'right' }, of: ({ sizeBytes }) => formatBytes(sizeBytes) },
];
const DELETED: Cell = {
  column: { title: 'deleted', align: 'right' },
  of: ({ deletedCount }) => formatCount(deletedCount),
};
const UNFINISHED: readonly Cell[] = [
  { column: { title: 'unfinished' }, of: unfinishedOf },
  { column: { title: 'held by' }, of: heldBy },
];
const ARCHIVE: Cell = { column: { title: 'archived to' }, of: ({ archiveTo }) => archiveTo ?? '' };

/** `billing 3, workers 5` */
function unfinishedOf({ unfinished }: DueRow): string {
  return unfinished.map(({ group, count }) => `${group} ${formatCount(count)}`).join(', ');
}

/** Whoever needs the first record that is due. */
function heldBy({ unfinished, isHeld }: DueRow): string {
  if (!isHeld) return '';
  const first = Math.min(...unfinished.map(({ firstOffset }) => firstOffset));
  const groups = unfinished.filter(({ firstOffset }) => firstOffset === first);
  return groups.map(({ group }) => group).join(', ');
}

/** A line per partition and reason. Who has not finished stands in the first one that is not of settled records. */
function table({ topic, isDryRun, partitions }: Outcome): string {
  const rows = partitions.flatMap(({ due, unfinished, isHeld, archiveTo: to, ...of }) => {
    const first = due.find(({ reason }) => reason !== 'settled');
    return due.map((one) => {
      if (one !== first) return { ...of, ...one, unfinished: [], isHeld: false, archiveTo: null };
      return { ...of, ...one, unfinished, isHeld, archiveTo: isDryRun && !isHeld ? to : null };
    });
  });
  const hasUnfinished = rows.some(({ unfinished }) => unfinished.length > 0);
  const isArchived = rows.some(({ archiveTo }) => archiveTo !== null);
  const cells = [
    ...(topic === null ? [TOPIC] : []),
    ...DUE,
    ...(isDryRun ? [] : [DELETED]),
    ...(hasUnfinished ? UNFINISHED : []),
    ...(isArchived ? [ARCHIVE] : []),
  ];
  return formatTable(
    cells.map(({ column }) => column),
    rows.map((row) => cells.map(({ of }) => of(row))),
  );
}
