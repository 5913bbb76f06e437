/** Which groups a store has, consumer groups and share groups, by topic and name. */
import type { ConsumerGroups } from '../group/groups.ts';
import { QUEUE_GROUP } from '../queue/queue-group.ts';
import type { ShareGroups } from '../queue/share-groups.ts';
import type { ShareGroupListing } from '../queue/share-listing.ts';
import type { KnownTopic } from '../routing/topology-document.ts';
import type { TopicDescription } from '../topic/topic-description.ts';

/** A consumer group of a topic. */
export interface GroupListing {
  readonly topic: string;
  readonly name: string;
  /** Members in this process. */
  readonly memberCount: number;
}

type Topics = readonly TopicDescription[];

export function listGroups(topics: Topics, groups: ConsumerGroups): readonly GroupListing[] {
  return placed(topics, groups.list()).map(({ topic, name, memberCount }) => {
    return { topic, name, memberCount };
  });
}

export function listShareGroups(
  topics: Topics,
  shareGroups: ShareGroups,
): readonly ShareGroupListing[] {
  const listed = shareGroups.list().map(({ group: name, ...rest }) => ({ ...rest, name }));
  return placed(topics, listed).map(({ topic, name, consumerCount }) => {
    return { topic, name, isQueue: name === QUEUE_GROUP, consumerCount };
  });
}

/** Where bindings may lead. */
export function knownOf(topics: Topics, shareGroups: ShareGroups): readonly KnownTopic[] {
  const groups = shareGroups.list().filter(({ group }) => group === QUEUE_GROUP);
  const queueIds = new Set(groups.map(({ topicId }) => topicId));
  return topics.map(({ name, topicId }) => ({ name, topicId, isQueue: queueIds.has(topicId) }));
}

/** With the name of the topic: without those whose topic was deleted. */
function placed<G extends { readonly topicId: number; readonly name: string }>(
  topics: Topics,
  groups: readonly G[],
): readonly (G & { readonly topic: string })[] {
  const topicNames = new Map(topics.map(({ topicId, name }) => [topicId, name]));
  return groups
    .flatMap((group) => {
      const topic = topicNames.get(group.topicId);
      return topic === undefined ? [] : [{ ...group, topic }];
    })
    .toSorted((one, two) => compare(one.topic, two.topic) || compare(one.name, two.name));
}

function compare(one: string, two: string): number {
  if (one === two) return 0;
  return one < two ? -1 : 1;
}
