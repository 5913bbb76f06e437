/**
 * The journal of a store: every change of state, in one log, and the state that the changes add up
 * to.
 *
 * A change is decided, journaled, then applied: when its entry is written, in the order of the
 * journal, before any caller hears of it. Not earlier, for a full disk takes entries back; not when
 * it is synced, or an entry that need not be would wait for one that must.
 */
import { dirname } from 'node:path';
import { toError } from '../core/abort.ts';
import { assert, present } from '../core/assert.ts';
import {
  ClosedError,
  CorruptLogError,
  FailedError,
  OffsetOutOfRangeError,
  ReadOnlyError,
} from '../core/errors.ts';
import { RECORD_BYTES_LIMIT } from '../core/limits.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { JournaledTail } from '../log/journaled-tail.ts';
import type { LogObserver } from '../log/log-home.ts';
import type { LogStats } from '../log/log-stats.ts';
import type { Log } from '../log/log.ts';
import { commitEntry, type CommitAppend } from './commit-entry.ts';
import { CommitLedger } from './commit-ledger.ts';
import { bytesOf, contentOf, contentOfChange, type EntryContent } from './entry-content.ts';
import { entryOf, type EntryRegistry, type EntryType, type ReadEntry } from './entry-type.ts';
import type { Fold } from './fold.ts';
import {
  badEntry,
  eachEntry,
  findRuns,
  lostEntries,
  RunReader,
  type CompleteRun,
} from './journal-scan.ts';
import { misfitError, Misfits, type Misfit } from './misfits.ts';

/** Largest entry, encoded. */
export const ENTRY_BYTES_MAX = RECORD_BYTES_LIMIT - 1024;

/** One change of state, on its way into the journal: see `change`. */
export type Change = ReadEntry;

/** An entry with its type. */
export function change<E>(type: EntryType<E>, value: E): Change {
  return { type, value };
}

/** A change that can be journaled, for it was encoded. */
export interface EncodedChange extends Change {
  readonly bytes: Uint8Array;
}

/**
 * What `load` does about damage: `throw`; `stop` in front of it, so that what is known by then can be
 * read; `pass` over it, which is for repairs.
 */
export type WhenDamaged = 'throw' | 'stop' | 'pass';

/** An entry that is not known to be written. */
interface PendingEntry {
  readonly offset: number;
  /** As they were given, not as they were encoded: nobody may change their values any more. */
  readonly content: EntryContent;
  /** By the index of the change in a commit, 0 for an entry of its own. */
  readonly misfits: Map<number, Misfit>;
}

export interface JournalOptions {
  readonly registry: EntryRegistry;
  readonly fold: Fold;
}

