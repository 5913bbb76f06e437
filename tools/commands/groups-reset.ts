/** `varve groups reset <store> <group>`: sets a group's positions; a dry run unless `--yes`. */
import { InvalidArgumentError, Option } from 'commander';
import type { PartitionReset, ResetTo } from '../../src/index.ts';
import { resetGroup } from '../../src/store/control-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { TOPIC_OPTION, topicOfGroup, type TopicChoice } from '../group-topic.ts';
import {
  checkPartition,
  parsePartitionOffsets,
  type OffsetOrEnd,
  type PartitionOffsets,
} from '../partition-offsets.ts';
import { readPositions, writePositions } from '../positions-file.ts';
import { parseDurationOption, parseTime } from '../ranges.ts';
import {
  CHANGES_STORE,
  checkStorePath,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { formatCount } from '../units.ts';

interface GroupsResetOptions extends TopicChoice {
  readonly toEarliest?: true;
  readonly toLatest?: true;
  readonly toCurrent?: true;
  readonly toOffset?: PartitionOffsets;
  readonly toDatetime?: number;
  readonly byDuration?: number;
  readonly shiftBy?: number;
  readonly fromFile?: string;
  readonly export?: string;
  readonly partitions?: readonly number[];
  readonly yes?: true;
  readonly json?: true;
}

const TARGETS = [
  new Option('--to-earliest', 'to the first record'),
  new Option('--to-latest', 'behind the last record: read only what comes'),
  new Option(
    '--to-current',
    'as it is, within what can be read; where nothing is, the first record',
  ),
  new Option('--to-offset <offset>', 'to this offset; or one per partition: 0:100,1:250').argParser(
    parsePartitionOffsets,
  ),
  new Option(
    '--to-datetime <time>',
    'to the first record created at or after it: 2026-01-31T12:00Z (without a zone: UTC)',
  ).argParser(parseTime),
  new Option(
    '--by-duration <duration>',
    'to the first record created at most so long ago: 90m, 2d, PT90M',
  ).argParser(parseIsoOrOwnDuration),
  new Option('--shift-by <count>', 'so many offsets forth or, negative, back').argParser(
    parseShift,
  ),
  new Option('--from-file <file>', 'to the positions of its rows: topic,partition,offset'),
];

const NOTES = `Exactly one of the options with --to, --by, --shift or --from says where the group goes on. What lies before
the first record or behind the last is moved to there. A group that has members is not reset: they
must leave first.`;

export const groupsResetVerb: Verb<GroupsResetOptions> = {
  description:
    'Set where a consumer group goes on. Prints the old and the new position of each partition.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the group' }],
  options: [
    ...TARGETS,
    new Option('--partitions <list>', 'only these: 0,2,5 (default: all)').argParser(parseList),
    new Option('--export <file>', 'also write where the group goes on as such rows'),
    TOPIC_OPTION,
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Done; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['groups describe', 'groups delete'],
    examples: [
      {
        command: 'varve groups reset ./store billing --to-earliest',
        does: 'what would change, to read everything again?',
      },
      {
        command: 'varve groups reset ./store billing --by-duration 2h --yes',
        does: 'the last two hours again',
      },
      {
        command:
          'varve groups reset ./store billing --topic orders --partitions 3 --shift-by 1 --yes',
        does: 'step over one record that cannot be handled',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: GroupsResetOptions,
  [group = '']: readonly string[],
): Promise<ExitCode> {
  const { to, topic: chosen } = await requestOf(options);
  const isDryRun = options.yes !== true;
  const reset = async (desk: StoreDesk): Promise<Outcome> => {
    const found = await topicOfGroup(desk, path, group, { topic: chosen });
    const { name: topic, partitionCount } = found;
    const { partitions } = options;
    for (const partition of partitions ?? partitionsIn(to)) {
      checkPartition(partition, { topic, partitionCount });
    }
    const resets = await desk.ask(resetGroup, { topic, group, to, partitions, dryRun: isDryRun });
    return { path, topic, group, isDryRun, partitions: resets };
  };
  await checkStorePath(path);
  const outcome = await (isDryRun ? consultStore : changeStore)(context, path, reset);
  if (options.export !== undefined) {
    const positions = outcome.partitions.map(({ partition, to: offset }) => ({
      partition,
      offset,
    }));
    await writePositions(options.export, { topic: outcome.topic, positions });
  }
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeText(context, outcome);
  return ExitCode.ok;
}

interface Request {
  readonly to: ResetTo;
  readonly topic: string | undefined;
}

/** @throws UsageError; CommandError for a file that is not there */
async function requestOf(options: GroupsResetOptions): Promise<Request> {
  const { fromFile, partitions } = options;
  const to = targetOf(options);
  if (partitions !== undefined && typeof to === 'object' && 'positions' in to) {
    throw new UsageError('positions name their partitions: leave --partitions out');
  }
  if (fromFile === undefined) return { to, topic: options.topic };
  const { topic, positions } = await readPositions(fromFile, options.topic);
  return { to: { positions }, topic };
}

function partitionsIn(to: ResetTo): readonly number[] {
  const isEach = typeof to === 'object' && 'positions' in to;
  return isEach ? to.positions.map(({ partition }) => partition) : [];
}

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly topic: string;
  readonly group: string;
  readonly isDryRun: boolean;
  readonly partitions: readonly PartitionReset[];
}

function writeText({ output }: CommandContext, outcome: Outcome): void {
  const { topic, group, isDryRun, partitions } = outcome;
  output.write(
    formatTable(
      [
        { title: 'partition', align: 'right' },
        { title: 'from', align: 'right' },
        { title: 'to', align: 'right' },
        { title: 'change', align: 'right' },
      ],
      partitions.map(({ partition, from, to }) => [
        String(partition),
        from === null ? '-' : formatCount(from),
        formatCount(to),
        from === null ? 'new' : signed(to - from),
      ]),
    ),
  );
  const whose = `group ${escapeText(group)} of topic ${escapeText(topic)}`;
  output.write(
    isDryRun
      ? `${whose} would be reset; nothing was changed, --yes resets it\n`
      : `${whose} is reset\n`,
  );
}

function signed(change: number): string {
  return change > 0 ? `+${formatCount(change)}` : formatCount(change);
}

/** @throws UsageError unless exactly one was given */
function targetOf(options: GroupsResetOptions): ResetTo {
  const { toOffset, toDatetime, byDuration, shiftBy } = options;
  const targets: (ResetTo | null)[] = [
    options.toEarliest === true ? 'earliest' : null,
    options.toLatest === true ? 'latest' : null,
    options.toCurrent === true ? 'current' : null,
    toOffset === undefined ? null : toOffsets(toOffset),
    toDatetime === undefined ? null : { timestamp: toDatetime },
    byDuration === undefined ? null : { ageMs: byDuration },
    shiftBy === undefined ? null : { shiftBy },
    options.fromFile === undefined ? null : { positions: [] }, // Read when it is the only one.
  ];
  const [only, ...others] = targets.filter((target) => target !== null);
  if (only !== undefined && others.length === 0) return only;
  const names = TARGETS.map((option) => option.long).join(', ');
  throw new UsageError(
    only === undefined ? 'where to is missing' : 'more than one place to go to was given',
    `give one of ${names}`,
  );
}

function toOffsets(given: PartitionOffsets): ResetTo {
  if ('only' in given) return { offset: numberOf(given.only) };
  const positions = [...given.each].map(([partition, offset]) => {
    return { partition, offset: numberOf(offset) };
  });
  return { positions };
}

/** What lies behind the end is moved to there. */
function numberOf(offset: OffsetOrEnd): number {
  return offset === 'end' ? Number.MAX_SAFE_INTEGER : offset;
}

function parseShift(text: string): number {
  const count = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError('Expected a whole number, such as -10.');
}

function parseList(text: string): number[] {
  const numbers = text.split(',').map((number) => number.trim());
  if (numbers.every((number) => /^\d{1,9}$/.test(number))) return numbers.map(Number);
  throw new InvalidArgumentError('Expected numbers of partitions, such as 0,2,5.');
}

/** Kafka's tool takes `PT90M` and `P2D`. */
function parseIsoOrOwnDuration(text: string): number {
  const iso = /^P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/i.exec(text);
  if (iso === null) return parseDurationOption(text);
  const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
  const wholeHours = (days ?? 0) * 24 + (hours ?? 0);
  return ((wholeHours * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000;
}
