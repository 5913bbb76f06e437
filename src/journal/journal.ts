/**
 * The journal of a store: every change of state, in one log, and the state that the changes add up
 * to.
 *
 * A change is decided, journaled, then applied: when its entry is written, in the order of the
 * journal, before any caller hears of it. Not earlier, for a full disk takes entries back; not when it is
 * synced, or an entry that need not be would wait for one that must.
 */
import { assert } from '../core/assert.ts';
import { CorruptLogError, UnsupportedVersionError } from '../core/errors.ts';
import { RECORD_BYTES_LIMIT } from '../core/limits.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { Log } from '../log/log.ts';
import type { LogObserver } from '../log/log-home.ts';
import { BadEntryError } from './entry-bytes.ts';
import { commit } from './commit-entry.ts';
import {
  entryOf,
  NewerEntryError,
  type EntryRegistry,
  type EntryType,
  type ReadEntry,
} from './entry-type.ts';
import type { Fold } from './fold.ts';

/** Largest entry, encoded. */
export const ENTRY_BYTES_MAX = RECORD_BYTES_LIMIT - 1024;

interface Pending {
  readonly offset: number;
  readonly entry: ReadEntry;
}

export interface JournalOptions {
  readonly registry: EntryRegistry;
  readonly fold: Fold;
  /** An entry that was decided cannot be applied: a bug, after which nothing may be decided. */
  readonly onBroken: (cause: unknown) => void;
}

export class Journal implements LogObserver {
  readonly #registry: EntryRegistry;
  readonly #fold: Fold;
  readonly #onBroken: (cause: unknown) => void;
  #log: Log<Uint8Array> | null = null;
  /** Journaled and not yet written, oldest first. */
  #pending: Pending[] = [];
  #appliedOffset = 0;

  constructor({ registry, fold, onBroken }: JournalOptions) {
    this.#registry = registry;
    this.#fold = fold;
    this.#onBroken = onBroken;
  }

  /** Entries below are applied. */
  get appliedOffset(): number {
    return this.#appliedOffset;
  }

  /** Takes the log whose observer it is, and folds all of it. @throws CorruptLogError and others */
  async load(log: Log<Uint8Array>, from: number): Promise<void> {
    assert(this.#log === null, 'a journal is loaded once');
    this.#appliedOffset = from;
    for await (const batch of log.batches({ from })) {
      for (const record of batch) {
        const bytes = record.valueView() ?? new Uint8Array();
        this.#fold1(this.#read(bytes, record.offset, log.path), record.offset);
      }
    }
    this.#log = log;
  }

  /**
   * Journals an entry.
   *
   * @returns its offset, when it is applied and has reached `durability`
   * @throws as `Log.append`
   */
  async append<E>(type: EntryType<E>, entry: E, durability: DurabilityLevel): Promise<number> {
    const log = this.#log;
    assert(log !== null, 'the journal is loaded');
    const offset = log.endOffset;
    const appended = log.append({ value: this.#registry.encode(type, entry) }, { durability });
    // Refused at once, it has no offset.
    if (log.endOffset > offset) this.#pending.push({ offset, entry: { type, value: entry } });
    await appended;
    return offset;
  }

  written(offset: number): void {
    let count = 0;
    for (const { offset: at, entry } of this.#pending) {
      if (at >= offset) break;
      count++;
      this.#applyLive(entry, at);
    }
    this.#pending.splice(0, count);
  }

  takenBack(offset: number): void {
    this.#pending = this.#pending.filter((pending) => pending.offset < offset);
  }

  #applyLive(entry: ReadEntry, offset: number): void {
    try {
      this.#fold1(entry, offset);
    } catch (error) {
      this.#onBroken(error);
    }
  }

  /** A commit is applied with all that it holds. */
  #fold1(entry: ReadEntry, offset: number): void {
    this.#fold.apply(entry, offset);
    const { entries } = entryOf(commit, entry) ?? { entries: [] };
    for (const bytes of entries) this.#fold.apply(this.#registry.decode(bytes), offset);
    this.#appliedOffset = offset + 1;
  }

  #read(bytes: Uint8Array, offset: number, path: string): ReadEntry {
    try {
      return this.#registry.decode(bytes);
    } catch (cause) {
      if (cause instanceof NewerEntryError) {
        throw new UnsupportedVersionError({ file: path, found: 0, supported: 0 }, { cause });
      }
      if (!(cause instanceof BadEntryError)) throw cause;
      throw new CorruptLogError(
        {
          file: path,
          position: 0,
          kind: 'record',
          firstOffset: offset,
          nextOffset: offset + 1,
          reason: `the journal entry at offset ${offset}: ${cause.message}`,
        },
        { cause },
      );
    }
  }
}
