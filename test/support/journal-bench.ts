/** Journals of a store on a disk of the tests, without a store around them. */
import { bytes } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SEGMENT_BYTES_MAX } from '../../src/core/limits.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { EntryRegistry, type ReadEntry } from '../../src/journal/entry-type.ts';
import { Fold } from '../../src/journal/fold.ts';
import { ENTRY_BYTES_MAX, Journal } from '../../src/journal/journal.ts';
import {
  JOURNAL_RETENTION,
  SnapshotRuns,
  type JournalRetention,
} from '../../src/journal/snapshot-run.ts';
import { ownHome } from '../../src/log/log-home.ts';
import type { Log } from '../../src/log/log.ts';
import { resolveLogOptions } from '../../src/log/log-options.ts';
import { openLogIn } from '../../src/log/open-log.ts';
import { ENTRY_TYPES, REDUCERS } from '../../src/store/store-state.ts';

export const registry = new EntryRegistry(ENTRY_TYPES);

/** Remembers its hash after each entry. */
export class WatchedFold extends Fold {
  /** By how many entries had been applied. */
  readonly hashes: string[] = [this.hash()];

  constructor() {
    super(REDUCERS);
  }

  override apply(entry: ReadEntry, offset: number): string | null {
    const misfit = super.apply(entry, offset);
    this.hashes[offset + 1] = this.hash();
    return misfit;
  }
}

export interface OpenJournal {
  readonly fold: WatchedFold;
  readonly journal: Journal;
  readonly runs: SnapshotRuns;
  readonly log: Log<Uint8Array>;
}

export interface JournalBenchOptions {
  readonly retention: JournalRetention;
  readonly segmentBytesMax: number;
}

export class JournalBench {
  fileSystem: FileSystem;
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);
  readonly #options: JournalBenchOptions;

  constructor(
    fileSystem: FileSystem = new MemoryFileSystem(),
    options: Partial<JournalBenchOptions> = {},
  ) {
    this.fileSystem = fileSystem;
    const { retention = JOURNAL_RETENTION, segmentBytesMax = SEGMENT_BYTES_MAX } = options;
    this.#options = { retention, segmentBytesMax };
  }

  async open(): Promise<OpenJournal> {
    const { fileSystem, clock, random } = this;
    const { retention, segmentBytesMax } = this.#options;
    const fold = new WatchedFold();
    const journal = new Journal({ registry, fold });
    const recordBytesMax = ENTRY_BYTES_MAX;
    const shared = { fileSystem, clock, random, codec: bytes, recordBytesMax };
    const settings = resolveLogOptions({ ...shared, segmentBytesMax });
    const home = {
      ...ownHome(settings),
      observer: journal,
      keepReserve: () => Promise.resolve(), // A MiB each time, which takes longer than the rest.
    };
    const log = await openLogIn('/journal', settings, home);
    await journal.load(log);
    return {
      fold,
      journal,
      log,
      runs: new SnapshotRuns({
        journal,
        fold,
        clock,
        random,
        retention,
        settleCommits: () => Promise.resolve(), // There are no logs.
      }),
    };
  }
}
