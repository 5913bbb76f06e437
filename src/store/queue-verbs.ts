/**
 * What can be asked of the process that has a store open about share groups, those of queues too: to
 * look at them, to pause and to purge them, to lease their records and to settle what was leased.
 */
import {
  choice,
  count,
  flag,
  integer,
  list,
  nothing,
  nullable,
  struct,
  structWith,
  text,
  type Shape,
} from '../core/shape.ts';
import { BROWSED_STATES, type BrowsedRecord } from '../queue/browse.ts';
import { DEATH_HEADERS } from '../format/header-names.ts';
import type { Delivery } from '../queue/delivery.ts';
import type { RedriveReport } from '../queue/redrive-options.ts';
import { DEATH_REASONS } from '../queue/share-entries.ts';
import type {
  LeaseDescription,
  ShareGroupDescription,
  ShareGroupListing,
} from '../queue/share-listing.ts';
import type { ShareGroup } from '../queue/share-group.ts';
import type { Tally } from '../queue/share-tally.ts';
import type { ShareStats } from '../queue/share-stats.ts';
import type { LogRecord } from '../log/record.ts';
import { recordCause } from './cause-shape.ts';
import { controlVerb } from './control-verb.ts';
import { alterShareGroup, createQueue, shareSettings } from './queue-setting-verbs.ts';
import { base64, encode } from './record-verbs.ts';
import { ANSWER_BYTES_MAX } from './remote-consumers.ts';
import type { Store } from './store.ts';
import { unfinishedCounts } from './unfinished-shape.ts';

/** Of a lease that is over, and not ended yet, less than none is left. */
const anyInteger = integer({ min: Number.MIN_SAFE_INTEGER });

const listing = {
  topic: text,
  name: text,
  isQueue: flag,
  consumerCount: count,
};

const shareGroupListing: Shape<ShareGroupListing> = structWith(listing);

const tally: Shape<Tally> = structWith({
  acked: count,
  failures: count,
  'lease-expired': count,
  crash: count,
  rejected: count,
  cancelled: count,
  redriven: count,
  missing: count,
  purged: count,
  trimmed: count,
  revived: count,
});

const shareStats: Shape<ShareStats> = structWith({
  topic: text,
  group: text,
  readyCount: count,
  leasedCount: count,
  delayedCount: count,
  condemnedCount: count,
  deadCount: count,
  unsettledCount: count,
  oldestReadyAgeMs: nullable(count),
  isPaused: flag,
  settled: tally,
});

const lease: Shape<LeaseDescription> = structWith({
  partition: count,
  offset: count,
  attempt: count,
  token: nullable(text),
  leaseLeftMs: nullable(anyInteger),
});

const description: Shape<ShareGroupDescription> = structWith({
  ...listing,
  settings: shareSettings,
  stats: shareStats,
  undoableCount: count,
  unfinishedCounts,
  leases: list(lease),
});

/** What a record holds, as the socket has it. */
const content = {
  key: nullable(base64),
  value: nullable(base64),
  headers: list(structWith({ name: text, value: base64 })),
};

/** A record under a lease, as the socket has it. */
const remoteDelivery = structWith({
  token: text,
  partition: count,
  offset: count,
  attempt: count,
  leaseLeftMs: anyInteger,
  ...content,
});

export type RemoteDelivery = ReturnType<typeof remoteDelivery.check>;

const peekedRecord = structWith({
  partition: count,
  offset: count,
  state: choice(BROWSED_STATES),
  attempts: count,
  failures: count,
  expiries: count,
  crashes: count,
  dueMs: nullable(count),
  reason: nullable(choice(DEATH_REASONS)),
  lastError: nullable(text),
  createTimeMs: count,
  appendTimeMs: count,
  cause: nullable(recordCause),
  ...content,
});

export type PeekedRecord = ReturnType<typeof peekedRecord.check>;

