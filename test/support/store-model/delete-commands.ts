/** Commands that delete topics, also while they are used, and make them again. */
import { deepStrictEqual, rejects, throws } from 'node:assert/strict';

import * as fc from 'fast-check';

import { utf8 } from '../../../src/codec/codec.ts';
import { onTopic, type StoreCommand, type TopicPlace } from './command.ts';
import { knownGroups } from './model.ts';
import { topicAt } from './topic-commands.ts';

const NOT_FOUND = { code: 'ERR_VARVE_NOT_FOUND' };

/** Whoever holds the topic, or a member of its groups, is told. */
async function checkGone({ real, name, topic, handle }: TopicPlace): Promise<void> {
  const closed = { code: 'ERR_VARVE_CLOSED', details: { resource: 'topic', name } };
  const value = 'too late';
  await rejects(handle.append({ value }), closed);
  await rejects(handle.appendBatch([{ value }]), closed);
  await rejects(handle.forCommit([{ value }]), closed);
  await rejects(handle.read({ partition: 0, offset: 0 }), closed);
  await rejects(handle.records().next(), closed);
  await rejects(handle.sync(), closed);
  await rejects(handle.consumerGroup('g'), closed);
  await rejects(handle.resetGroup('g', 'earliest', { dryRun: false }), closed);
  await rejects(handle.deleteGroup('g'), closed);
  for (const [group, { member }] of topic.groups) {
    if (member === null) continue;
    const left = await real.member(name, group);
    await rejects(left.commit({ partition: 0, offset: 0 }), closed);
    await rejects(left.batches().next(), closed);
  }
}

async function remove(place: TopicPlace): Promise<void> {
  const { model, real, name, topic } = place;
  const store = await real.store();
  const { topicId } = store.describeTopic(name);
  const { deletedBytes: _, ...deletion } = await store.deleteTopic(name);
  deepStrictEqual(deletion, {
    name,
    topicId,
    groups: knownGroups(topic),
    exchanges: [],
    keptPaths: [],
  });
  throws(() => store.describeTopic(name), NOT_FOUND);
  await rejects(store.deleteTopic(name), NOT_FOUND);
  await rejects(store.addPartitions(name, 5), NOT_FOUND);
  await checkGone(place);
  model.topics.delete(name);
  real.forgetTopic(name);
  if (model.topics.size > 0) return;
  await store.topic(name, { codec: utf8 }); // Most other commands need one.
  model.topics.set(name, { partitions: [[]], options: {}, groups: new Map() });
}

/** Its name is free while its files are still there; nothing of it shows in the new one. */
async function replace({ model, real, name, topic }: TopicPlace, partitions: number) {
  const store = await real.store();
  const before = store.describeTopic(name).topicId;
  const deleted = store.deleteTopic(name);
  const again = await rejects(store.deleteTopic(name), NOT_FOUND).then(() =>
    store.topic(name, { codec: utf8, partitions }),
  );
  deepStrictEqual(again.partitionCount, partitions);
  deepStrictEqual(store.describeTopic(name).topicId === before, false);
  const records = Array.from({ length: 5 }, () => ({ key: null, value: model.nextTag() }));
  const { placements } = await again.appendBatch(records, { partition: 0 });
  deepStrictEqual(placements, [{ partition: 0, baseOffset: 0, recordCount: records.length }]);
  deepStrictEqual((await deleted).groups, knownGroups(topic));
  const all = Array.from({ length: partitions }, (_, at) => (at === 0 ? [...records] : []));
  model.topics.set(name, { partitions: all, options: {}, groups: new Map() });
  real.forgetTopic(name);
}

export const deleteCommands: fc.Arbitrary<StoreCommand>[] = [
  topicAt.map((at) => onTopic('delete', at, remove)),
  fc
    .tuple(topicAt, fc.integer({ min: 1, max: 3 }))
    .map(([at, partitions]) =>
      onTopic(`replace with ${partitions}`, at, (place) => replace(place, partitions)),
    ),
];
