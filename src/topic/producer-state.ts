/**
 * What the journal knows of idempotent producers: who they are, and how far they had come in each topic when
 * that was last noted. How far they are is the note and the batches behind it.
 */
import { list, map, struct, text, uint, type ValueOf } from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { ends, forgets, sets, type Reducer } from '../journal/fold.ts';
import { numberedMap } from '../journal/numbered-map.ts';
import { topicDeleted, topicDeleting } from './topic-state.ts';

/** Somebody produces under this name from now on, and whoever did so before is over. */
export const producerOpened = entryType({
  kind: 62,
  name: 'producer-opened',
  // Epochs count from 1.
  fields: { producerId: uint, name: text, epoch: uint, timeMs: uint },
});

/** Sequences of one producer that stand one behind the other in a partition. */
const producedRun = struct({
  first: uint,
  last: uint,
  count: uint,
  partition: uint,
  baseOffset: uint,
});

export type ProducedRun = Readonly<ValueOf<typeof producedRun>>;

const progressFields = {
  /** All sequences below are synced, or were never sent. */
  confirmed: uint,
  /** Those from there on that are stored, and the last five batches of each partition. */
  runs: list(producedRun),
};

/**
 * How far producers have come in a topic, as far as that is synced. It may be said in several entries: the
 * one that names a log comes last.
 */
export const producersNoted = entryType({
  kind: 63,
  name: 'producers-noted',
  fields: {
    topicId: uint,
    /** What was produced below the offset is in this entry, or in one before it. */
    logs: list(struct({ logId: uint, offset: uint })),
    producers: list(struct({ producerId: uint, ...progressFields })),
    timeMs: uint,
  },
});

/** It and all its sequences are forgotten. */
export const producerDeleted = entryType({
  kind: 64,
  name: 'producer-deleted',
  // Of topics with a note of it.
  fields: { producerId: uint, topicIds: list(uint), timeMs: uint },
});

export const PRODUCER_ENTRY_TYPES = [producerOpened, producersNoted, producerDeleted];

const producerState = struct({
  name: text,
  epoch: uint,
  createdTimeMs: uint,
  openedTimeMs: uint,
});

export type ProducerState = ValueOf<typeof producerState>;

const producerIdOf = ({ producerId }: { readonly producerId: number }) => String(producerId);

/** One instance per producer, by its id. */
export const producers: Reducer<ProducerState> = {
  name: 'producer',
  state: producerState,
  rules: [
    sets(producerOpened, {
      id: producerIdOf,
      set: (state: ProducerState | null, { name, epoch, timeMs }) => ({
        name,
        epoch: Math.max(state?.epoch ?? 0, epoch),
        createdTimeMs: state?.createdTimeMs ?? timeMs,
        openedTimeMs: timeMs,
      }),
    }),
    ends(producerDeleted, { id: producerIdOf }),
  ],
};

const producerNote = struct({
  ...progressFields,
  /** When it was last noted. */
  timeMs: uint,
});

const topicNotes = struct({
  /** Offsets by log id: below them nothing has to be looked at. */
  logs: map(uint, uint),
  /** By their ids; a hundred thousand take a second to encode. A note is never changed, only replaced. */
  producers: numberedMap(producerNote),
});

export type TopicNotes = ValueOf<typeof topicNotes>;

const topicIdOf = ({ topicId }: { readonly topicId: number }) => String(topicId);

/** One instance per topic to which somebody produced, by its id. */
export const producerNotes: Reducer<TopicNotes> = {
  name: 'producer-notes',
  state: topicNotes,
  rules: [
    sets(producersNoted, {
      id: topicIdOf,
      set(state: TopicNotes | null, { logs, producers: noted, timeMs }) {
        const notes = state ?? { logs: new Map(), producers: new Map() };
        for (const { logId, offset } of logs) {
          notes.logs.set(logId, Math.max(notes.logs.get(logId) ?? 0, offset));
        }
        for (const { producerId, confirmed, runs } of noted) {
          const before = notes.producers.get(producerId)?.confirmed ?? 0;
          notes.producers.set(producerId, {
            confirmed: Math.max(before, confirmed),
            // Copies: whoever said it goes on with its own.
            runs: runs.map((run) => ({ ...run })),
            timeMs,
          });
        }
        return notes;
      },
    }),
    sets(producerDeleted, {
      id: ({ topicIds }) => topicIds.map(String),
      set(state: TopicNotes | null, { producerId }) {
        state?.producers.delete(producerId);
        return state; // The offsets count for the others, and for those to come.
      },
    }),
    // Most topics have none. One that is on its way while the topic goes must not stay for ever.
    forgets(topicDeleting, { id: topicIdOf }),
    forgets(topicDeleted, { id: topicIdOf }),
  ],
};
