/**
 * Ids that left memory, or never came into it, because there are too many: they are looked for in the tables
 * of their segments, by one short read for each.
 *
 * What has no whole table stays in memory, in a table beside the others. A bucket that turns out to be damaged
 * has the ids of its segment read from the batches. So nothing is ever forgotten, however slow it gets.
 */
import { LRUCache } from 'lru-cache';
import { KIB, MIB } from '../core/limits.ts';
import { placesIn, type TableDirectory } from '../format/dedup-table-batch.ts';
import type { TablePlace } from '../format/index-tables.ts';
import type { Log } from '../log/log.ts';
import { TableMemory, type TabledSegment } from '../log/segment-tables.ts';
import { DedupTable, type DedupPlace } from './dedup-table.ts';
import { walkIds, type AppendTimes, type Turns, type WalkedRange } from './dedup-walk.ts';
import type { PartitionSet } from './partition-set.ts';

/** Memory for buckets that were looked at: this share of all that ids may have, and no more than so much. */
const BUCKETS_SHARE = 1 / 16;
const BUCKETS_BYTES_MAX = 4 * MIB;
/** Of a bucket in the cache, and of a table, beside its bytes. */
const OBJECT_BYTES = KIB / 2;

interface StoredTable {
  readonly place: TablePlace;
  readonly directory: TableDirectory;
}

interface StoredSegment {
  readonly partition: number;
  readonly segment: TabledSegment;
  readonly tables: readonly StoredTable[];
}

export class StoredIds {
  readonly #partitions: PartitionSet;
  readonly #turns: Turns;
  /** Another one when more ids are here: what was found before may not be all. */
  version = 0;
  #segments: readonly StoredSegment[] = [];
  /** Of segments without a table. */
  readonly #aside = new DedupTable();
  #hasAside = false;
  /** By partition: ids from here on are in memory, those below are here. */
  readonly #memoryFrom: number[] = [];
  readonly #buckets: LRUCache<string, Uint8Array>;