const skipCounts: Shape<RedriveReport['skips']> = structWith({
  filtered: count,
  'not-dead': count,
  leased: count,
  settled: count,
  missing: count,
  'origin-gone': count,
  'origin-is-here': count,
  'too-large': count,
});

const noArgs = struct({});
const groupArgs = { topic: text, group: text };
const consumerArgs = { consumer: text };

/** All share groups, by topic and name. */
export const listShareGroups = controlVerb({
  name: 'listShareGroups',
  args: noArgs,
  answer: list(shareGroupListing),
  run: async (store) => store.shareGroups(),
});

/** `leasesMax` is how many leases are told. */
export const describeShareGroup = controlVerb({
  name: 'describeShareGroup',
  args: struct({ ...groupArgs, leasesMax: count }),
  answer: description,
  async run(store, { topic, group, leasesMax }) {
    const handle = await store.topic(topic, { create: false });
    return handle.describeShareGroup(group, { leasesMax });
  },
});

/** The first records that are not settled, in the states that are asked for, without leasing any. */
export const peekRecords = controlVerb({
  name: 'peekRecords',
  args: struct({
    ...groupArgs,
    states: list(choice(BROWSED_STATES)),
    partition: nullable(count),
    limit: count,
  }),
  answer: list(peekedRecord),
  async run(store, { topic, group, states, partition, limit }) {
    const handle = await store.topic(topic, { create: false });
    const options = { states, partition: partition ?? undefined, limit };
    const peeked: PeekedRecord[] = [];
    let sizeBytes = 0;
    for await (const found of handle.browseShareGroup(group, options)) {
      sizeBytes += found.record.sizeBytes;
      if (peeked.length > 0 && sizeBytes > ANSWER_BYTES_MAX) break;
      peeked.push(toPeeked(found));
    }
    return peeked;
  },
});

/** Hands nothing out from now on, or goes on. */
export const pauseShareGroup = controlVerb({
  name: 'pauseShareGroup',
  args: struct({ ...groupArgs, isPaused: flag }),
  answer: nothing,
  async run(store, { isPaused, ...ref }) {
    await withGroup(store, ref, (group) => (isPaused ? group.pause() : group.resume()));
    return null;
  },
});

/** How many were settled, or with `undo`, are there again. */
export const purgeShareGroup = controlVerb({
  name: 'purgeShareGroup',
  args: struct({ ...groupArgs, undo: flag }),
  answer: structWith({ recordCount: count }),
  run: (store, { undo, ...ref }) =>
    withGroup(store, ref, async (group) => {
      const recordCount = await (undo ? group.undoPurge() : group.purge());
      return { recordCount };
    }),
});

const place = struct({ partition: count, offset: count });

/**
 * Moves dead records, or says which: `limit` at most, so that one question does not take long; the next
 * one goes on behind it, from `next`. With
 * `reasons`, those that died for one of them; with `refs`, these alone.
 */
export const redriveRecords = controlVerb({
  name: 'redriveRecords',
  args: struct({
    ...groupArgs,
    to: nullable(text),
    reasons: nullable(list(choice(DEATH_REASONS))),
    refs: nullable(list(place)),
    from: nullable(place),
    limit: nullable(count),
    dryRun: flag,
  }),
  answer: structWith({
    examinedCount: count,
    movedCount: count,
    skippedCount: count,
    skips: skipCounts,
    destinations: list(structWith({ topic: text, count })),
    next: nullable(structWith({ partition: count, offset: count })),
  }),
  run: (store, { to, reasons, refs, from, limit, dryRun, ...ref }) =>
    withGroup(store, ref, (group) =>
      group.redrive({
        to: to ?? undefined,
        filter:
          reasons === null ? undefined : (found) => reasons.some((one) => one === reasonOf(found)),
        refs: refs ?? undefined,
        from: from ?? undefined,
        limit: limit ?? undefined,
        dryRun,
      }),
    ),
});

