/**
 * Writes the state of a store into its journal now and then, so that opening it reads a part of the
 * journal, and what lies before can go.
 *
 * Live entries go on meanwhile: each instance is copied at one moment, and its part says which
 * entries are not in it. A run that a crash cut short has no end entry and counts for nothing.
 */
import { randomId, type Random } from '../core/random.ts';
import { nextTurn, type Clock } from '../core/clock.ts';
import { GIB, MIB } from '../core/limits.ts';
import type { Fold, PartName, StateCopy } from './fold.ts';
import type { Journal } from './journal.ts';
import { runBegin, runEnd, runPart } from './snapshot-entries.ts';

/** A run begins when the journal has grown by so much... */
const GROWTH_BYTES_MIN = 64 * MIB;
/** ...or by so many times the last run, whichever is more: runs cost a fifth of the journal at most. */
const GROWTH_PER_RUN_BYTE = 4;
/** So much is copied before it is written: live entries wait behind it in one write. */
const SLICE_BYTES = 256 * 1024;
/** A sync at the latest after so much: what is not synced counts as waiting, and shuts others out. */
const UNSYNCED_BYTES_MAX = 4 * MIB;
/** A larger state is cut into pieces of this size. */
const PIECE_BYTES_MAX = MIB;

/** How much of the journal is kept when it is not needed any more. */
export interface JournalRetention {
  /** Entries younger than this are kept, ms... */
  readonly retentionMs: number;
  /** ...while the journal is not larger than this, bytes. */
  readonly retentionBytes: number;
}

export const JOURNAL_RETENTION: JournalRetention = {
  retentionMs: 24 * 60 * 60 * 1000,
  retentionBytes: GIB,
};

export interface SnapshotRunsOptions {
  readonly journal: Journal;
  readonly fold: Fold;
  /** Says how old entries are. */
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly retention: JournalRetention;
  /** Has every commit that is journaled by now synced in its logs: recovery will not look for it. */
  readonly settleCommits: () => Promise<void>;
}

export class SnapshotRuns {
  readonly #options: SnapshotRunsOptions;
  /** Begins of the newest complete runs, oldest first; two are enough. */
  #beginOffsets: readonly number[];
  /** `Journal.writtenBytes` at the end of the last run; 0 = of the run that was there at opening. */
  #bytesAtEnd = 0;
  #lastRunBytes = 0;
  #running: Promise<void> | null = null;
  /** Why the last run failed; null when it did not. */
  lastError: unknown = null;
  /** Called with each failure in the background. Must not throw. */
  onFailed: (error: unknown) => void = () => undefined;

  /** The journal is loaded. */
  constructor(options: SnapshotRunsOptions) {
    this.#options = options;
    this.#beginOffsets = options.journal.runBeginOffsets;
  }

  /** Begins a run in the background when it is time. Cheap: call it after each entry. */
  poke(): void {
    const { journal } = this.#options;
    const grownBytes = journal.writtenBytes - this.#bytesAtEnd;
    const dueBytes = Math.max(GROWTH_BYTES_MIN, GROWTH_PER_RUN_BYTE * this.#lastRunBytes);
    if (this.#running !== null || grownBytes < dueBytes) return;
    this.run().catch((error: unknown) => {
      this.lastError = error;
      this.onFailed(error);
    });
  }

  /** Writes a whole run now, or waits for the one that is being written. @throws as `Log.append` */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // Also of one that failed: on a full disk each entry would begin the next.
      this.#bytesAtEnd = this.#options.journal.writtenBytes;
    });
    return this.#running;
  }

  /**
   * Lets go of entries that are kept only to be looked at: the disk is full. Waits for no run, which may
   * itself wait for room, in a log that a commit goes to. Never rejects.
   */
  async giveUpHistory(): Promise<void> {
    const [needed] = this.#beginOffsets;
    if (needed === undefined || this.#beginOffsets.length < 2) return;
    // A journal that cannot do it says why in its own figures.
    await this.#options.journal.deleteBefore(needed).catch(() => undefined);
  }

  /** Waits for a run in progress, whatever becomes of it. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { journal, fold, random } = this.#options;
    const run = randomId(random);
    const startBytes = journal.writtenBytes;
    const beginOffset = await journal.append(runBegin, { run }, 'os');
    const writer = new RunWriter(journal, run);
    for (const copy of fold.copies(() => journal.appliedOffset)) await writer.add(copy);
    await writer.written();
    const { pieceCount } = writer;
    await this.#options.settleCommits();
    await journal.append(runEnd, { run, beginOffset, pieceCount }, 'sync');
    this.#lastRunBytes = journal.writtenBytes - startBytes;
    this.#beginOffsets = [...this.#beginOffsets, beginOffset].slice(-2);
    this.lastError = null;
    await this.#trim();
  }

  /** Lets go of what recovery needs from no run, the newest or the one before, and nobody else. */
  async #trim(): Promise<void> {
    const { journal, clock, retention } = this.#options;
    const [needed = 0] = this.#beginOffsets;
    if (this.#beginOffsets.length < 2) return; // Should the newest be damaged, all of it is needed.
    const { retentionMs, retentionBytes } = retention;
    const isLarge = journal.sizeBytes > retentionBytes;
    const keptFrom = isLarge ? needed : await journal.offsetAt(clock.now() - retentionMs);
    await journal.deleteBefore(Math.min(needed, keptFrom));
  }
}

/** Appends the parts of a run. */
class RunWriter {
  readonly #journal: Journal;
  readonly #run: number;
  pieceCount = 0;
  /** What was appended, and is not known to be written. */
  #slice: Promise<unknown>[] = [];
  #sliceBytes = 0;
  #unsyncedBytes = 0;

  constructor(journal: Journal, run: number) {
    this.#journal = journal;
    this.#run = run;
  }

  /** Gives turns back while a large state is encoded: it is of a copy. @throws as `Log.append` */
  async add({ pieces, ...name }: StateCopy): Promise<void> {
    for (;;) {
      const { value, done = false } = pieces.next();
      for (const piece of cut(value, done)) {
        this.#append(name, piece);
        if (this.#sliceBytes >= SLICE_BYTES) await this.written();
      }
      if (done) return;
      await nextTurn();
    }
  }

  /** Waits for what was appended. @throws as `Log.append` */
  async written(): Promise<void> {
    const slice = this.#slice;
    this.#slice = [];
    this.#sliceBytes = 0;
    await Promise.all(slice);
  }

  #append(name: PartName, piece: Piece): void {
    const { length } = piece.state;
    this.pieceCount++;
    this.#sliceBytes += length;
    this.#unsyncedBytes += length;
    const isDue = this.#unsyncedBytes >= UNSYNCED_BYTES_MAX;
    if (isDue) this.#unsyncedBytes = 0;
    const part = { run: this.#run, ...name, ...piece };
    const appended = this.#journal.append(runPart, part, isDue ? 'sync' : 'os');
    appended.catch(() => undefined); // `written` says so, some turns later.
    this.#slice.push(appended);
  }
}

interface Piece {
  readonly state: Uint8Array;
  readonly isLast: boolean;
}

/** @param isEnd  whether nothing follows */
function* cut(state: Uint8Array, isEnd: boolean): Generator<Piece, void, void> {
  let at = 0;
  for (; at + PIECE_BYTES_MAX < state.length; at += PIECE_BYTES_MAX) {
    yield { state: state.subarray(at, at + PIECE_BYTES_MAX), isLast: false };
  }
  if (isEnd || at < state.length) yield { state: state.subarray(at), isLast: isEnd };
}
