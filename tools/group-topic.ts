/** The topic that a consumer group is of, when the command line did not say. */
import { Option } from 'commander';
import type { TopicDescription } from '../src/index.ts';
import { listGroups, listTopics } from '../src/store/control-verbs.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { noSuchTopic } from './store-access.ts';
import type { StoreDesk } from './store-desk.ts';

export interface TopicChoice {
  readonly topic?: string | undefined;
}

export const TOPIC_OPTION = new Option(
  '--topic <name>',
  'the topic of the group (default: the only one that has a group of this name)',
);

/** @throws CommandError (exit code 3); UsageError when several topics have a group of this name */
export async function topicOfGroup(
  desk: StoreDesk,
  path: string,
  group: string,
  { topic: wanted }: TopicChoice,
): Promise<TopicDescription> {
  const topics = await desk.ask(listTopics, {});
  const ofGroup = (await desk.ask(listGroups, {})).filter(({ name }) => name === group);
  if (wanted !== undefined && !topics.some(({ name }) => name === wanted)) {
    throw noSuchTopic(path, wanted);
  }
  const found = topics.filter(({ name }) => ofGroup.some(({ topic }) => topic === name));
  const [only, ...others] = found.filter(({ name }) => wanted === undefined || name === wanted);
  if (only === undefined) {
    throw new CommandError(
      ExitCode.notFound,
      `there is no consumer group ${group} in ${wanted === undefined ? path : `topic ${wanted}`}`,
      'varve groups ls <store> lists them; a group begins with its first commit',
    );
  }
  if (others.length === 0) return only;
  throw new UsageError(
    `topics ${found.map(({ name }) => name).join(', ')} have a consumer group ${group} each`,
    'choose one of them with --topic',
  );
}
