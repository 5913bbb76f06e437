/** The entries of a snapshot run: the state of everything, written between live entries. */
import { bytes, text, uint } from './entry-fields.ts';
import { entryType } from './entry-type.ts';

/** A run begins. Commits from `from` on were not all synced in their own logs. */
export const runBegin = entryType({ kind: 2, name: 'run-begin', fields: { run: uint, from: uint } });

/** An instance as it was before the entry at `from`. */
export const runPart = entryType({
  kind: 3,
  name: 'run-part',
  fields: { run: uint, reducer: text, id: text, from: uint, state: bytes },
});

/** The run is whole: recovery may begin at the entry at `beginOffset`. */
export const runEnd = entryType({
  kind: 4,
  name: 'run-end',
  fields: { run: uint, beginOffset: uint, partCount: uint },
});
