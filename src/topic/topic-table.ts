/** A topic as a table: of each key the last record, kept up to date while the topic grows. */
import { onAbort, toError } from '../core/abort.ts';
import { argumentError, checkInteger, checkObject } from '../core/assert.ts';
import { nextTurn } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import { Fingerprint } from '../core/fingerprint.ts';
import { MIB } from '../core/limits.ts';
import type { LogRecord, RecordOrigin } from '../log/record.ts';
import { BoundedRows } from './bounded-rows.ts';
import { MemoryRows } from './memory-rows.ts';
import type { PartitionSet } from './partition-set.ts';
import { readChanges, type TableChange } from './table-changes.ts';
import { TableFeed, type FedBatch } from './table-feed.ts';
import {
  checkChanges,
  checkReached,
  checkTableKey,
  checkTableOptions,
  type TableChangesOptions,
  type TableOptions,
  type TablePlace,
  type TablePlan,
  type TableStats,
} from './table-options.ts';
import { TableSource } from './table-source.ts';
import { TableTrim } from './table-trim.ts';
import { TableWaits } from './table-waits.ts';
import { KeyedCursor, RowOrder, rowKeyOf, type TableRows } from './table-rows.ts';
import { checkChosen } from './topic-options.ts';

/** Batches of a round that wait to be applied with the rest of it; above that, calls wait instead. */
const STAGED_BYTES_MAX = MIB;
/** Records that are applied in a turn of the event loop while calls wait: some 5 ms. */
const RECORDS_PER_TURN = 4096;

/** @internal */
export interface TableParts<T> {
  readonly partitions: PartitionSet;
  readonly codec: RecordOrigin<T>['codec'];
}

/**
 * The last record of each key of a topic: what a reader who goes from its first record to its last would
 * have in a map. Made by `Topic.table`; close it.
 *
 * A record without a value (a tombstone) removes its key; records without a key are no part of it, and so
 * is what retention or `deleteBefore` took: the table is what a new one would be. Where several partitions
 * have a key, the record with the later append time counts, and of one time that of the higher partition;
 * of the last 10,000 keys that were deleted their time is remembered for that.
 *
 * What one transaction brought is seen whole or not at all, also over several partitions; not so in a
 * store that is only read, which hears of each partition by itself.
 *
 * A table that cannot go on (damage, a disk that fails, a writer that stopped, a topic that was deleted, a
 * store that was closed) says so in every call from then on. It never answers with what is out of date
 * without an end.
 */
