/** `varve groups delete <store> <group>`: forgets a group's positions; a dry run unless `--yes`. */
import { deleteGroup, describeGroup } from '../../src/store/control-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { TOPIC_OPTION, topicOfGroup, type TopicChoice } from '../group-topic.ts';
import {
  CHANGES_STORE,
  checkStorePath,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { changeStore, consultStore, type StoreDesk } from '../store-desk.ts';
import { formatPlural } from '../units.ts';

interface GroupsDeleteOptions extends TopicChoice {
  readonly yes?: true;
  readonly json?: true;
}

export const groupsDeleteVerb: Verb<GroupsDeleteOptions> = {
  description:
    'Forget the positions of a consumer group. No record is deleted; a group of this name that comes\n' +
    'later begins anew.',
  argument: STORE_ARGUMENT,
  moreArguments: [{ description: 'the name of the group' }],
  options: [TOPIC_OPTION, YES_OPTION, JSON_OPTION],
  help: {
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Deleted; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['groups ls', 'groups reset'],
    examples: [
      { command: 'varve groups delete ./store billing', does: 'what would be forgotten?' },
      { command: 'varve groups delete ./store billing --yes', does: 'do it' },
      {
        command: 'varve groups delete ./store billing --topic orders --yes',
        does: 'where two topics have a group of this name',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly topic: string;
  readonly group: string;
  readonly isDryRun: boolean;
  /** Where it had come to. */
  readonly positions: readonly { readonly partition: number; readonly offset: number }[];
}

async function run(
  context: CommandContext,
  path: string,
  options: GroupsDeleteOptions,
  [group = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  const remove = async (desk: StoreDesk): Promise<Outcome> => {
    const { name: topic } = await topicOfGroup(desk, path, group, options);
    const { partitions } = await desk.ask(describeGroup, { topic, group });
    if (!isDryRun) await desk.ask(deleteGroup, { topic, group });
    const positions = partitions.flatMap(({ partition, committedOffset: offset }) =>
      offset === null ? [] : [{ partition, offset }],
    );
    return { path, topic, group, isDryRun, positions };
  };
  await checkStorePath(path);
  const outcome = await (isDryRun ? consultStore : changeStore)(context, path, remove);
  const { output } = context;
  if (options.json === true) {
    output.write(`${JSON.stringify(outcome)}\n`);
    return ExitCode.ok;
  }
  const where = formatPlural(outcome.positions.length, 'partition');
  const whose = `group ${escapeText(group)} of topic ${escapeText(outcome.topic)}`;
  output.write(
    isDryRun
      ? `would delete ${whose}, with positions in ${where}; nothing was changed, --yes deletes it\n`
      : `deleted ${whose}, with positions in ${where}\n`,
  );
  return ExitCode.ok;
}