  /** @param bytesMax  that all ids of the topic may have */
  constructor(partitions: PartitionSet, turns: Turns, bytesMax: number) {
    this.#partitions = partitions;
    this.#turns = turns;
    this.#buckets = new LRUCache({
      maxSize: Math.max(1, Math.min(BUCKETS_BYTES_MAX, Math.floor(bytesMax * BUCKETS_SHARE))),
      sizeCalculation: ({ length }) => length + OBJECT_BYTES,
    });
  }

  /** Whether all ids are in memory, elsewhere. */
  get isEmpty(): boolean {
    return this.#segments.length === 0 && !this.#hasAside;
  }

  /** Whether some are looked for on the disk. */
  get needsDisk(): boolean {
    return this.#segments.length > 0;
  }

  get byteLength(): number {
    const tables = this.#segments.flatMap((stored) => stored.tables);
    const directories = tables.reduce(
      (sum, { directory }) => sum + directory.byteLength + OBJECT_BYTES,
      0,
    );
    const aside = this.#hasAside ? this.#aside.byteLength : 0;
    return directories + aside + this.#buckets.calculatedSize;
  }

  /** The next partition begins: nothing below `offset` counts. */
  begin(partition: number, offset: number): void {
    this.#aside.begin(partition, offset);
    this.#memoryFrom[partition] = offset;
  }

  /** From which offset on the ids of a partition are in memory. */
  memoryFrom(partition: number): number {
    return this.#memoryFrom[partition] ?? 0;
  }

  /**
   * Takes in all up to the end of a segment, in the order of offsets. Whoever has these ids in memory may
   * forget them then, in the same turn.
   *
   * @returns when they were appended
   * @throws as `Log.batches`
   */
  async take(
    log: Log<Uint8Array>,
    partition: number,
    segment: TabledSegment,
  ): Promise<AppendTimes> {
    if (this.#memoryFrom[partition] === undefined) this.begin(partition, 0);
    const times: AppendTimes = [];
    const { baseOffset, endOffset, places } = segment;
    let reached = this.memoryFrom(partition);
    await this.#walk(log, { partition, from: reached, to: baseOffset, times });
    const from = Math.max(reached, baseOffset);
    reached = from;
    const tables: StoredTable[] = [];
    const memory = new TableMemory();
    for (const place of places) {
      const table = await log.forStore().tables.read(segment, place, memory);
      if (table === null) break;
      tables.push({ place, directory: table.directory() });
      for (let sample = 0; sample < table.sampleCount; sample++) {
        const end = baseOffset + table.sampleEnd(sample);
        if (end > from) times.push([end, table.sampleTime(sample)]);
        reached = Math.max(reached, end);
      }
      await this.#turns.giveWay();
    }
    await this.#walk(log, { partition, from: reached, to: endOffset, times });
    if (tables.length > 0) {
      this.#segments = [...this.#segments, { partition, segment, tables }];
    }
    this.#memoryFrom[partition] = endOffset;
    this.version++;
    return times;
  }

  /** Where a record with that fingerprint may be. @throws as `Log.batches`, where a table is damaged */
  async find(high: number, low: number): Promise<readonly DedupPlace[]> {
    const found: DedupPlace[] = [];
    for (const stored of this.#segments) {
      const places = await this.#findIn(stored, high, low);
      if (places === null) await this.#bringBack(stored);
      else found.push(...places);
    }
    if (this.#hasAside) found.push(...this.#aside.find(high, low));
    return found;
  }

  /** Forgets what is below an offset of a partition. */
  evict(partition: number, offset: number): void {
    if (this.isEmpty) return;
    const isGone = (stored: StoredSegment): boolean =>
      stored.partition === partition && stored.segment.endOffset <= offset;
    if (this.#segments.some(isGone)) {
      this.#segments = this.#segments.filter((stored) => !isGone(stored));
    }
    if (!this.#hasAside) return;
    this.#aside.evict(partition, offset);
    this.#aside.sweep();
    this.#hasAside = this.#aside.count > 0;
  }

  async #findIn(stored: StoredSegment, high: number, low: number): Promise<DedupPlace[] | null> {
    const { partition, segment, tables } = stored;
    const found: DedupPlace[] = [];
    for (const table of tables) {
      const bucket = await this.#bucket(stored, table, table.directory.bucketOf(high));
      if (bucket === null) return null;
      for (const place of placesIn(bucket, high, low)) {
        found.push({ partition, offset: segment.baseOffset + place });
      }
    }
    return found;
  }

  async #bucket(
    { partition, segment }: StoredSegment,
    { place, directory }: StoredTable,
    bucket: number,
  ): Promise<Uint8Array | null> {
    const extent = directory.extentOf(bucket);
    const key = `${partition}/${segment.baseOffset}/${place.position + extent.at}`;
    const cached = this.#buckets.get(key);
    if (cached !== undefined) return cached;
    const bytes = await this.#partitions
      .at(partition)
      .use((log) => log.forStore().tables.readPart(segment, place, extent));
    if (bytes === null || !directory.isWhole(bucket, bytes)) return null;
    this.#buckets.set(key, bytes);
    return bytes;
  }

  /** Its table is damaged: its batches say the same. */
  async #bringBack(stored: StoredSegment): Promise<void> {
    const { partition, segment } = stored;
    const { baseOffset: from, endOffset: to } = segment;
    await this.#partitions.at(partition).use(async (log) => {
      const start = Math.max(from, log.startOffset);
      await this.#walk(log, { partition, from: start, to, times: [] });
    });
    this.#segments = this.#segments.filter((other) => other !== stored);
  }

  async #walk(
    log: Log<Uint8Array>,
    { times, ...range }: WalkedRange & { readonly times: AppendTimes },
  ): Promise<void> {
    await walkIds(log, range, { table: this.#aside, times, turns: this.#turns });
    this.#hasAside = this.#aside.count > 0;
  }
}