export class TopicTable<T> implements AsyncDisposable {
  readonly #parts: TableParts<T>;
  readonly #chosen: readonly number[] | null;
  readonly #feed: TableFeed;
  readonly #rows: TableRows<T>;
  readonly #order: RowOrder<T>;
  readonly #trim: TableTrim;
  readonly #cursor = new KeyedCursor<T>();
  readonly #origins: RecordOrigin<T>[] = [];
  /** Of those who read changes, or all entries. */
  readonly #reads = new Set<TableFeed>();
  readonly #waits = new TableWaits();
  #unwatch: () => void = () => undefined;
  #appliedInTurn = 0;
  #failure: { readonly error: Error } | null = null;
  #isClosed = false;
  #following: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(parts: TableParts<T>, { chosen, bytesMax, signal }: TablePlan) {
    this.#parts = parts;
    this.#chosen = chosen;
    this.#feed = this.#feedFrom(new Map(), { skipsTrimmed: true, keepsAlive: false });
    this.#rows = bytesMax === null ? new MemoryRows<T>() : this.#boundedRows(bytesMax);
    this.#order = new RowOrder(this.#rows);
    this.#trim = new TableTrim(this.#rows);
    const abort = (): void => this.#fail(toError(signal?.reason));
    this.#unwatch = signal === undefined ? () => undefined : onAbort(signal, abort);
  }

  /** @internal Reads what is visible now, and follows. @throws as `Topic.table` */
  async load(): Promise<void> {
    this.#waits.isHeld = true;
    try {
      await this.#round();
      this.#checkOpen();
    } catch (error) {
      this.#fail(this.#toldOf(error));
      await this.close();
      throw this.#failure?.error ?? error;
    }
    this.#following = this.#follow();
  }

  /**
   * Keys that have a value. Once the table has failed, what it had then; 0 once it is closed.
   *
   * What retention took leaves a table of more than some 8,000 keys in steps, each in a turn of the event
   * loop of its own: until then `size` and `stats` count it. `get` and `entries` never show it.
   */
  get size(): number {
    this.#dropTrimmed();
    return this.#rows.size;
  }

  /**
   * The last record of a key.
   *
   * @param key  text is taken as UTF-8, as `append` does; keys are compared byte by byte
   * @returns null when the topic has none, or it was deleted
   * @throws TypeError for what is no key; as `Topic.read`, also for good: see the class; ClosedError
   *
   * Cost: a look into a map. Above `bytesMax` a read by offset, unless it was asked for not long ago.
   */
  async get(key: string | Uint8Array): Promise<LogRecord<T> | null> {
    const rowKey = rowKeyOf(checkTableKey(key));
    while (this.#waits.isHeld) await this.#waits.nextRound();
    this.#checkOpen();
    try {
      const row = this.#rows.get(rowKey);
      const record = row instanceof Promise ? await row : row;
      return record === null || this.#isTrimmed(record) ? null : record;
    } catch (error) {
      throw this.#reasonOf(error);
    }
  }

  /**
   * The last record of each key, each once, in no order. Keys that change meanwhile come as they were or
   * as they are, those that come or go at most once.
   *
   * @throws as `get`
   *
   * Cost: 8 bytes for each key as long as it is read. With `bytesMax` a read of the whole topic, and the text of
   * each key that changed before the read came to it, until it ends: at most of all keys, beyond `bytesMax` and
   * not in `stats`. So do not leave it standing while the topic goes on; end it, and begin anew.
   */
  async *entries(): AsyncGenerator<LogRecord<T>, void, void> {
    while (this.#waits.isHeld) await this.#waits.nextRound();
    this.#checkOpen();
    this.#dropTrimmed();
    try {
      for await (const record of this.#rows.entries()) {
        this.#checkOpen();
        if (!this.#isTrimmed(record)) yield record;
      }
    } catch (error) {
      throw this.#reasonOf(error);
    }
    this.#checkOpen(); // A walk that was ended is none to its end.
  }

  /**
   * Reads the records that change the table, in the order of each partition, and waits for more. To begin
   * with `entries()` and go on with what changes, call this first.
   *
   * It is a read of its own: a slow reader holds up nobody, and nothing is kept for it. It may miss a state
   * that a later one has replaced, never the last one, but for a deletion: where the topic is compacted, a
   * reader who is behind by more than `tombstoneRetentionMs` may come too late for it, and should begin anew.
   * What retention takes is no change. It ends when the table is closed.
   *
   * Where several partitions have a key, what the table had applied by then decides which records are left out.
   * A reader may be ahead of the table, and so get the older of two last: take the record that counts, as the
   * class says, by `appendTimeMs` and `partition`, or ask `get`.
   *
   * @throws TypeError for an option that is none, at once; OffsetOutOfRangeError when retention passed the
   *   reader; the signal's reason; as `get`
   */
  changes(options: TableChangesOptions = {}): AsyncGenerator<TableChange<T>, void, void> {
    const { isFromStart, signal } = checkChanges(options);
    const from = isFromStart ? new Map<number, number>() : this.#waits.positions;
    return this.#changesFrom(from, signal);
  }

  /**
   * Resolves when a record counts in the table: with what `append` returned, to read what one has written.
   *
   * @throws RangeError for a partition that is no part of it; the signal's reason; as `get`
   */
  async reached(
    place: TablePlace,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { partition, offset } = checkObject('place', place);
    const signal = checkReached(options);
    checkInteger('offset', offset, { min: 0 });
    this.#checkOpen();
    this.#checkPartition(partition);
    signal?.throwIfAborted();
    if (this.#waits.hasReached({ partition, offset })) return;
    const vigil = this.#parts.partitions.clock.keepAlive?.();
    try {
      await this.#waits.reached({ partition, offset }, signal);
    } finally {
      vigil?.cancel();
    }
  }

  /** What it holds, and how far it has come. No I/O. */
  stats(): TableStats {
    this.#dropTrimmed();
    const positions = [...this.#waits.positions].map(([partition, offset]) => {
      const visible = this.#feed.logOf(partition)?.visibleOffset ?? offset;
      return { partition, offset, lag: Math.max(0, visible - offset) };
    });
    const { size: keyCount, memoryBytes } = this.#rows;
    return { keyCount, keylessCount: this.#cursor.keylessCount, memoryBytes, positions };
  }

  /** Ends it, and all reads of its changes, and frees its memory. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#end(this.#failure?.error ?? this.#closedError());
      this.#order.clear();
    }
    await this.#following;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #follow(): Promise<void> {
    try {
      while (this.#failure === null && !this.#isClosed) {
        await this.#feed.more();
        await this.#round();
      }
    } catch (error) {
      this.#fail(this.#toldOf(error));
    }
  }

  /** Applies what became visible: all of it in one step, or while calls wait. */
  async #round(): Promise<void> {
    const feed = this.#feed;
    await feed.begin();
    let staged: FedBatch[] = [];
    let stagedBytes = 0;
    for (let fed = await feed.next(); fed !== null; fed = await feed.next()) {
      staged.push(fed);
      stagedBytes += fed.batch.header.sizeBytes;
      if (!this.#waits.isHeld && stagedBytes <= STAGED_BYTES_MAX) continue;
      this.#waits.isHeld = true;
      for (const each of staged) this.#apply(each);
      staged = [];
      await this.#breathe();
    }
    if (this.#isClosed || this.#failure !== null) return;
    for (const each of staged) this.#apply(each);
    this.#waits.advance(feed.positions());
    this.#dropTrimmed();
    if (this.#rows.isWasteful) await this.#rows.tidy();
  }

  #apply(fed: FedBatch): void {
    const cursor = this.#cursor;
    const isAlone = (this.#chosen?.length ?? this.#parts.partitions.count) === 1;
    cursor.begin(fed, this.#originOf(fed.partition));
    while (cursor.next()) this.#order.apply(cursor, isAlone);
    this.#appliedInTurn += fed.batch.header.recordCount;
  }

  /** Between two batches that are applied while calls wait. */
  async #breathe(): Promise<void> {
    if (this.#rows.isWasteful) await this.#rows.tidy();
    if (this.#appliedInTurn < RECORDS_PER_TURN) return;
    this.#appliedInTurn = 0;
    await nextTurn();
  }

  /** Retention took it since. */
  #isTrimmed({ partition, offset }: TablePlace): boolean {
    return offset < (this.#feed.logOf(partition)?.startOffset ?? 0);
  }

  #dropTrimmed(): void {
    for (const partition of this.#waits.positions.keys()) {
      this.#trim.raise(partition, this.#feed.logOf(partition)?.startOffset ?? 0);
    }
    this.#trim.run().catch((error: unknown) => this.#fail(toError(error)));
  }

  #originOf(partition: number): RecordOrigin<T> {
    return (this.#origins[partition] ??= { codec: this.#parts.codec, partition });
  }

  #boundedRows(bytesMax: number): BoundedRows<T> {
    const fromStart = (): TableFeed =>
      this.#feedFrom(new Map(), { skipsTrimmed: true, keepsAlive: false });
    const originOf = (partition: number): RecordOrigin<T> => this.#originOf(partition);
    const checkOpen = (): void => this.#checkOpen();
    const shared = { feed: this.#feed, waits: this.#waits, reads: this.#reads };
    const source = new TableSource({ ...shared, originOf, fromStart, checkOpen });
    const seed = Math.floor(this.#parts.partitions.random.next() * 2 ** 53);
    return new BoundedRows(source, bytesMax, new Fingerprint(seed));
  }

  #feedFrom(
    from: ReadonlyMap<number, number>,
    how: { readonly skipsTrimmed: boolean; readonly keepsAlive: boolean },
  ): TableFeed {
    const { partitions } = this.#parts;
    return new TableFeed({ partitions, chosen: this.#chosen, from, ...how });
  }

  /** Nothing is held for it before it is asked for the first time: nobody may ever ask. */
  async *#changesFrom(
    from: ReadonlyMap<number, number>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TableChange<T>, void, void> {
    const feed = this.#feedFrom(from, { skipsTrimmed: false, keepsAlive: true });
    this.#reads.add(feed);
    const table = {
      isOver: () => {
        if (this.#failure !== null) throw this.#failure.error;
        return this.#isClosed;
      },
      originOf: (partition: number) => this.#originOf(partition),
      isSuperseded: (...record: Parameters<RowOrder<T>['isSuperseded']>) =>
        this.#order.isSuperseded(...record),
    };
    try {
      yield* readChanges(table, feed, signal);
    } catch (error) {
      throw this.#reasonOf(error);
    } finally {
      this.#reads.delete(feed);
      feed.close();
    }
  }

  #fail(error: Error): void {
    if (this.#failure !== null || this.#isClosed) return;
    this.#failure = { error };
    this.#end(error);
  }

  /** Everybody who waits hears of it. */
  #end(error: Error): void {
    this.#unwatch();
    this.#feed.close();
    for (const feed of this.#reads) feed.close();
    this.#waits.fail(error);
  }

  #toldOf(error: unknown): Error {
    return toError(this.#parts.partitions.toldOf(error));
  }

  /** What the caller of a read is told. */
  #reasonOf(error: unknown): Error {
    if (this.#failure !== null) return this.#failure.error;
    return this.#isClosed ? this.#closedError() : this.#toldOf(error);
  }

  #closedError(): ClosedError {
    return new ClosedError({ resource: 'table', name: this.#parts.partitions.name });
  }

  #checkOpen(): void {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#isClosed) throw this.#closedError();
  }

  #checkPartition(partition: number): void {
    checkChosen(partition, this.#parts.partitions.count);
    if (this.#chosen === null || this.#chosen.includes(partition)) return;
    throw argumentError(RangeError, 'partition', 'one that the table is made of', partition);
  }
}

/** @internal Makes a table, and reads what it is made of. @throws as `Topic.table` */
export async function openTable<T>(
  parts: TableParts<T>,
  options: TableOptions,
): Promise<TopicTable<T>> {
  const { partitions } = parts;
  partitions.checkThere();
  const table = new TopicTable(parts, checkTableOptions(options, partitions.count));
  await table.load();
  return table;
}
