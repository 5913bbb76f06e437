/** What the journal knows of deduplication: how the fingerprints of a topic are made, and since which offsets. */
import { choice, list, map, struct, uint, type ValueOf } from '../journal/entry-fields.ts';
import { entryType } from '../journal/entry-type.ts';
import { forgets, sets, type Reducer } from '../journal/fold.ts';
import { DEDUP_BY, DEDUP_SCOPES } from './dedup-options.ts';
import { topicDeleted, topicDeleting } from './topic-state.ts';

/** What a fingerprint means: those of another choice, or of another seed, cannot be compared. */
const meaningFields = { by: choice(DEDUP_BY), scope: choice(DEDUP_SCOPES), seed: uint };

/** Records have fingerprints from now on; those that had some before mean something else. */
export const dedupBegun = entryType({
  kind: 65,
  name: 'dedup-begun',
  fields: {
    topicId: uint,
    ...meaningFields,
    /** No fingerprint that counts stands below the offset. A log that is not named is younger. */
    logs: list(struct({ logId: uint, offset: uint })),
    timeMs: uint,
  },
});

const dedupBegin = struct({
  ...meaningFields,
  /** Offsets by log id; others begin at 0. */
  logs: map(uint, uint),
  timeMs: uint,
});

export type DedupBegin = ValueOf<typeof dedupBegin>;

const topicIdOf = ({ topicId }: { readonly topicId: number }) => String(topicId);

/** One instance per topic to which an id was sent, by its id: what was said last. */
export const dedupBegins: Reducer<DedupBegin> = {
  name: 'dedup-begin',
  state: dedupBegin,
  rules: [
    sets(dedupBegun, {
      id: topicIdOf,
      set: (_state: DedupBegin | null, { by, scope, seed, logs, timeMs }) => ({
        by,
        scope,
        seed,
        logs: new Map(logs.map(({ logId, offset }) => [logId, offset])),
        timeMs,
      }),
    }),
    // Most topics have none. One that is on its way while the topic goes must not stay for ever.
    forgets(topicDeleting, { id: topicIdOf }),
    forgets(topicDeleted, { id: topicIdOf }),
  ],
};
