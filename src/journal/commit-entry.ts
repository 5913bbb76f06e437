/** A commit as it stands in the journal: changes of state, and the records that it appends. */
import { bytes, list, struct, uint, type ValueOf } from './entry-fields.ts';
import { entryType } from './entry-type.ts';

/** What one log gets. */
const commitAppend = struct({
  logId: uint,
  baseOffset: uint,
  /** First offset after its records. */
  nextOffset: uint,
  /** Whole batches, as they were encoded: where they stand in the log's files may differ later. */
  batches: bytes,
});

export type CommitAppend = Readonly<ValueOf<typeof commitAppend>>;

/** One record of the journal, and so in one batch: after a crash all of it is there, or nothing. */
export const commitEntry = entryType({
  kind: 1,
  name: 'commit',
  fields: { entries: list(bytes), appends: list(commitAppend) },
});
