/** Journals of a store on a disk of the tests, without a store around them. */
import { bytes } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { EntryRegistry, type ReadEntry } from '../../src/journal/entry-type.ts';
import { Fold } from '../../src/journal/fold.ts';
import { ENTRY_BYTES_MAX, Journal } from '../../src/journal/journal.ts';
import { JOURNAL_RETENTION, SnapshotRuns } from '../../src/journal/snapshot-run.ts';
import { ownHome } from '../../src/log/log-home.ts';
import type { Log } from '../../src/log/log.ts';
import { resolveLogOptions } from '../../src/log/log-options.ts';
import { openLogIn } from '../../src/log/open-log.ts';
import { ENTRY_TYPES, REDUCERS } from '../../src/store/open-store.ts';

export const registry = new EntryRegistry(ENTRY_TYPES);

/** Remembers its hash after each entry. */
export class WatchedFold extends Fold {
  /** By how many entries had been applied. */
  readonly hashes: string[] = [this.hash()];

  constructor() {
    super(REDUCERS);
  }

  override apply(entry: ReadEntry, offset: number): void {
    super.apply(entry, offset);
    this.hashes[offset + 1] = this.hash();
  }
}

export interface OpenJournal {
  readonly fold: WatchedFold;
  readonly journal: Journal;
  readonly runs: SnapshotRuns;
  readonly log: Log<Uint8Array>;
}

export class JournalBench {
  readonly fileSystem = new MemoryFileSystem();
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);

  async open(): Promise<OpenJournal> {
    const { fileSystem, clock, random } = this;
    const fold = new WatchedFold();
    const journal = new Journal({ registry, fold });
    const recordBytesMax = ENTRY_BYTES_MAX;
    const settings = resolveLogOptions({ fileSystem, clock, random, codec: bytes, recordBytesMax });
    const home = {
      ...ownHome(settings),
      observer: journal,
      keepReserve: () => Promise.resolve(), // A MiB each time, which takes longer than the rest.
    };
    const log = await openLogIn('/journal', settings, home);
    await journal.load(log);
    const retention = JOURNAL_RETENTION;
    return {
      fold,
      journal,
      log,
      runs: new SnapshotRuns({ journal, fold, clock, random, retention }),
    };
  }
}
