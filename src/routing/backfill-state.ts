/**
 * What each backfill gave, or will have given when it ends: a fold over what the journal says of it. It
 * is kept as long as its binding is known, because a later backfill must not give the same once more.
 */
import { map, nullable, struct, uint, type ValueOf } from '../journal/entry-fields.ts';
import { begins, ends, sets, type Fold, type Reducer } from '../journal/fold.ts';
import { backfillBegun, backfillCut, backfillsForgotten } from './projection-entries.ts';
import { streamId } from './projection-state.ts';

const backfillState = struct({
  exchangeId: uint,
  bindingId: uint,
  /** Records of the source from here on, */
  fromOffset: uint,
  /** and of earlier versions than this one. */
  beforeVersion: uint,
  /**
   * By log id: below which position of the source that is so, if it was cut; to logs that are not named
   * it gave nothing. Null = it was not cut.
   */
  cutLogs: nullable(map(uint, uint)),
});

export type BackfillState = ValueOf<typeof backfillState>;

/** One instance per stream. */
export const backfills: Reducer<BackfillState> = {
  name: 'backfill',
  state: backfillState,
  rules: [
    begins(backfillBegun, {
      id: ({ exchangeId, bindingId }) => streamId({ exchangeId, stream: bindingId }),
      begin: ({ exchangeId, bindingId, fromOffset, version: beforeVersion }) => ({
        exchangeId,
        bindingId,
        fromOffset,
        beforeVersion,
        cutLogs: null,
      }),
    }),
    // Of one that a journal of before they were kept began nothing is known.
    sets(backfillCut, {
      id: streamId,
      set(state: BackfillState | null, { logs }) {
        const cutLogs = new Map(logs.map(({ logId, position }) => [logId, position]));
        return state === null ? null : { ...state, cutLogs };
      },
    }),
    ends(backfillsForgotten, { id: ({ streams }) => streams.map(streamId) }),
  ],
};

/** Whether a binding was made with a past. */
export function hasPast(fold: Fold, bindingId: number): boolean {
  return fold.ids(backfills).some((id) => fold.get(backfills, id)?.bindingId === bindingId);
}
