/** `varve groups ls <store>`: the consumer groups of a store. */
import { Option } from 'commander';
import { CorruptLogError } from '../../src/index.ts';
import type { GroupListing, Store } from '../../src/index.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import type { TopicChoice } from '../group-topic.ts';
import {
  BESIDE_STORE,
  describeTopic,
  lookAtStore,
  STORE_ARGUMENT,
  STORE_FILES,
} from '../store-access.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatDuration } from '../units.ts';

interface GroupsLsOptions extends TopicChoice {
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `A group is of one topic: groups of the same name in two topics have nothing to do with each other. It
begins with its first commit, or with a reset. "lag" is how many offsets it has yet to read, in all
partitions, and "oldest unread" how long the first of them has been there; "?" where one is damaged.`;

export const groupsLsVerb: Verb<GroupsLsOptions> = {
  description:
    'List the consumer groups of a store that committed something, by topic, and how far behind they are.',
  argument: STORE_ARGUMENT,
  options: [new Option('--topic <name>', 'only those of one topic'), JSON_OPTION, NDJSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: BESIDE_STORE,
    exitCodes: { 0: 'Done; also when there is no group.', 1: true, 2: true, 3: true, 4: true },
    files: STORE_FILES,
    seeAlso: ['groups describe', 'groups reset', 'topics ls'],
    examples: [
      { command: 'varve groups ls ./store', does: 'all of them' },
      { command: 'varve groups ls ./store --topic orders', does: 'those of one topic' },
      {
        command: "varve groups ls ./store --ndjson | jq -r 'select(.lag > 1000) | .name'",
        does: 'those that are far behind',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface ListedGroup extends Pick<GroupListing, 'topic' | 'name'> {
  /** Offsets that it has yet to read, of all partitions; null when one of them is damaged. */
  readonly lag: number | null;
  /** How long the oldest unread record has been there, ms; null = there is none. */
  readonly oldestUnreadAgeMs: number | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: GroupsLsOptions,
): Promise<ExitCode> {
  const { output } = context;
  const groups = await lookAtStore(path, async (store) => {
    const { topic: wanted } = options;
    if (wanted !== undefined) describeTopic(store, wanted);
    const chosen = store.groups().filter(({ topic }) => wanted === undefined || topic === wanted);
    const listed: ListedGroup[] = [];
    for (const group of chosen) listed.push(await listGroup(context, store, group));
    return listed;
  });
  if (options.json === true) output.write(`${JSON.stringify({ path, groups })}\n`);
  else if (options.ndjson === true) {
    for (const group of groups) output.write(`${JSON.stringify(group)}\n`);
  } else if (groups.length === 0) context.note(`no consumer group in ${path}`);
  else output.write(table(groups));
  return groups.every(({ lag }) => lag !== null) ? ExitCode.ok : ExitCode.corrupt;
}

async function listGroup(
  context: CommandContext,
  store: Store,
  { topic, name }: GroupListing,
): Promise<ListedGroup> {
  context.signal.throwIfAborted();
  try {
    const { partitions } = await (await store.topic(topic)).describeGroup(name);
    const lag = partitions.reduce((sum, one) => sum + one.lag, 0);
    const ages = partitions.flatMap(({ oldestUnreadAgeMs: ageMs }) => ageMs ?? []);
    return { topic, name, lag, oldestUnreadAgeMs: ages.length === 0 ? null : Math.max(...ages) };
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    context.warn(`group ${name} of topic ${topic}: ${error.message}`);
    return { topic, name, lag: null, oldestUnreadAgeMs: null };
  }
}

function table(groups: readonly ListedGroup[]): string {
  return formatTable(
    [
      { title: 'topic' },
      { title: 'group' },
      { title: 'lag', align: 'right' },
      { title: 'oldest unread', align: 'right' },
    ],
    groups.map(({ topic, name, lag, oldestUnreadAgeMs }) => [
      topic,
      name,
      lag === null ? '?' : formatCount(lag),
      oldestUnreadAgeMs === null ? '-' : formatDuration(oldestUnreadAgeMs),
    ]),
  );
}
