/** What the journal knows of topics: entries, and the state that they add up to. */
import { begins, changes, ends, type Reducer } from '../journal/fold.ts';
import {
  added,
  choice,
  double,
  flag,
  list,
  nullable,
  struct,
  text,
  uint,
  upgraded,
  type Field,
  type ValueOf,
} from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { COMPRESSION_NAMES } from '../format/compression.ts';
import {
  COMPACTION_DEFAULTS,
  COMPACTION_OPTION_NAMES,
  COMPACTIONS,
} from '../log/compaction-options.ts';
import { DURABILITY_LEVELS } from '../log/log-options.ts';
import {
  DEDUP_BY,
  DEDUP_DEFAULTS,
  DEDUP_OPTION_NAMES,
  DEDUP_SCOPES,
  UNTIL_SETTLED,
  type DedupWindow,
} from './dedup-options.ts';
import {
  UNFINISHED_DEFAULTS,
  UNFINISHED_OPTION_NAMES,
  UNFINISHED_POLICIES,
} from './unfinished-options.ts';

/** Options of a topic that are of its logs, resolved: a later default changes no topic that is there. */
const logOptionFields = {
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

const storedWindow = nullable(uint);

const dedupWindow: Field<DedupWindow> = {
  write: (to, window) => storedWindow.write(to, window === UNTIL_SETTLED ? null : window),
  read: (from) => storedWindow.read(from) ?? UNTIL_SETTLED,
};

const dedupFields = {
  dedupWindowMs: dedupWindow,
  dedupBy: choice(DEDUP_BY),
  dedupScope: choice(DEDUP_SCOPES),
};

/** What of it goes before all of it does. */
const keepingFields = {
  compaction: choice(COMPACTIONS),
  compactionLagMsMin: uint,
  compactionLagMsMax: nullable(uint),
  compactionShareMin: double,
  tombstoneRetentionMs: uint,
  unfinished: nullable(choice(UNFINISHED_POLICIES)),
  archiveTo: nullable(text),
};

const KEEPING_DEFAULTS = { ...COMPACTION_DEFAULTS, ...UNFINISHED_DEFAULTS };

const logOptions = struct(logOptionFields);
const topicOptions = struct({ ...logOptionFields, ...dedupFields, ...keepingFields });
/** As they were before there was deduplication. */
const logOptionsAlone = upgraded(logOptions, (options) => {
  return { ...options, ...DEDUP_DEFAULTS, ...KEEPING_DEFAULTS };
});
/** As they were before there was compaction. */
const withDedup = upgraded(struct({ ...logOptionFields, ...dedupFields }), (options) => {
  return { ...options, ...KEEPING_DEFAULTS };
});

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
  ...DEDUP_OPTION_NAMES,
  ...COMPACTION_OPTION_NAMES,
  ...UNFINISHED_OPTION_NAMES,
] as const satisfies readonly (keyof TopicSettings)[];

export type TopicSettings = Readonly<ValueOf<typeof topicOptions>>;

const createdFields = (options: typeof topicOptions) => ({
  topicId: uint,
  name: text,
  logIds: list(uint),
  options,
  timeMs: uint,
});

/** A topic came to be; its first partitions are in place. */
export const topicCreated = entryType(
  { kind: 10, name: 'topic-created', fields: createdFields(topicOptions) },
  [struct(createdFields(logOptionsAlone)), struct(createdFields(withDedup))],
);

const alteredFields = (options: typeof topicOptions) => ({ topicId: uint, options, timeMs: uint });

export const topicAltered = entryType(
  { kind: 11, name: 'topic-altered', fields: alteredFields(topicOptions) },
  [struct(alteredFields(logOptionsAlone)), struct(alteredFields(withDedup))],
);

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

const storedState = struct({
  name: text,
  logIds: list(uint),
  logOptions,
  createdTimeMs: uint,
  alteredTimeMs: uint,
  isDeleting: flag,
  /** How many partitions there were, since when: a key may have records in more than one of them. */
  keyMaps: list(struct({ partitionCount: uint, timeMs: uint })),
  dedup: added(struct(dedupFields), DEDUP_DEFAULTS),
  keeping: added(struct(keepingFields), KEEPING_DEFAULTS),
});

export interface TopicState extends Omit<
  ValueOf<typeof storedState>,
  'logOptions' | 'dedup' | 'keeping'
> {
  options: ValueOf<typeof topicOptions>;
}

const topicState: Field<TopicState> = {
  write(to, { options, ...state }) {
    storedState.write(to, { ...state, logOptions: options, dedup: options, keeping: options });
  },
  read(from) {
    const { logOptions: ofLogs, dedup, keeping, ...state } = storedState.read(from);
    return { ...state, options: { ...ofLogs, ...dedup, ...keeping } };
  },
};

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
