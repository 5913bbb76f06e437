/** The entries of a snapshot run: the state of everything, written between live entries. */
import { bytes, flag, text, uint, type ValueOf } from './entry-fields.ts';
import { entryType } from './entry-type.ts';

/** A run begins: entries before it are in all of its parts. */
export const runBegin = entryType({ kind: 2, name: 'run-begin', fields: { run: uint } });

/** An instance as it was before the entry at `from`, or a piece of one that is large. */
export const runPart = entryType({
  kind: 3,
  name: 'run-part',
  fields: { run: uint, reducer: text, id: text, from: uint, state: bytes, isLast: flag },
});

/** The run is whole: recovery may begin at the entry at `beginOffset`. */
export const runEnd = entryType({
  kind: 4,
  name: 'run-end',
  fields: { run: uint, beginOffset: uint, pieceCount: uint },
});

export type RunPart = Readonly<ValueOf<(typeof runPart)['fields'][number]>>;
export type RunEnd = Readonly<ValueOf<(typeof runEnd)['fields'][number]>>;
