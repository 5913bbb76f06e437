/** What the journal says of share groups. Numbers 30 to 45. */
import {
  choice,
  flag,
  list,
  struct,
  text,
  uint,
  upgraded,
  type Field,
  type ValueOf,
} from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { offsetRuns } from './offset-runs.ts';
import { shareSettings } from './share-settings.ts';

/** Why a record is dead. Names may only be added at the end. */
export const DEATH_REASONS = [
  'failures',
  'lease-expired',
  'crash',
  'rejected',
  /** It was archived when retention came to it. */
  'retention',
] as const;

export type DeathReason = (typeof DEATH_REASONS)[number];

const groupFields = { topicId: uint, group: text };

export const shareGroupCreated = entryType({
  kind: 30,
  name: 'share-group-created',
  fields: { ...groupFields, settings: shareSettings, timeMs: uint },
});

export const shareGroupAltered = entryType({
  kind: 31,
  name: 'share-group-altered',
  fields: { ...groupFields, settings: shareSettings, timeMs: uint },
});

export const shareGroupDeleted = entryType({
  kind: 32,
  name: 'share-group-deleted',
  fields: groupFields,
});

const start = struct({ partition: uint, logId: uint, offset: uint });

/** Where the group begins in partitions that it has not seen. */
export const shareStarted = entryType({
  kind: 33,
  name: 'share-started',
  fields: { ...groupFields, starts: list(start), timeMs: uint },
});

/** A process took the group over: leases of the one before are void, and it did not end them itself. */
export const leasesOpened = entryType({
  kind: 34,
  name: 'leases-opened',
  fields: { ...groupFields, ownerEpoch: uint, timeMs: uint },
});

const acquired = struct({
  ...groupFields,
  partition: uint,
  offsets: offsetRuns,
  /** Between them: offsets that hold no record. */
  absent: offsetRuns,
});

export type AcquiredPart = ValueOf<typeof acquired>;

/** Attempts: journaled before the records are handed out. */
export const recordsAcquired = entryType({
  kind: 35,
  name: 'records-acquired',
  fields: { parts: list(acquired) },
});

const returned = struct({
  offset: uint,
  /** Whether the attempt counts as a failure. */
  isFailed: flag,
  /** Not handed out before, wall time; 0 = at once. */
  dueMs: uint,
  /** What the holder said; empty = nothing. */
  error: text,
});

export type ReturnedRecord = Readonly<ValueOf<typeof returned>>;

const ended = struct({
  ...groupFields,
  partition: uint,
  acked: offsetRuns,
  /** Never handed to a handler: the attempt does not count. */
  undelivered: offsetRuns,
  expired: offsetRuns,
  returned: list(returned),
});

export type EndedPart = ValueOf<typeof ended>;

/** Leases ended, and how. */
export const leasesEnded = entryType({
  kind: 36,
  name: 'leases-ended',
  fields: { parts: list(ended), timeMs: uint },
});

const diedFor = (reason: Field<DeathReason>) => struct({ offset: uint, reason, error: text });

const died = diedFor(choice(DEATH_REASONS));

export type DiedRecord = Readonly<ValueOf<typeof died>>;

const diedFields = (record: typeof died) => ({
  ...groupFields,
  partition: uint,
  records: list(record),
  /** Whether they stay here as dead. */
  isKept: flag,
  timeMs: uint,
});

/** As it was before records were archived. */
const diedAlone = diedFor(
  upgraded(choice(['failures', 'lease-expired', 'crash', 'rejected']), (reason) => reason),
);

/**
 * Records are given up. With a dead-letter queue, or an archive, in one commit with the copies that it gets.
 */
export const recordsDied = entryType({ kind: 37, name: 'records-died', fields: diedFields(died) }, [
  struct(diedFields(diedAlone)),
]);

/** Records that nobody has leased are settled: they were cancelled, moved, or are not there. */
export const recordsRemoved = entryType({
  kind: 38,
  name: 'records-removed',
  fields: {
    ...groupFields,
    partition: uint,
    offsets: offsetRuns,
    cause: choice(['cancelled', 'redriven', 'missing']),
  },
});

/** Dead records that were kept are ready again, as if they were new. */
export const recordsRevived = entryType({
  kind: 39,
  name: 'records-revived',
  fields: { ...groupFields, partition: uint, offsets: offsetRuns },
});

export const sharePaused = entryType({
  kind: 40,
  name: 'share-paused',
  fields: { ...groupFields, isPaused: flag },
});

/** All that is ready or delayed below `endOffset` is settled; it can be undone. */
export const sharePurged = entryType({
  kind: 41,
  name: 'share-purged',
  fields: {
    ...groupFields,
    parts: list(struct({ partition: uint, endOffset: uint })),
    timeMs: uint,
  },
});

export const purgeUndone = entryType({
  kind: 42,
  name: 'purge-undone',
  fields: groupFields,
});

/** Retention, or a deletion by hand, passed the group: what is not leased below is gone. */
export const shareTrimmed = entryType({
  kind: 43,
  name: 'share-trimmed',
  fields: { ...groupFields, partition: uint, startOffset: uint },
});

export const SHARE_ENTRY_TYPES = [
  shareGroupCreated,
  shareGroupAltered,
  shareGroupDeleted,
  shareStarted,
  leasesOpened,
  recordsAcquired,
  leasesEnded,
  recordsDied,
  recordsRemoved,
  recordsRevived,
  sharePaused,
  sharePurged,
  purgeUndone,
  shareTrimmed,
];
