/**
 * Rows of a table that keeps of each key where its last record is, and of those that were asked for last
 * the record too. All others are read again.
 *
 * Keys are known by 96 bits of hash, by a seed of chance for each table: two of 10 million have one in
 * common once in 10^15 tables, and then the row is that of the later. A record is never handed out for
 * another key: it has its own in it.
 */
import { LRUCache } from 'lru-cache';
import { present } from '../core/assert.ts';
import type { Fingerprint } from '../core/fingerprint.ts';
import { KIB } from '../core/limits.ts';
import { viewOf } from '../format/u64.ts';
import type { LogRecord } from '../log/record.ts';
import { RowShard } from './row-shard.ts';
import { rowKeyOf, type KeyedCursor, type RowPlace, type TableRows } from './table-rows.ts';

/** Columns grow shard by shard: of 10 million rows one takes 10 ms. */
const SHARD_BITS = 6;
const KEY_BYTES_MAX = 64 * KIB;
/** What a record in memory takes beside its bytes and its key. */
const KEPT_BYTES = 600;
/** Slots looked at in a turn of the event loop, by and large: a shard is not left half done. */
const SLOTS_PER_TURN = 16_384;
const NONE = -1;

/** The topic, for rows that are not in memory. */
export interface RowSource<T> {
  /** The record at a place; null when it is not there any more. @throws as `Log.read` */
  read(place: RowPlace): Promise<LogRecord<T> | null>;
  /** Resolves when the table has applied what is visible now. @throws why it will not */
  catchUp(): Promise<void>;
  /** By partition, how far the table has come. */
  positions(): ReadonlyMap<number, number>;
  /** Records with a key from the start of each partition on, to about its end. @throws as `Log.batches` */
  walk(): AsyncGenerator<KeyedCursor<T>, void, void>;
}

/** Somebody who goes through all rows, and marks those that he has met. */
interface Walk {
  /** By partition: rows below this when it began. */
  readonly ends: ReadonlyMap<number, number>;
  /** Keys that were not met before their row went behind the ends. */
  readonly moved: Set<string>;
}

export class BoundedRows<T> implements TableRows<T> {
  readonly isWasteful = false;
  readonly #source: RowSource<T>;
  readonly #shards = Array.from({ length: 2 ** SHARD_BITS }, () => new RowShard());
  readonly #kept: LRUCache<string, LogRecord<T>> | null;
  readonly #hash: Fingerprint;
  readonly #keyBytes = Buffer.alloc(KEY_BYTES_MAX);
  readonly #keyView = viewOf(this.#keyBytes);
  #hashed: string | null = null;
  readonly #walks = new Set<Walk>();

  /**
   * @param bytesMax  for records; 0 = none is kept
   * @param hash      with three lanes
   */
  constructor(source: RowSource<T>, bytesMax: number, hash: Fingerprint) {
    this.#source = source;
    this.#hash = hash;
    this.#kept =
      bytesMax === 0
        ? null
        : new LRUCache({
            maxSize: bytesMax,
            sizeCalculation: ({ memory, sizeBytes }, key) =>
              KEPT_BYTES + key.length + sizeBytes + (memory.extension?.length ?? 0),
          });
  }

  get size(): number {
    return this.#shards.reduce((sum, { count }) => sum + count, 0);
  }

  get memoryBytes(): number {
    const columns = this.#shards.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return columns + (this.#kept?.calculatedSize ?? 0);
  }