export class Journal implements LogObserver {
  /** Bytes of entries behind the newest run that was found, and appended since: never going back. */
  writtenBytes = 0;
  /** Commits that are not known to be synced in their logs. */
  readonly ledger = new CommitLedger();
  /** Entries that did not fit the state, and changed nothing. */
  readonly misfits = new Misfits();
  /** What `load` met and could not read, in the order of the journal. */
  readonly lost: CorruptLogError[] = [];
  /** Why nothing can be changed: `load` stopped in front of it. */
  damage: CorruptLogError | null = null;
  readonly #registry: EntryRegistry;
  readonly #fold: Fold;
  #log: Log<Uint8Array> | null = null;
  /** Journaled and not yet written, oldest first. */
  #pending: PendingEntry[] = [];
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
   * Takes the log whose observer it is, and folds it: from the newest complete snapshot run on, from
   * the one before when its parts are damaged, or from the start when there is none.
   *
   * @throws CorruptLogError when an entry is damaged or missing, with `throw`;
   *   UnsupportedVersionError for an entry of a newer Varve; as `Log.batches`
   */
  async load(log: Log<Uint8Array>, whenDamaged: WhenDamaged = 'throw'): Promise<void> {
    assert(this.#log === null, 'a journal is loaded once');
    this.#log = log;
    const onLost = (damage: CorruptLogError): void => {
      if (whenDamaged !== 'pass') throw damage;
      this.lost.push(damage);
    };
    try {
      this.#appliedOffset = await this.#restoreRun(log, onLost);
      await this.#foldOn(log, onLost);
      const { damage } = log.recovery;
      if (damage !== null) onLost(new CorruptLogError(damage)); // It is behind all entries.
    } catch (error) {
      if (whenDamaged !== 'stop' || !(error instanceof CorruptLogError)) throw error;
      this.damage = error;
    }
  }

  /** @returns where to fold on: the first offset that is not in every part of the run */
  async #restoreRun(
    log: Log<Uint8Array>,
    onLost: (damage: CorruptLogError) => void,
  ): Promise<number> {
    const runs = await findRuns(log, this.#registry);
    let damage: CorruptLogError | null = null;
    for (; runs.length > 0; runs.pop()) {
      const run = present(runs.at(-1), 'there is one');
      try {
        await this.#restore(log, run);
        this.#runBeginOffsets = runs.slice(-2).map(({ beginOffset }) => beginOffset);
        return run.beginOffset;
      } catch (error) {
        if (!(error instanceof CorruptLogError)) throw error;
        damage ??= error;
        this.#fold.clear();
      }
    }
    const { startOffset, path } = log;
    // Only a run lets go of what lies before.
    if (startOffset > 0)
      onLost(damage ?? lostEntries(path, { firstOffset: 0, nextOffset: startOffset, gap: null }));
    return startOffset;
  }

  /** @throws CorruptLogError unless every part of it is there */
  async #restore(log: Log<Uint8Array>, run: CompleteRun): Promise<void> {
    const { beginOffset: from, endOffset: to } = run;
    const parts = new RunReader(run);
    const scan = { log, registry: this.#registry, from, to, onLost: leaveToFold };
    await eachEntry(scan, ({ entry, offset }) => {
      try {
        const part = parts.add(entry);
        if (part !== null) this.#fold.restore(part, to);
      } catch (cause) {
        throw badEntry(log.path, offset, cause);
      }
    });
    try {
      parts.end();
    } catch (cause) {
      throw badEntry(log.path, from, cause);
    }
  }

  async #foldOn(log: Log<Uint8Array>, onLost: (damage: CorruptLogError) => void): Promise<void> {
    const scan = { log, registry: this.#registry, from: this.#appliedOffset, onLost };
    await eachEntry(scan, (placed) => {
      try {
        this.#apply(placed.offset, contentOf(this.#registry, placed.entry));
      } catch (cause) {
        const damage = badEntry(log.path, placed.offset, cause);
        if (!(damage instanceof CorruptLogError)) throw damage;
        onLost(damage);
      }
      this.writtenBytes += placed.sizeBytes;
    });
  }

  /**
   * Journals an entry, which is the journal's from here on: state may be made of it.
   *
   * @returns its offset, when it is applied and has reached `durability`
   * @throws as `Log.append`; ConflictError when it does not fit the state: nothing changed;
   *   ReadOnlyError when the journal is damaged
   */
  async append<E>(type: EntryType<E>, entry: E, durability: DurabilityLevel): Promise<number> {
    const encoded = this.encode(change(type, entry));
    const content = contentOfChange(encoded);
    const { offset, misfits } = await this.#append(encoded.bytes, content, durability);
    for (const misfit of misfits.values()) throw misfitError(misfit);
    return offset;
  }

  /**
   * Journals changes of state, and records that logs get: all or nothing, but for changes that do not
   * fit the state, which are left out.
   *
   * @returns those that did not fit, by their index in `changes`, when the others are applied and
   *   synced
   * @throws as `Log.append`; ReadOnlyError when the journal is damaged
   */
  async commit(
    changes: readonly EncodedChange[],
    appends: readonly CommitAppend[],
  ): Promise<ReadonlyMap<number, Misfit>> {
    const bytes = bytesOf(this.#registry, changes, appends);
    const { misfits } = await this.#append(bytes, { changes, appends }, 'sync');
    return misfits;
  }

  /**
   * Changes of one caller, which are decided in the turn of the call: all of them or none, after any crash.
   *
   * @throws ConflictError for one that does not fit the state: a mistake of the caller
   */
  async appendAll(changes: readonly Change[]): Promise<void> {
    const encoded = changes.map((each) => this.encode(each));
    const [misfit] = (await this.commit(encoded, [])).values();
    if (misfit !== undefined) throw misfitError(misfit);
  }

  /** What cannot be encoded is refused here, alone, before a commit that it shares with others. */
  encode({ type, value }: Change): EncodedChange {
    return { type, value, bytes: this.#registry.encode(type, value) };
  }

  async #append(
    value: Uint8Array,
    content: EntryContent,
    durability: DurabilityLevel,
  ): Promise<Pick<PendingEntry, 'offset' | 'misfits'>> {
    const log = this.#open;
    this.#checkSound();
    // Nothing but the store closes it.
    if (log.life.closing !== null) {
      throw new ClosedError({ resource: 'store', name: dirname(log.path) });
    }
    const offset = log.endOffset;
    const misfits = new Map<number, Misfit>();
    const appended = log.append({ value }, { durability });
    // Refused at once, it has no offset.
    if (log.endOffset > offset) {
      this.#pending.push({ offset, content, misfits });
      this.writtenBytes += value.length;
    }
    await appended;
    // It is durable: the next opening has it, and what it gives away is given.
    if (this.#broken !== null) {
      throw new FailedError({ path: log.path, indeterminate: true }, { cause: this.#broken });
    }
    return { offset, misfits };
  }

  /** What a log may have lost, and must not give away again, when it is opened. */
  tailOf(logId: number, namedOffset: number): JournaledTail {
    const lines = this.ledger.of(logId);
    return {
      endOffset: Math.max(namedOffset, lines.at(-1)?.nextOffset ?? 0),
      isWhole: this.lost.length === 0,
      batches: (offset) => this.#batches(logId, offset),
    };
  }

  async *#batches(logId: number, from: number): AsyncGenerator<Uint8Array, void, void> {
    for (const { journalOffset, nextOffset } of this.ledger.of(logId).slice()) {
      if (nextOffset <= from) continue;
      const record = await this.#open.read(journalOffset);
      const bytes = present(record?.value, 'the ledger knows the entry');
      const commit = present(entryOf(commitEntry, this.#registry.decode(bytes)), 'a commit');
      for (const append of commit.appends) if (append.logId === logId) yield append.batches;
    }
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
    try {
      for await (const batch of this.#open.batches({ from, limit: 1 })) return batch.baseOffset;
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      return this.#open.startOffset; // A full disk took what was found, meanwhile.
    }
    return this.#open.visibleOffset;
  }

  /** Has everything that was appended synced. @throws as `Log.sync` */
  async sync(): Promise<void> {
    await this.#open.sync();
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
    const { damage: cause } = this;
    if (cause !== null) {
      throw new ReadOnlyError({ operation: 'a change', path: this.#open.path }, { cause });
    }
    if (this.#broken !== null) throw this.#broken;
  }

  get #open(): Log<Uint8Array> {
    return present(this.#log, 'the journal is loaded');
  }

  #applyLive({ offset, content, misfits }: PendingEntry): void {
    if (this.#broken !== null) return;
    try {
      this.#apply(offset, content, misfits);
    } catch (error) {
      this.#broken = toError(error); // A bug: a rule threw.
    }
  }

  #apply(
    offset: number,
    { changes, appends }: EntryContent,
    misfits: Map<number, Misfit> | null = null,
  ): void {
    for (let index = 0; index < changes.length; index++) {
      const each = present(changes[index], 'index < length');
      const reason = this.#fold.apply(each, offset);
      if (reason === null) continue;
      const misfit = { offset, kind: each.type.name, reason };
      this.misfits.add(misfit);
      misfits?.set(index, misfit);
    }
    for (const { logId, nextOffset } of appends) {
      this.ledger.add(logId, { journalOffset: offset, nextOffset });
    }
    this.#appliedOffset = offset + 1;
  }
}

/** What is lost between the parts of a run, the fold behind it meets again. */
function leaveToFold(): void {
  // A part that is lost itself is missed by its reader.
}
