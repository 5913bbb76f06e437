/** What can be asked of the process that has a store open about transactions, and about producers. */
import { CorruptLogError, isIoError } from '../core/errors.ts';
import { choice, count, flag, list, nullable, struct, structWith, text } from '../core/shape.ts';
import type { Shape } from '../core/shape.ts';
import { OPEN_STATES } from '../transaction/transaction-run.ts';
import type { OpenTransaction } from '../transaction/transaction-registry.ts';
import type { TopicProducer } from '../topic/producer-position.ts';
import { controlVerb } from './control-verb.ts';
import type { Store } from './store.ts';
import type { TransactionListing, UnsyncedCommit } from './transaction-listing.ts';

const openTransaction: Shape<OpenTransaction> = structWith({
  id: count,
  name: text,
  state: choice(OPEN_STATES),
  startedMs: count,
  sizeBytes: count,
  appendCount: count,
  ackCount: count,
  positionCount: count,
});

const unsyncedCommit: Shape<UnsyncedCommit> = structWith({
  journalOffset: count,
  topic: nullable(text),
  partition: nullable(count),
  nextOffset: count,
  isPending: flag,
});

const transactionListing: Shape<TransactionListing> = structWith({
  open: list(openTransaction),
  unsynced: list(unsyncedCommit),
});

const topicProducer: Shape<TopicProducer> = structWith({
  name: text,
  sequence: nullable(count),
  resumeFrom: count,
  partition: nullable(count),
  offset: nullable(count),
});

/** Producers of one topic. */
const producedTopic = structWith({
  topic: text,
  /** Null when it is damaged. */
  producers: nullable(list(topicProducer)),
  /** What is damaged; null = nothing. */
  damage: nullable(text),
});

export type ProducedTopic = ReturnType<typeof producedTopic.check>;

/** Transactions that are not over, and commits that logs have yet to sync. Opens logs that have some. */
export const listTransactions = controlVerb({
  name: 'listTransactions',
  args: struct({}),
  answer: transactionListing,
  async run(store) {
    const { open, unsynced } = store.transactions();
    return { open, unsynced: await checked(store, unsynced) };
  },
});

/** All producers, by name, and where they are in each topic, or in one. */
export const listProducers = controlVerb({
  name: 'listProducers',
  args: struct({ topic: nullable(text) }),
  answer: structWith({
    producers: list(
      structWith({
        name: text,
        epoch: count,
        createdTimeMs: count,
        openedTimeMs: count,
        isOpen: flag,
      }),
    ),
    topics: list(producedTopic),
  }),
  async run(store, { topic }) {
    const names = topic === null ? store.topics().map(({ name }) => name) : [topic];
    const topics: ProducedTopic[] = [];
    for (const name of names) {
      const produced = await producedIn(store, name);
      if (produced !== null) topics.push(produced);
    }
    return { producers: store.producers(), topics };
  },
});

export const TRANSACTION_VERBS = [listTransactions, listProducers];

interface LogState {
  readonly syncedOffset: number;
  readonly visibleOffset: number;
}

/** Those of `commits` that logs lack: of a log that is not open the journal knows only what it was given. */
async function checked(
  store: Store,
  commits: readonly UnsyncedCommit[],
): Promise<readonly UnsyncedCommit[]> {
  const states = new Map<string, LogState | null>();
  const checkedCommits: UnsyncedCommit[] = [];
  for (const commit of commits) {
    const { topic, partition, nextOffset } = commit;
    const place = `${partition} ${topic}`;
    if (topic !== null && partition !== null && !states.has(place)) {
      states.set(place, await stateOf(store, topic, partition));
    }
    const state = states.get(place) ?? null;
    if (state === null) checkedCommits.push(commit);
    else if (state.syncedOffset < nextOffset) {
      checkedCommits.push({ ...commit, isPending: state.visibleOffset < nextOffset });
    }
  }
  return checkedCommits;
}

/** Null when the log does not open, or is gone: what it lacks cannot be said. */
async function stateOf(store: Store, topic: string, partition: number): Promise<LogState | null> {
  try {
    const { partitions } = await store.topic(topic, { create: false });
    return await partitions.at(partition).use(async (log) => {
      await log.refresh();
      const { syncedOffset, visibleOffset } = log;
      return { syncedOffset, visibleOffset };
    });
  } catch (error) {
    if (error instanceof CorruptLogError || isIoError(error) || isGone(store, topic)) return null;
    throw error;
  }
}

/** Null when nobody has produced to it, or it was deleted meanwhile. */
async function producedIn(store: Store, topic: string): Promise<ProducedTopic | null> {
  try {
    const producers = await store.producersOf(topic);
    return producers.length === 0 ? null : { topic, producers, damage: null };
  } catch (error) {
    if (isGone(store, topic)) return null;
    if (!(error instanceof CorruptLogError)) throw error;
    return { topic, producers: null, damage: error.message };
  }
}

/** Whether a topic that was there has been deleted. */
function isGone(store: Store, topic: string): boolean {
  return store.topics().every(({ name }) => name !== topic);
}
