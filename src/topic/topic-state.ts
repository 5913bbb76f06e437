/** What the journal knows of topics: entries, and the state that they add up to. */
import { begins, changes, ends, type Reducer } from '../journal/fold.ts';
import {
  choice,
  flag,
  list,
  nullable,
  struct,
  text,
  uint,
  type ValueOf,
} from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { COMPRESSION_NAMES } from '../format/compression.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';

/** Every option of a topic, resolved: a later default changes no topic that is there. */
const optionFields = {
  durability: choice(DURABILITY_LEVELS),
  flushMs: uint,
  segmentBytesMax: uint,
  segmentAgeMsMax: nullable(uint),
  retentionMs: nullable(uint),
  retentionBytes: nullable(uint),
  recordBytesMax: uint,
  batchBytesMax: uint,
  compression: choice(COMPRESSION_NAMES),
  /** Null without compression. */
  compressionLevel: nullable(uint),
};

const topicOptions = struct(optionFields);

/** Names of the options that the journal keeps. */
export const TOPIC_OPTION_NAMES = [
  'durability',
  'flushMs',
  'segmentBytesMax',
  'segmentAgeMsMax',
  'retentionMs',
  'retentionBytes',
  'recordBytesMax',
  'batchBytesMax',
  'compression',
  'compressionLevel',
] as const satisfies readonly (keyof TopicSettings)[];

export type TopicSettings = Readonly<ValueOf<typeof topicOptions>>;

/** A topic came to be; its first partitions are in place. */
export const topicCreated = entryType({
  kind: 10,
  name: 'topic-created',
  fields: {
    topicId: uint,
    name: text,
    logIds: list(uint),
    options: topicOptions,
    timeMs: uint,
  },
});

export const topicAltered = entryType({
  kind: 11,
  name: 'topic-altered',
  fields: { topicId: uint, options: topicOptions, timeMs: uint },
});

export const partitionsAdded = entryType({
  kind: 12,
  name: 'partitions-added',
  fields: { topicId: uint, logIds: list(uint), timeMs: uint },
});

/** From here on the topic is gone; its files may still be there. */
export const topicDeleting = entryType({
  kind: 13,
  name: 'topic-deleting',
  fields: { topicId: uint, timeMs: uint },
});

/** Its files are gone too. */
export const topicDeleted = entryType({
  kind: 14,
  name: 'topic-deleted',
  fields: { topicId: uint },
});

const topicState = struct({
  name: text,
  logIds: list(uint),
  options: topicOptions,
  createdTimeMs: uint,
  alteredTimeMs: uint,
  isDeleting: flag,
  /** How many partitions there were, since when: a key may have records in more than one of them. */
  keyMaps: list(struct({ partitionCount: uint, timeMs: uint })),
});

export type TopicState = ValueOf<typeof topicState>;

const idOf = ({ topicId }: { topicId: number }) => String(topicId);

/** One instance per topic, by its id. */
export const topics: Reducer<TopicState> = {
  name: 'topic',
  state: topicState,
  rules: [
    begins(topicCreated, {
      id: idOf,
      begin: ({ name, logIds, options, timeMs }): TopicState => ({
        name,
        logIds: [...logIds],
        options,
        createdTimeMs: timeMs,
        alteredTimeMs: timeMs,
        isDeleting: false,
        keyMaps: [{ partitionCount: logIds.length, timeMs }],
      }),
    }),
    changes(topicAltered, {
      id: idOf,
      apply: (state: TopicState, { options, timeMs }) => ({
        ...state,
        options,
        alteredTimeMs: timeMs,
      }),
    }),
    changes(partitionsAdded, {
      id: idOf,
      apply(state: TopicState, { logIds, timeMs }) {
        const all = [...state.logIds, ...logIds];
        const keyMaps = [...state.keyMaps, { partitionCount: all.length, timeMs }];
        return { ...state, logIds: all, alteredTimeMs: timeMs, keyMaps };
      },
    }),
    changes(topicDeleting, {
      id: idOf,
      apply: (state: TopicState, { timeMs }) => ({
        ...state,
        isDeleting: true,
        alteredTimeMs: timeMs,
      }),
    }),
    ends(topicDeleted, { id: idOf }),
  ],
};
