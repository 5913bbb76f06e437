/** Which queue or share group a verb is about. */
import { Option } from 'commander';
import type { ShareGroupDescription, ShareGroupListing } from '../src/index.ts';
import { describeShareGroup, listShareGroups } from '../src/store/queue-verbs.ts';
import { CommandError } from './command-error.ts';
import { escapeText } from './escape-text.ts';
import { ExitCode } from './exit-codes.ts';
import type { StoreDesk } from './store-desk.ts';

export interface QueueChoice {
  readonly group?: string;
}

/** Names a share group in what is asked of a store. */
export interface ShareGroupRef {
  readonly topic: string;
  readonly group: string;
}

export const QUEUE_ARGUMENT = {
  description: 'the name of the queue; with --group, of a topic',
};

export const SHARE_GROUP_OPTION = new Option(
  '--group <name>',
  'this share group of a topic, which need not be a queue',
);

/** What a help text says of both. */
export const QUEUE_NOTE = `A queue is a topic with a share group of its own; --group names any other share group of a
topic.`;

/** @throws CommandError (exit code 3) when there is no such queue or share group */
export async function findQueue(
  desk: StoreDesk,
  path: string,
  name: string,
  { group }: QueueChoice,
): Promise<ShareGroupListing> {
  const ofTopic = (await desk.ask(listShareGroups, {})).filter(({ topic }) => topic === name);
  const found = ofTopic.find((one) => (group === undefined ? one.isQueue : one.name === group));
  if (found !== undefined) return found;
  const what =
    group === undefined
      ? `no queue ${name} in ${path}`
      : `no share group ${group} of topic ${name}`;
  const others = ofTopic.map((one) => one.name).join(', ');
  const hint =
    others === ''
      ? 'varve queue ls <store> lists them; varve queue create makes one'
      : `the share groups of topic ${name} are ${others}: choose one with --group`;
  throw new CommandError(ExitCode.notFound, `there is ${what}`, hint);
}

/** As `findQueue`, with what there is to know of it. @param leasesMax  leases to tell of */
export async function describeQueue(
  desk: StoreDesk,
  { topic, name: group }: ShareGroupListing,
  leasesMax = 0,
): Promise<ShareGroupDescription> {
  return desk.ask(describeShareGroup, { topic, group, leasesMax });
}

/** What to ask of a store about it. */
export function refOf({ topic, name: group }: ShareGroupListing): ShareGroupRef {
  return { topic, group };
}

/** `queue email`, or `group billing of topic orders`; escaped. */
export function labelOf({ topic, name, isQueue }: ShareGroupListing): string {
  return isQueue
    ? `queue ${escapeText(topic)}`
    : `group ${escapeText(name)} of topic ${escapeText(topic)}`;
}
