/** What an entry of the journal says: one change of state, or all of a commit. */
import { commitEntry, type CommitAppend } from './commit-entry.ts';
import { entryOf, type EntryRegistry, type ReadEntry } from './entry-type.ts';

export interface EntryContent {
  readonly changes: readonly ReadEntry[];
  readonly appends: readonly Pick<CommitAppend, 'logId' | 'nextOffset'>[];
}

/** A change with its bytes, encoded before it meets others in a commit. */
interface Encoded extends ReadEntry {
  readonly bytes: Uint8Array;
}

const NOTHING: EntryContent['appends'] = [];

/** An entry that is one change. */
export function contentOfChange(change: ReadEntry): EntryContent {
  return { changes: [change], appends: NOTHING };
}

/** @throws BadEntryError; NewerEntryError */
export function contentOf(registry: EntryRegistry, entry: ReadEntry): EntryContent {
  const commit = entryOf(commitEntry, entry);
  if (commit === null) return contentOfChange(entry);
  return {
    changes: commit.entries.map((bytes) => registry.decode(bytes)),
    appends: commit.appends,
  };
}

/** What stands in the journal: a change alone is no commit. Good until the next entry is encoded. */
export function bytesOf(
  registry: EntryRegistry,
  changes: readonly Encoded[],
  appends: readonly CommitAppend[],
): Uint8Array {
  const [only] = changes;
  if (only !== undefined && changes.length === 1 && appends.length === 0) return only.bytes;
  const entries = changes.map(({ bytes }) => bytes);
  return registry.encodeView(commitEntry, { entries, appends: [...appends] });
}
