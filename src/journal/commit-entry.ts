/** A commit as it stands in the journal: entries of any kind, and the records that it appends. */
import { bytes, list, struct, uint, type ValueOf } from './entry-fields.ts';
import { entryType } from './entry-type.ts';
import { sets, type Reducer } from './fold.ts';

/** Records for one log, and everything of their frames that depends on the moment of the commit. */
const commitAppend = struct({
  logId: uint,
  baseOffset: uint,
  recordCount: uint,
  appendTimeMs: uint,
  /** Of the log: its writer's when the offsets were given. */
  epoch: uint,
  /** As in a batch, uncompressed: record headers, keys, values, headers. */
  records: bytes,
});

export type CommitAppend = Readonly<ValueOf<typeof commitAppend>>;

/** One record of the journal, so one batch: all of it is there after a crash, or nothing. */
export const commit = entryType({
  kind: 1,
  name: 'commit',
  fields: { entries: list(bytes), appends: list(commitAppend) },
});

export type CommitEntry = ValueOf<(typeof commit)['fields'][number]>;

const logState = struct({ namedOffset: uint });

/**
 * First offset after those that the journal gave to each log. None of them is ever given again,
 * also when the log itself lost them in a power cut.
 */
export const namedOffsets: Reducer<ValueOf<typeof logState>> = {
  name: 'log',
  state: logState,
  rules: [
    sets(commit, {
      id: ({ appends }) => appends.map(({ logId }) => String(logId)),
      set(state, { appends }, id) {
        const ends = appends
          .filter(({ logId }) => String(logId) === id)
          .map(({ baseOffset, recordCount }) => baseOffset + recordCount);
        return { namedOffset: Math.max(state?.namedOffset ?? 0, ...ends) };
      },
    }),
  ],
};
