/** `varve delete-records <dir> [topic]`: records below an offset; a dry run unless `--yes`. */
import { Option } from 'commander';
import { openLog, OffsetOutOfRangeError } from '../../src/index.ts';
import { deleteRecords } from '../../src/store/control-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { checkReadablePath, classifyPath, listSegmentFiles } from '../log-path.ts';
import {
  offsetsByPartition,
  parsePartitionOffsets,
  PARTITION_OPTION,
  type OffsetOrEnd,
  type PartitionOffsets,
} from '../partition-offsets.ts';
import { openToRead } from '../read-log.ts';
import { STORE_WRITER_FILES } from '../store-access.ts';
import { askForTopic, changeStore, consultStore } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { partitionPath } from '../topic-extent.ts';
import { formatBytes, formatCount, formatPlural } from '../units.ts';

interface DeleteRecordsOptions {
  readonly before?: PartitionOffsets;
  readonly partition?: number;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `Records below the offset cannot be read any more and never come back; the others keep their offsets. Disk
space is freed by whole segments: the one that holds the offset stays. "end" stands for all that is
there. Consumer groups that stood below go on at the first record that is left.`;

export const deleteRecordsVerb: Verb<DeleteRecordsOptions> = {
  description: 'Delete the records of a log, or of partitions of a topic, below an offset.',
  argument: { description: 'the store, or a log of its own' },
  moreArguments: [{ description: 'the name of the topic, in a store' }],
  options: [
    new Option(
      '--before <offset>',
      'the first record to keep, or end; or one per partition: 0:100,1:250',
    ).argParser(parsePartitionOffsets),
    PARTITION_OPTION,
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'A dry run works beside a writer. With --yes the verb takes the lock of a log: exit 5 while\n' +
      'somebody else has it. Of a store that a process has open, that process does it, through\n' +
      'control.sock.',
    exitCodes: { 0: 'Deleted; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics alter', 'topics delete', 'info'],
    examples: [
      { command: 'varve delete-records ./numbers --before 1000', does: 'what would go?' },
      {
        command: 'varve delete-records ./store orders --partition 2 --before end --yes',
        does: 'all records of one partition',
      },
      {
        command: 'varve delete-records ./store orders --before 0:100,1:250 --yes',
        does: 'of several partitions',
      },
    ],
  },
  run,
};

interface PlannedDeletion {
  readonly partition: number;
  /** First offset that can be read; then, the same or a higher one. */
  readonly from: number;
  readonly to: number;
  readonly offsetCount: number;
  /** Of the files that go. */
  readonly segmentCount: number;
  readonly sizeBytes: number;
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  /** Null for a log of its own. */
  readonly topic: string | null;
  readonly isDryRun: boolean;
  readonly partitions: readonly PlannedDeletion[];
}

async function run(
  context: CommandContext,
  path: string,
  options: DeleteRecordsOptions,
  [topic]: readonly string[],
): Promise<ExitCode> {
  const { before } = options;
  if (before === undefined) throw new UsageError('--before is missing: the first record to keep');
  const request = { before, partition: options.partition, isDryRun: options.yes !== true };
  const isStore = (await classifyPath(path)) === 'store';
  if (isStore && topic === undefined) {
    throw new UsageError(`${path} is a store: the topic is missing`, 'varve topics ls lists them');
  }
  const partitions =
    topic === undefined ? await ofLog(path, request) : await ofTopic(context, path, topic, request);
  const outcome: Outcome = { path, topic: topic ?? null, isDryRun: request.isDryRun, partitions };
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeText(context, outcome);
  return ExitCode.ok;
}

interface Request {
  readonly before: PartitionOffsets;
  readonly partition: number | undefined;
  readonly isDryRun: boolean;
}

async function ofLog(
  path: string,
  { before, partition, isDryRun }: Request,
): Promise<readonly PlannedDeletion[]> {
  if ('each' in before || partition !== undefined) {
    throw new UsageError('a log of its own has no partitions: give one offset');
  }
  await checkReadablePath(path);
  const plan = await planFor(path, 0, before.only);
  if (isDryRun || plan.offsetCount === 0) return [plan];
  const log = await openLog(path, { create: false });
  try {
    await log.deleteBefore(plan.to);
  } finally {
    await log.close();
  }
  return [plan];
}

async function ofTopic(
  context: CommandContext,
  path: string,
  topic: string,
  { before, partition, isDryRun }: Request,
): Promise<readonly PlannedDeletion[]> {
  const described = await consultStore(context, path, (desk) => askForTopic(desk, path, topic));
  const { partitionCount } = described;
  const offsets = offsetsByPartition(before, {
    option: '--before',
    topic,
    partitionCount,
    partition,
  });
  const plans = await Promise.all(
    offsets.map(([number, offset]) =>
      planFor(partitionPath(path, described, number), number, offset),
    ),
  );
  const due = plans.filter(({ offsetCount }) => offsetCount > 0);
  const positions = due.map(({ partition: number, to }) => ({ partition: number, offset: to }));
  if (!isDryRun && due.length > 0) {
    await changeStore(context, path, (desk) => desk.ask(deleteRecords, { topic, positions }));
  }
  return plans;
}

/** @throws OffsetOutOfRangeError behind the end; CorruptLogError */
async function planFor(
  path: string,
  partition: number,
  before: OffsetOrEnd,
): Promise<PlannedDeletion> {
  const log = await openToRead(path, { onCorruption: 'fail' });
  const { startOffset: from, visibleOffset: endOffset } = log;
  await log.close();
  const requested = before === 'end' ? endOffset : before;
  if (requested > endOffset) {
    throw new OffsetOutOfRangeError({ requested, startOffset: from, endOffset, epoch: null });
  }
  const to = Math.max(from, requested);
  const segments = await listSegmentFiles(path);
  // As the log itself does: a segment goes when the next one begins below.
  const below = segments.filter((_segment, at) => (segments[at + 1]?.baseOffset ?? to + 1) <= to);
  const gone = to === from ? [] : below;
  const sizeBytes = gone.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  return { partition, from, to, offsetCount: to - from, segmentCount: gone.length, sizeBytes };
}

function writeText({ output }: CommandContext, outcome: Outcome): void {
  const { path, topic, isDryRun, partitions } = outcome;
  const count = partitions.reduce((sum, { offsetCount }) => sum + offsetCount, 0);
  output.write(table(partitions));
  const what = `${formatPlural(count, 'offset')} of ${escapeText(topic ?? path)}`;
  if (count === 0) output.write('nothing lies below; nothing was changed\n');
  else if (isDryRun) output.write(`${what} would go; nothing was changed, --yes deletes them\n`);
  else output.write(`deleted ${what}\n`);
}

function table(partitions: readonly PlannedDeletion[]): string {
  return formatTable(
    [
      { title: 'partition', align: 'right' },
      { title: 'start', align: 'right' },
      { title: 'new start', align: 'right' },
      { title: 'offsets', align: 'right' },
      { title: 'segments', align: 'right' },
      { title: 'bytes', align: 'right' },
    ],
    partitions.map((one) => [
      String(one.partition),
      formatCount(one.from),
      formatCount(one.to),
      formatCount(one.offsetCount),
      formatCount(one.segmentCount),
      formatBytes(one.sizeBytes),
    ]),
  );
}
