/**
 * What can be asked of the process that has a store open: each verb is a method of `Store`, with the
 * shape of what it takes and of what it answers.
 *
 * The command line runs the same verbs on a store that it opened itself, so it does not matter to it
 * who answers.
 */
import { HEALTH_STATUSES, PROBLEM_CODES, SEVERITIES } from '../core/health-board.ts';
import {
  choice,
  count,
  fieldsOf,
  flag,
  list,
  nothing,
  nullable,
  optional,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { argumentError, checkInteger } from '../core/assert.ts';
import type { GroupDescription } from '../group/groups.ts';
import type { PartitionReset, ResetTo } from '../group/group-admin.ts';
import type { TopicDescription } from '../topic/topic-description.ts';
import type { TopicDeletion } from '../topic/topic-deletions.ts';
import { checkNew, controlVerb, type ControlVerb } from './control-verb.ts';
import { QUEUE_VERBS } from './queue-verbs.ts';
import { appendRecords, settlePartition } from './record-verbs.ts';
import { topicConfig, topicSettings } from './topic-config-shape.ts';
import { COMPACTION_VERBS } from './compaction-verbs.ts';
import { runRetention } from './retention-verbs.ts';
import { ROUTING_VERBS } from './routing-verbs.ts';
import { TRANSACTION_VERBS } from './transaction-verbs.ts';
import type { GroupListing } from './group-listings.ts';
import { unfinishedCounts } from './unfinished-shape.ts';

const topicDescription: Shape<TopicDescription> = structWith({
  name: text,
  topicId: count,
  partitionCount: count,
  createdTimeMs: count,
  alteredTimeMs: count,
  options: topicSettings,
  keyMaps: list(structWith({ partitionCount: count, timeMs: count })),
  unfinishedCounts,
});

const topicDeletion: Shape<TopicDeletion> = structWith({
  name: text,
  topicId: count,
  groups: list(text),
  exchanges: list(text),
  deletedBytes: count,
  keptPaths: list(text),
});

const groupListing: Shape<GroupListing> = structWith({
  topic: text,
  name: text,
  memberCount: count,
});

const groupDescription: Shape<GroupDescription> = structWith({
  name: text,
  topic: text,
  members: list(structWith({ id: text, partitions: list(count) })),
  partitions: list(
    structWith({
      partition: count,
      committedOffset: nullable(count),
      metadata: text,
      startOffset: count,
      endOffset: count,
      lag: count,
      oldestUnreadAgeMs: nullable(count),
    }),
  ),
  unfinishedCounts,
});

const partitionReset: Shape<PartitionReset> = structWith({
  partition: count,
  from: nullable(count),
  to: count,
});

const positionList = list(struct({ partition: count, offset: count }));

const resetTo: Shape<ResetTo> = {
  check(name, value) {
    if (value === 'earliest' || value === 'latest' || value === 'current') return value;
    const [field, ...others] = typeof value === 'string' ? [] : fieldsOf(name, value);
    if (field !== undefined && others.length === 0) {
      const [key, given] = field;
      const at = `${name}.${key}`;
      if (key === 'offset') return { offset: checkInteger(at, given, { min: 0 }) };
      if (key === 'timestamp') return { timestamp: checkInteger(at, given, { min: 0 }) };
      if (key === 'ageMs') return { ageMs: checkInteger(at, given, { min: 0 }) };
      const min = Number.MIN_SAFE_INTEGER;
      if (key === 'positions') return { positions: positionList.check(at, given) };
      if (key === 'shiftBy') return { shiftBy: checkInteger(at, given, { min }) };
    }
    throw argumentError(TypeError, name, 'a place to go to', value);
  },
};

const noArgs = struct({});
const topicArgs = { topic: text };
const groupArgs = { topic: text, group: text };

/** All topics, by name. */
export const listTopics = controlVerb({
  name: 'listTopics',
  args: noArgs,
  answer: list(topicDescription),
  run: async (store) => store.topics(),
});

/** All consumer groups, by topic and name. */
export const listGroups = controlVerb({
  name: 'listGroups',
  args: noArgs,
  answer: list(groupListing),
  run: async (store) => store.groups(),
});

/** A new topic. @throws ConflictError when there is one of this name */
export const createTopic = controlVerb({
  name: 'createTopic',
  args: struct({ ...topicArgs, partitions: count, options: topicConfig }),
  answer: topicDescription,
  async run(store, { topic, partitions, options }) {
    checkNew({ kind: 'topic', name: topic }, store.topics());
    await store.topic(topic, { ...options, partitions });
    return store.describeTopic(topic);
  },
});

export const alterTopic = controlVerb({
  name: 'alterTopic',
  args: struct({ ...topicArgs, options: topicConfig }),
  answer: topicDescription,
  run: (store, { topic, options }) => store.alterTopic(topic, options),
});

/** `partitions` is how many there shall be. */
export const addPartitions = controlVerb({
  name: 'addPartitions',
  args: struct({ ...topicArgs, partitions: count }),
  answer: topicDescription,
  run: (store, { topic, partitions }) => store.addPartitions(topic, partitions),
});

/** What went with it, once it is gone. */
export const deleteTopic = controlVerb({
  name: 'deleteTopic',
  args: struct(topicArgs),
  answer: topicDeletion,
  run: (store, { topic }) => store.deleteTopic(topic),
});

/** Records below the offsets. Stopped half-way, some partitions are done. */
export const deleteRecords = controlVerb({
  name: 'deleteRecords',
  args: struct({ ...topicArgs, positions: positionList }),
  answer: nothing,
  async run(store, { topic, positions }) {
    const handle = await store.topic(topic, { create: false });
    for (const position of positions) await handle.deleteBefore(position);
    return null;
  },
});

export const describeGroup = controlVerb({
  name: 'describeGroup',
  args: struct(groupArgs),
  answer: groupDescription,
  async run(store, { topic, group }) {
    const handle = await store.topic(topic, { create: false });
    return handle.describeGroup(group);
  },
});

export const resetGroup = controlVerb({
  name: 'resetGroup',
  args: struct({ ...groupArgs, to: resetTo, partitions: optional(list(count)), dryRun: flag }),
  answer: list(partitionReset),
  async run(store, { topic, group, to, ...options }) {
    const handle = await store.topic(topic, { create: false });
    return handle.resetGroup(group, to, options);
  },
});

export const deleteGroup = controlVerb({
  name: 'deleteGroup',
  args: struct(groupArgs),
  answer: nothing,
  async run(store, { topic, group }) {
    const handle = await store.topic(topic, { create: false });
    await handle.deleteGroup(group);
    return null;
  },
});

const health = structWith({
  status: choice(HEALTH_STATUSES),
  problems: list(
    structWith({
      code: choice(PROBLEM_CODES),
      severity: choice(SEVERITIES),
      topic: nullable(text),
      partition: nullable(count),
      sinceMs: count,
      message: text,
      remedy: text,
    }),
  ),
});

/** Figures that only the owner has as they are now. */
export const liveStats = controlVerb({
  name: 'stats',
  args: noArgs,
  answer: structWith({
    topicCount: count,
    groupCount: count,
    memberCount: count,
    transactions: structWith({
      openCount: count,
      committedCount: count,
      abortedCount: count,
      timedOutCount: count,
      failedCount: count,
    }),
    health,
    journal: structWith({
      startOffset: count,
      endOffset: count,
      segmentCount: count,
      sizeBytes: count,
    }),
  }),
  async run(store) {
    const { topicCount, journal, transactions } = store.stats();
    const { startOffset, endOffset, segmentCount, sizeBytes } = journal;
    const groups = store.groups();
    return {
      topicCount,
      groupCount: groups.length,
      memberCount: groups.reduce((sum, { memberCount }) => sum + memberCount, 0),
      transactions,
      health: store.health(),
      journal: { startOffset, endOffset, segmentCount, sizeBytes },
    };
  },
});

/** Every verb that an owner answers. */
export const CONTROL_VERBS: readonly ControlVerb<unknown, unknown>[] = [
  listTopics,
  listGroups,
  createTopic,
  alterTopic,
  addPartitions,
  deleteTopic,
  deleteRecords,
  runRetention,
  appendRecords,
  settlePartition,
  describeGroup,
  resetGroup,
  deleteGroup,
  liveStats,
  ...COMPACTION_VERBS,
  ...QUEUE_VERBS,
  ...ROUTING_VERBS,
  ...TRANSACTION_VERBS,
];
