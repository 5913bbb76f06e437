/** What the journal says of how far exchanges are projected. Numbers 57 to 61. */
import { flag, list, struct, uint } from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';

/** How far the projection of an exchange has come in one destination log. */
export const logMarkFields = {
  topicId: uint,
  partition: uint,
  /** Everything of the source below is in this log, as far as it belongs there. */
  position: uint,
  /** What was projected behind this offset of the log speaks for itself. */
  endOffset: uint,
  /** Left behind by the others: `position` alone says how far it is. */
  isBehind: flag,
};

/**
 * How far a stream of an exchange has come: the common one (0), or that of a binding with a backfill.
 * It never says more of a log than is synced there.
 */
export const projectionMarked = entryType({
  kind: 57,
  name: 'projection-marked',
  fields: {
    exchangeId: uint,
    stream: uint,
    /** As far as all logs are that are not behind. */
    position: uint,
    /** Those of which there is something new to say. */
    logs: list(struct({ logId: uint, ...logMarkFields })),
    /** Logs that nothing leads to any more. */
    goneLogIds: list(uint),
    /** Records that a destination was let off, since the mark before. */
    skippedCount: uint,
  },
});

/** A binding that has just been made gets the past of an exchange, from an offset on. */
export const backfillBegun = entryType({
  kind: 58,
  name: 'backfill-begun',
  fields: {
    exchangeId: uint,
    bindingId: uint,
    fromOffset: uint,
    /** Of the binding: records of it and later ones are not the past. */
    version: uint,
    timeMs: uint,
  },
});

/** A stream has come to its end: a backfill that gave everything, or that of an exchange that was deleted. */
export const projectionEnded = entryType({
  kind: 59,
  name: 'projection-ended',
  fields: { exchangeId: uint, stream: uint, timeMs: uint },
});

/** A backfill ends before it gave everything: its binding was taken away. Its stream is over. */
export const backfillCut = entryType({
  kind: 60,
  name: 'backfill-cut',
  fields: {
    exchangeId: uint,
    /** The binding. */
    stream: uint,
    /** What of the source below is in each log, as far as it belongs there; others got nothing. */
    logs: list(struct({ logId: uint, position: uint })),
    timeMs: uint,
  },
});

/** Nobody will ask again what backfills gave. */
export const backfillsForgotten = entryType({
  kind: 61,
  name: 'backfills-forgotten',
  fields: { streams: list(struct({ exchangeId: uint, stream: uint })) },
});

/** Everything that the journal says of projections. */
export const PROJECTION_ENTRY_TYPES = [
  projectionMarked,
  backfillBegun,
  projectionEnded,
  backfillCut,
  backfillsForgotten,
];