  placeOf(key: string): RowPlace | null {
    const shard = this.#shardOf(key);
    const slot = shard.find(this.#hash);
    if (slot === NONE) return null;
    const partition = shard.partitionAt(slot);
    return { partition, offset: shard.offsetAt(slot), appendTimeMs: shard.timeAt(slot) };
  }

  put(record: KeyedCursor<T>): void {
    const { key } = record;
    if (this.#walks.size > 0) this.#tellWalks(key);
    this.#shardOf(key).put(this.#hash, record);
    if (this.#kept?.has(key) === true) this.#keep(key, record.record());
  }

  delete(key: string): void {
    const shard = this.#shardOf(key);
    const slot = shard.find(this.#hash);
    if (slot === NONE) return;
    shard.delete(slot);
    this.#kept?.delete(key);
  }

  *drop(floors: readonly number[]): Generator<void, void, void> {
    let slots = 0;
    for (const shard of this.#shards) {
      slots += shard.slotCount;
      shard.drop(floors);
      if (slots < SLOTS_PER_TURN) continue;
      slots = 0;
      yield;
    }
  }

  async get(key: string): Promise<LogRecord<T> | null> {
    let missing: RowPlace | null = null;
    for (;;) {
      const place = this.placeOf(key);
      if (place === null) return null;
      const kept = this.#kept?.get(key);
      if (kept !== undefined && isAt(kept, place)) return kept;
      const record = await this.#source.read(place);
      if (record !== null) return this.#confirmed(key, record);
      // Compaction took it, and what came in its place is on its way. Or it is gone for good.
      if (missing !== null && isAt(missing, place)) return null;
      missing = place;
      await this.#source.catchUp();
    }
  }

  async *entries(): AsyncGenerator<LogRecord<T>, void, void> {
    const walk: Walk = { ends: this.#source.positions(), moved: new Set() };
    this.#beginWalk(walk);
    try {
      for await (const record of this.#source.walk()) {
        if (this.#meets(walk, record)) yield record.record();
      }
      // Compaction may have taken a record whose successor has not come yet: its key moves when it comes.
      await this.#source.catchUp();
      this.#endWalk(walk);
      for (const key of walk.moved) {
        const record = await this.get(key);
        if (record !== null) yield record;
      }
    } finally {
      this.#endWalk(walk);
    }
  }

  async tidy(): Promise<void> {
    // Columns are as large as they must be.
  }

  clear(): void {
    for (const shard of this.#shards) shard.clear();
    this.#kept?.clear();
    for (const walk of this.#walks) this.#endWalk(walk);
  }

  #beginWalk(walk: Walk): void {
    this.#walks.add(walk);
    for (const shard of this.#shards) shard.beginMarks(walk);
  }

  #endWalk(walk: Walk): void {
    this.#walks.delete(walk);
    for (const shard of this.#shards) shard.endMarks(walk);
  }

  /** Whether a record is the row of its key, as it was when the walk began: it is marked then. */
  #meets(walk: Walk, record: KeyedCursor<T>): boolean {
    const { key, partition, offset } = record;
    if (offset >= (walk.ends.get(partition) ?? 0)) return false;
    const shard = this.#shardOf(key);
    const slot = shard.find(this.#hash);
    if (slot === NONE) return false;
    const place = { partition: shard.partitionAt(slot), offset: shard.offsetAt(slot) };
    if (!isAt(record, place)) return false;
    shard.mark(walk, slot);
    return true;
  }

  /** The row of a key, if it has one, is about to go to another place. */
  #tellWalks(key: string): void {
    const shard = this.#shardOf(key);
    const slot = shard.find(this.#hash);
    if (slot === NONE) return;
    const [partition, offset] = [shard.partitionAt(slot), shard.offsetAt(slot)];
    for (const walk of this.#walks) {
      const isOld = offset < (walk.ends.get(partition) ?? 0);
      if (isOld && !shard.isMarked(walk, slot)) walk.moved.add(key);
    }
  }

  /** With the key's hash in `#hash`. */
  #shardOf(key: string): RowShard {
    if (key !== this.#hashed) {
      const sizeBytes = this.#keyBytes.write(key, 'latin1');
      this.#hash.ofView(this.#keyView, 0, sizeBytes);
      this.#hashed = key;
    }
    return present(this.#shards[this.#hash.high >>> (32 - SHARD_BITS)], 'there are so many');
  }

  /** The record, if it is one of the key; kept, if it still is its row. */
  #confirmed(key: string, record: LogRecord<T>): LogRecord<T> | null {
    if (rowKeyOf(record.keyView() ?? '') !== key) return null; // Two that have a hash in common.
    const place = this.placeOf(key);
    if (place !== null && isAt(record, place)) this.#keep(key, record);
    return record;
  }

  /** In memory of its own: the batch that it stands in is large. */
  #keep(key: string, record: LogRecord<T>): void {
    const { memory, start, sizeBytes } = record;
    this.#kept?.set(key, record.movedTo(memory.copy(start, start + sizeBytes), 0));
  }
}

type Place = Pick<RowPlace, 'partition' | 'offset'>;

function isAt(one: Place, other: Place): boolean {
  return one.partition === other.partition && one.offset === other.offset;
}