/** Leases records to a consumer elsewhere, which names itself; null = as long as the group says. */
export const acquireRecords = controlVerb({
  name: 'acquireRecords',
  args: struct({
    ...groupArgs,
    ...consumerArgs,
    max: count,
    leaseMs: nullable(count),
    waitMs: count,
  }),
  answer: list(remoteDelivery),
  async run(store, wish) {
    const deliveries = await store.remoteConsumers.acquire(wish);
    return deliveries.map(toRemote);
  },
});

/** Ends leases. The answer names those that were over before. */
export const settleRecords = controlVerb({
  name: 'settleRecords',
  args: struct({
    ...consumerArgs,
    settlements: list(
      struct({
        token: text,
        how: choice(['ack', 'release', 'fail', 'reject', 'undelivered']),
        delayMs: count,
        error: text,
      }),
    ),
  }),
  answer: structWith({ lost: list(text) }),
  async run(store, { consumer, settlements }) {
    return { lost: await store.remoteConsumers.settle(consumer, settlements) };
  },
});

/** Has leases go on. The answer names those that are over. */
export const renewLeases = controlVerb({
  name: 'renewLeases',
  args: struct({ ...consumerArgs, tokens: list(text), leaseMs: nullable(count) }),
  answer: structWith({ lost: list(text) }),
  async run(store, { consumer, tokens, leaseMs }) {
    return { lost: await store.remoteConsumers.renew(consumer, tokens, leaseMs) };
  },
});

/** A consumer elsewhere takes no more; what it has comes back. */
export const leaveShareGroup = controlVerb({
  name: 'leaveShareGroup',
  args: struct(consumerArgs),
  answer: nothing,
  async run(store, { consumer }) {
    await store.remoteConsumers.leave(consumer);
    return null;
  },
});

/** All of them, for who answers. */
export const QUEUE_VERBS = [
  listShareGroups,
  createQueue,
  alterShareGroup,
  describeShareGroup,
  peekRecords,
  pauseShareGroup,
  purgeShareGroup,
  redriveRecords,
  acquireRecords,
  settleRecords,
  renewLeases,
  leaveShareGroup,
] as const;

async function withGroup<R>(
  store: Store,
  { topic, group }: { readonly topic: string; readonly group: string },
  use: (group: ShareGroup<Uint8Array>) => Promise<R>,
): Promise<R> {
  const handle = await store.topic(topic, { create: false });
  const shareGroup = await handle.shareGroup(group, { create: false });
  try {
    return await use(shareGroup);
  } finally {
    await shareGroup.close();
  }
}

function toRemote(delivery: Delivery<Uint8Array>): RemoteDelivery {
  const { token, partition, offset, attempt, leaseLeftMs, record } = delivery;
  const left = Math.floor(leaseLeftMs);
  return { token, partition, offset, attempt, leaseLeftMs: left, ...contentOf(record) };
}

/** Why a record died: here, or before it came here as a dead letter. Empty when it did not. */
function reasonOf({ reason, record }: BrowsedRecord<Uint8Array>): string {
  if (reason !== null) return reason;
  const bytes = record.headers.get(DEATH_HEADERS.reason);
  return bytes === undefined ? '' : Buffer.from(bytes).toString('utf8');
}

function toPeeked({ record, trouble, ...found }: BrowsedRecord<Uint8Array>): PeekedRecord {
  const { createTimeMs, appendTimeMs, cause } = record;
  const lastError = trouble?.lastError ?? null;
  return { ...found, lastError, createTimeMs, appendTimeMs, cause, ...contentOf(record) };
}

function contentOf(record: LogRecord<Uint8Array>) {
  const key = record.keyView();
  const value = record.valueView();
  return {
    key: key === null ? null : encode(key),
    value: value === null ? null : encode(value),
    headers: Array.from(record.headers, ([name, bytes]) => ({ name, value: encode(bytes) })),
  };
}
