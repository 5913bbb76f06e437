/** `varve groups ls <store>`: the consumer groups of a store. */
import { Option } from 'commander';
import type { GroupListing } from '../../src/index.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import type { TopicChoice } from '../group-topic.ts';
import {
  BESIDE_STORE,
  lookAtStore,
  STORE_ARGUMENT,
  STORE_FILES,
  topicOf,
} from '../store-access.ts';
import { formatTable } from '../table.ts';

interface GroupsLsOptions extends TopicChoice {
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `A group is of one topic: groups of the same name in two topics have nothing to do with each other. It
begins with its first commit, or with a reset.`;

export const groupsLsVerb: Verb<GroupsLsOptions> = {
  name: 'groups ls',
  summary: 'list consumer groups',
  description: 'List the consumer groups of a store that committed something, by topic.',
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
        command:
          `varve groups ls ./store --ndjson | jq -r '.name' | ` +
          `xargs -n1 varve groups describe ./store`,
        does: 'the lag of each',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
type ListedGroup = Pick<GroupListing, 'topic' | 'name'>;

async function run(
  context: CommandContext,
  path: string,
  options: GroupsLsOptions,
): Promise<ExitCode> {
  const { output } = context;
  const groups = await lookAtStore(path, async (store) => {
    const { topic: wanted } = options;
    if (wanted !== undefined) await topicOf(store, wanted);
    const chosen = store.groups().filter(({ topic }) => wanted === undefined || topic === wanted);
    return chosen.map(({ topic, name }): ListedGroup => ({ topic, name }));
  });
  if (options.json === true) output.write(`${JSON.stringify({ path, groups })}\n`);
  else if (options.ndjson === true) {
    for (const group of groups) output.write(`${JSON.stringify(group)}\n`);
  } else if (groups.length === 0) context.note(`no consumer group in ${path}`);
  else {
    const rows = groups.map(({ topic, name }) => [topic, name]);
    output.write(formatTable([{ title: 'topic' }, { title: 'group' }], rows));
  }
  return ExitCode.ok;
}
