/** How far each stream of each exchange is projected: a fold over what the journal says of it. */
import { map, nullable, struct, uint, type ValueOf } from '../journal/entry-fields.ts';
import { begins, changes, ends, type Reducer } from '../journal/fold.ts';
import { exchangeCreated } from './exchange-entries.ts';
import {
  backfillBegun,
  backfillCut,
  logMarkFields,
  projectionEnded,
  projectionMarked,
} from './projection-entries.ts';

/** The stream that all bindings share; others have the id of a binding. */
export const COMMON_STREAM = 0;

const logMark = struct(logMarkFields);

export type LogMark = Readonly<ValueOf<typeof logMark>>;

const projectionState = struct({
  exchangeId: uint,
  stream: uint,
  /** Everything of the source below is in all logs that are not behind, as far as it belongs there. */
  position: uint,
  /** By log id. */
  logs: map(uint, logMark),
  /** Records that destinations were let off. */
  skippedCount: uint,
  /** Of a backfill: records of this version and later ones are not the past; null = common stream. */
  beforeVersion: nullable(uint),
});

export type ProjectionState = ValueOf<typeof projectionState>;

export interface StreamName {
  readonly exchangeId: number;
  readonly stream: number;
}

/** Id of the instance of a stream. */
export function streamId({ exchangeId, stream }: StreamName): string {
  return `${exchangeId}/${stream}`;
}

/** One instance per stream. */
export const projections: Reducer<ProjectionState> = {
  name: 'projection',
  state: projectionState,
  rules: [
    begins(exchangeCreated, {
      id: ({ exchangeId }) => streamId({ exchangeId, stream: COMMON_STREAM }),
      begin: ({ exchangeId }) => begun({ exchangeId, stream: COMMON_STREAM }, 0, null),
    }),
    begins(backfillBegun, {
      id: ({ exchangeId, bindingId }) => streamId({ exchangeId, stream: bindingId }),
      begin: ({ exchangeId, bindingId, fromOffset, version }) =>
        begun({ exchangeId, stream: bindingId }, fromOffset, version),
    }),
    changes(projectionMarked, {
      id: streamId,
      apply(state: ProjectionState, { position, logs, goneLogIds, skippedCount }) {
        state.position = Math.max(state.position, position);
        for (const { logId, ...mark } of logs) state.logs.set(logId, mark);
        for (const logId of goneLogIds) state.logs.delete(logId);
        state.skippedCount += skippedCount;
        return state;
      },
    }),
    ends(projectionEnded, { id: streamId }),
    ends(backfillCut, { id: streamId }),
  ],
};

/** How far a marked log is at least. @param common  position of those that are not behind */
export function markedPosition(common: number, { position, isBehind }: LogMark): number {
  return isBehind ? position : Math.max(common, position);
}

/** Everything of the source below was projected, durably as far as the mark is. */
export function lowestPosition(state: ProjectionState): number {
  let lowest = state.position;
  const { position } = state;
  for (const mark of state.logs.values()) lowest = Math.min(lowest, markedPosition(position, mark));
  return lowest;
}

function begun(name: StreamName, position: number, beforeVersion: number | null): ProjectionState {
  return { ...name, position, logs: new Map(), skippedCount: 0, beforeVersion };
}
