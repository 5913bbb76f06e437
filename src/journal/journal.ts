/**
 * The journal of a store: every change of state, in one log, and the state that the changes add up
 * to.
 *
 * A change is decided, journaled, then applied: when its entry is written, in the order of the
 * journal, before any caller hears of it. Not earlier, for a full disk takes entries back; not when
 * it is synced, or an entry that need not be would wait for one that must.
 */
import { toError } from '../core/abort.ts';
import { assert, present } from '../core/assert.ts';
import { RECORD_BYTES_LIMIT } from '../core/limits.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { LogObserver } from '../log/log-home.ts';
import type { LogStats } from '../log/log-stats.ts';
import type { Log } from '../log/log.ts';
import type { EntryRegistry, EntryType } from './entry-type.ts';
import type { Fold } from './fold.ts';
import { badEntry, findRuns, readEntries, RunReader, type PlacedEntry } from './journal-scan.ts';

/** Largest entry, encoded. */
export const ENTRY_BYTES_MAX = RECORD_BYTES_LIMIT - 1024;

export interface JournalOptions {
  readonly registry: EntryRegistry;
  readonly fold: Fold;
}

export class Journal implements LogObserver {
  /** Bytes of entries behind the newest run that was found, and appended since: never going back. */
  writtenBytes = 0;
  readonly #registry: EntryRegistry;
  readonly #fold: Fold;
  #log: Log<Uint8Array> | null = null;
  /** Journaled and not yet written, oldest first. */
  #pending: PlacedEntry[] = [];
  #appliedOffset = 0;
  #runBeginOffsets: readonly number[] = [];
  #onGrown: (() => void) | null = null;
  /** Why an entry that was decided could not be applied: nothing may be decided any more. */
  #broken: Error | null = null;

  constructor({ registry, fold }: JournalOptions) {
    this.#registry = registry;
    this.#fold = fold;
  }

  /** Entries below are applied. */
  get appliedOffset(): number {
    return this.#appliedOffset;
  }

  /** Where the newest complete snapshot runs began, oldest first: at most two, found by `load`. */
  get runBeginOffsets(): readonly number[] {
    return this.#runBeginOffsets;
  }

  /** Why nothing can be decided any more; null = it can. */
  get broken(): Error | null {
    return this.#broken;
  }

  /** Bytes of the files. */
  get sizeBytes(): number {
    return this.#open.stats().sizeBytes;
  }

  /**
   * Takes the log whose observer it is, and folds it: from the newest complete snapshot run on, or
   * from the start when there is none.
   *
   * @throws CorruptLogError when an entry is damaged or does not fit the state;
   *   UnsupportedVersionError for an entry of a newer Varve; as `Log.batches`
   */
  async load(log: Log<Uint8Array>): Promise<void> {
    assert(this.#log === null, 'a journal is loaded once');
    const runs = await findRuns(log, this.#registry);
    const newest = runs.at(-1) ?? null;
    this.#runBeginOffsets = runs.slice(-2).map(({ beginOffset }) => beginOffset);
    if (newest !== null) {
      const parts = new RunReader(newest);
      await this.#each(log, newest.beginOffset, ({ entry, offset }) => {
        if (offset >= newest.endOffset) return; // Read again below, to be applied.
        const part = parts.add(entry);
        if (part !== null) this.#fold.restore(part, newest.endOffset);
        if (offset === newest.endOffset - 1) parts.end();
      });
    }
    this.#appliedOffset = newest?.beginOffset ?? log.startOffset;
    await this.#each(log, this.#appliedOffset, (placed) => {
      this.#apply(placed);
      this.writtenBytes += placed.sizeBytes;
    });
    this.#log = log;
  }

  /**
   * Journals an entry.
   *
   * @returns its offset, when it is applied and has reached `durability`
   * @throws as `Log.append`
   */
  async append<E>(type: EntryType<E>, entry: E, durability: DurabilityLevel): Promise<number> {
    const log = this.#open;
    this.#checkSound();
    const value = this.#registry.encode(type, entry);
    const offset = log.endOffset;
    const appended = log.append({ value }, { durability });
    // Refused at once, it has no offset.
    if (log.endOffset > offset) {
      const sizeBytes = value.length;
      this.#pending.push({ offset, sizeBytes, entry: { type, value: entry } });
      this.writtenBytes += sizeBytes;
    }
    await appended;
    this.#checkSound();
    return offset;
  }

  written(offset: number): void {
    let count = 0;
    for (const placed of this.#pending) {
      if (placed.offset >= offset) break;
      count++;
      this.#applyLive(placed);
    }
    this.#pending.splice(0, count);
    this.#onGrown?.();
  }

  /** Calls `callback`, which must not throw, after each write of entries. */
  watch(callback: () => void): void {
    this.#onGrown = callback;
  }

  takenBack(offset: number): void {
    this.#pending = this.#pending.filter((pending) => pending.offset < offset);
  }

  /** Offset of the first entry that was journaled at or after `timeMs`; the end when there is none. */
  async offsetAt(timeMs: number): Promise<number> {
    const from = { timestamp: Math.max(0, timeMs) };
    for await (const batch of this.#open.batches({ from, limit: 1 })) return batch.baseOffset;
    return this.#open.visibleOffset;
  }

  /** Forgets entries below `offset`. @throws as `Log.deleteBefore` */
  async deleteBefore(offset: number): Promise<void> {
    await this.#open.deleteBefore(offset);
  }

  stats(): LogStats {
    return this.#open.stats();
  }

  /** Closes its log. @throws as `Log.close` */
  async close(): Promise<void> {
    await this.#log?.close();
  }

  #checkSound(): void {
    if (this.#broken !== null) throw this.#broken;
  }

  get #open(): Log<Uint8Array> {
    return present(this.#log, 'the journal is loaded');
  }

  async #each(
    log: Log<Uint8Array>,
    from: number,
    take: (placed: PlacedEntry) => void,
  ): Promise<void> {
    for await (const placed of readEntries(log, this.#registry, from)) {
      try {
        take(placed);
      } catch (cause) {
        throw badEntry(log.path, placed.offset, cause);
      }
    }
  }

  #applyLive(placed: PlacedEntry): void {
    if (this.#broken !== null) return;
    try {
      this.#apply(placed);
    } catch (error) {
      this.#broken = toError(error); // A bug: whoever decided it asked the same state.
    }
  }

  #apply({ entry, offset }: PlacedEntry): void {
    this.#fold.apply(entry, offset);
    this.#appliedOffset = offset + 1;
  }
}
