/** The state that the entries of a journal add up to, without the help of any snapshot run. */
import { join } from 'node:path';

import { bytes } from '../../../../src/codec/codec.ts';
import { ManualClock } from '../../../../src/core/clock.ts';
import { JOURNAL_DIRECTORY } from '../../../../src/format/file-names.ts';
import { commitEntry } from '../../../../src/journal/commit-entry.ts';
import { entryOf, EntryRegistry } from '../../../../src/journal/entry-type.ts';
import { Fold } from '../../../../src/journal/fold.ts';
import { eachEntry } from '../../../../src/journal/journal-scan.ts';
import { openLog } from '../../../../src/log/open-log.ts';
import { ENTRY_TYPES, REDUCERS } from '../../../../src/store/store-state.ts';
import type { FaultyFileSystem } from '../../faulty-file-system.ts';
import { STORE_PATH } from '../../store-fixture.ts';

/** Null when the journal has let go of its first entries. */
export async function hashOfEntries(fileSystem: FaultyFileSystem): Promise<string | null> {
  return (await foldOfEntries(fileSystem))?.hash() ?? null;
}

/** Null when the journal has let go of its first entries. Entries that do not fit change nothing. */
export async function foldOfEntries(fileSystem: FaultyFileSystem): Promise<Fold | null> {
  const path = join(STORE_PATH, JOURNAL_DIRECTORY);
  const clock = new ManualClock();
  const log = await openLog(path, { fileSystem, clock, codec: bytes, readOnly: true });
  const registry = new EntryRegistry(ENTRY_TYPES);
  const fold = new Fold(REDUCERS);
  try {
    if (log.startOffset > 0) return null;
    const onLost = (damage: Error): void => {
      throw damage;
    };
    await eachEntry({ log, registry, from: 0, onLost }, ({ entry, offset }) => {
      const commit = entryOf(commitEntry, entry);
      const all = commit?.entries.map((encoded) => registry.decode(encoded)) ?? [entry];
      for (const one of all) fold.apply(one, offset);
    });
    return fold;
  } finally {
    await log.close();
  }
}
