/** `varve groups describe <store> <group>`: how far a consumer group is behind. */
import type { GroupDescription, PartitionLag } from '../../src/index.ts';
import { describeGroup } from '../../src/store/control-verbs.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { TOPIC_OPTION, topicOfGroup, type TopicChoice } from '../group-topic.ts';
import { ASKS_OWNER, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore } from '../store-desk.ts';
import { formatTable, shorten } from '../table.ts';
import { unfinishedText } from '../unfinished-text.ts';
import { formatCount, formatDuration, formatPlural } from '../units.ts';

/** On a terminal of 120 columns the rest of a row fits beside it. */
const METADATA_WIDTH = 40;

interface GroupsDescribeOptions extends TopicChoice {
  readonly json?: true;
}

const NOTES = `"committed" is the next offset to read, "-" where the group never committed; "lag" is how many
offsets it has yet to read, of those that are left, and "oldest unread" how long the first of them
has been there, by append time. Of long metadata the table has the beginning, JSON all. Its members
are known only to the process that has the store open: "members" is null in JSON, and missing in
text, when no such process was asked.`;

export const groupsDescribeVerb: Verb<GroupsDescribeOptions> = {
  description:
    'Show how far a consumer group has come in each partition, and how far it is behind.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the group' }],
  options: [TOPIC_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['groups ls', 'groups reset', 'topics describe'],
    examples: [
      { command: 'varve groups describe ./store billing', does: 'a table' },
      {
        command: 'varve groups describe ./store billing --topic orders --json | jq .lag',
        does: 'how many offsets behind, over all partitions',
      },
      {
        command:
          "varve groups describe ./store billing --json | jq '[.partitions[].oldestUnreadAgeMs] | max'",
        does: 'for an alarm: age of the oldest unread record, ms',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: GroupsDescribeOptions,
  [group = '']: readonly string[],
): Promise<ExitCode> {
  const { isOwner, ...described } = await consultStore(context, path, async (desk) => {
    const { name: topic } = await topicOfGroup(desk, path, group, options);
    return { ...(await desk.ask(describeGroup, { topic, group })), isOwner: desk.isOwner };
  });
  const { output } = context;
  const { name, topic, partitions, unfinishedCounts } = described;
  const members = isOwner ? described.members : null;
  const lag = partitions.reduce((sum, one) => sum + one.lag, 0);
  if (options.json === true) {
    const found = { path, topic, name, lag, members, partitions, unfinishedCounts };
    output.write(`${JSON.stringify(found)}\n`);
  } else {
    output.write(table(described));
    for (const member of members ?? []) output.write(`${memberLine(member)}\n`);
    for (const each of unfinishedCounts) output.write(`${unfinishedText(each)}\n`);
    output.write(`${formatPlural(lag, 'offset')} behind\n`);
  }
  return ExitCode.ok;
}

function memberLine({ id, partitions }: GroupDescription['members'][number]): string {
  const what = partitions.length === 0 ? 'nothing' : `partitions ${partitions.join(', ')}`;
  return `member ${escapeText(id)} reads ${what}`;
}

function table({ partitions }: GroupDescription): string {
  const hasMetadata = partitions.some(({ metadata }) => metadata !== '');
  return formatTable(
    [
      { title: 'partition', align: 'right' },
      { title: 'committed', align: 'right' },
      { title: 'start', align: 'right' },
      { title: 'end', align: 'right' },
      { title: 'lag', align: 'right' },
      { title: 'oldest unread', align: 'right' },
      ...(hasMetadata ? [{ title: 'metadata' }] : []),
    ],
    partitions.map(cells),
  );
}

function cells(lag: PartitionLag): string[] {
  const { partition, committedOffset, startOffset, endOffset, oldestUnreadAgeMs, metadata } = lag;
  return [
    String(partition),
    committedOffset === null ? '-' : formatCount(committedOffset),
    formatCount(startOffset),
    formatCount(endOffset),
    formatCount(lag.lag),
    oldestUnreadAgeMs === null ? '-' : formatDuration(oldestUnreadAgeMs),
    shorten(metadata, METADATA_WIDTH),
  ];
}
