/**
 * Reads the keys of a stretch of a log, and knows the last offset of each: what a pass of compaction goes by.
 *
 * @hot By column: the fingerprints of some records, then their places in the map are touched, then
 * they are put. So the cache misses of a map that is larger than the cache are waited for together.
 */
import { CorruptLogError, OffsetOutOfRangeError } from '../core/errors.ts';
import { Fingerprint } from '../core/fingerprint.ts';
import type { Pace } from '../core/pace.ts';
import { randomId, type Random } from '../core/random.ts';
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOffThread, type BatchRecords } from '../format/batch-records.ts';
import { viewOf } from '../format/u64.ts';
import { KeyMap } from './key-map.ts';
import { LogReader } from './log-reader.ts';
import type { ReadableLog } from './readable-log.ts';

/**
 * Records whose places in the map are touched together: enough to wait for their cache misses at once. Of a map
 * that is new nearly each is a page that nobody has touched, 2 to 15 us, in one step: 512 took 7 ms, 4096 took 27.
 */
const LOOK_AHEAD = 64;
const EMPTY = new Uint8Array(0);

export interface KeyScanOptions {
  readonly log: ReadableLog;
  readonly random: Random;
  readonly pace: Pace;
  /** What the map may take. */
  readonly mapBytesMax: number;
  /** The stretch: [startOffset, endOffset), all of it visible. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** Told of each batch. */
  readonly onRead: (sizeBytes: number) => void;
}

export class KeyScan {
  /** Where the stretch ends: earlier than it was to, at any record, where the map is full. */
  endOffset: number;
  /** What the scan met; only what lies in front of it is in order, and the rest was not read. */
  damage: CorruptLogError | null = null;
  readonly #options: KeyScanOptions;
  readonly #map: KeyMap;
  readonly #fingerprint: Fingerprint;
  readonly #cursor = new BatchCursor();
  /** First offset that is not gathered yet. */
  #nextOffset: number;
  /** Records that are gathered and not put. */
  #count = 0;
  readonly #first = new Uint32Array(LOOK_AHEAD);
  readonly #second = new Uint32Array(LOOK_AHEAD);
  readonly #third = new Uint32Array(LOOK_AHEAD);
  readonly #offsets = new Float64Array(LOOK_AHEAD);
  /** Of the bytes in which a key was looked up last. */
  #bytes: Uint8Array = EMPTY;
  #view = viewOf(EMPTY);

  constructor(options: KeyScanOptions) {
    const { random, mapBytesMax, startOffset, endOffset } = options;
    this.#options = options;
    this.endOffset = endOffset;
    this.#nextOffset = startOffset;
    // Nobody can choose keys that meet, and what met once will not meet again.
    this.#fingerprint = new Fingerprint(randomId(random));
    this.#map = new KeyMap(KeyMap.slotsFor(endOffset - startOffset, mapBytesMax), startOffset);
  }

  get keyCount(): number {
    return this.#map.count;
  }

  /**
   * Reads the stretch, once.
   *
   * @throws IoError, CodecUnavailableError, UnsupportedVersionError; the reason for which `pace` was ended
   */
  async run(): Promise<void> {
    const { marks } = this.#options.log;
    while (this.#nextOffset < this.endOffset) {
      this.#nextOffset = Math.max(this.#nextOffset, marks.startOffset);
      try {
        if (await this.#read()) break;
      } catch (error) {
        if (error instanceof CorruptLogError) {
          this.damage = error;
          return;
        }
        // Retention passed it: what it deleted supersedes nothing that is left.
        const isPassed = marks.startOffset > this.#nextOffset;
        if (!(error instanceof OffsetOutOfRangeError && isPassed)) throw error;
      }
    }
    this.#put();
  }

  /** First offset of the stretch that was not read. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** Offset of the last record of the stretch with the same key; -1 = there is none. */
  lastOffsetOf(record: BatchCursor): number {
    if (record.bytes !== this.#bytes) {
      this.#bytes = record.bytes;
      this.#view = viewOf(record.bytes);
    }
    const fingerprint = this.#fingerprint;
    fingerprint.ofView(this.#view, record.keyStart, record.keyBytes);
    return this.#map.get(fingerprint.high, fingerprint.low, fingerprint.third);
  }

  /** @returns whether it got to the end of the stretch, or as far as there is room in the map */
  async #read(): Promise<boolean> {
    const { log, pace, onRead } = this.#options;
    const reader = new LogReader(log, {
      from: this.#nextOffset,
      keepBuffers: false,
      skipsDamage: false,
      onGap: null,
    });
    try {
      while (await reader.next(this.endOffset)) {
        const { scanner, file } = reader;
        const { bytes, view, start, header } = scanner;
        onRead(header.sizeBytes);
        pace.spend(header.sizeBytes);
        const batch = { bytes, view, at: start, header, file };
        if (!(await this.#addBatch(await recordsOffThread(batch)))) return true;
        this.#nextOffset = reader.offset;
      }
      this.#nextOffset = Math.max(this.#nextOffset, reader.offset);
      return true;
    } finally {
      reader.close();
    }
  }

  /** @returns false when the map is full */
  async #addBatch(records: BatchRecords): Promise<boolean> {
    const { pace } = this.#options;
    this.#cursor.reset(records);
    for (;;) {
      const isDone = this.#gather(records.view);
      if (!isDone && !this.#put()) return false;
      await pace.turn();
      if (isDone) return true;
    }
  }

  /** Takes records into the columns. @returns whether the batch is done; if not, they are full */
  #gather(view: DataView): boolean {
    const cursor = this.#cursor;
    const fingerprint = this.#fingerprint;
    const from = this.#nextOffset;
    while (this.#count < LOOK_AHEAD) {
      if (!cursor.next() || cursor.offset >= this.endOffset) return true;
      if (cursor.keyBytes < 0 || cursor.offset < from) continue;
      fingerprint.ofView(view, cursor.keyStart, cursor.keyBytes);
      const at = this.#count++;
      this.#first[at] = fingerprint.high;
      this.#second[at] = fingerprint.low;
      this.#third[at] = fingerprint.third;
      this.#offsets[at] = cursor.offset;
    }
    return false;
  }

  /** Puts what is in the columns. @returns false when the map is full: the stretch ends there */
  #put(): boolean {
    const map = this.#map;
    const count = this.#count;
    const [first, second, third, offsets] = [this.#first, this.#second, this.#third, this.#offsets];
    this.#count = 0;
    for (let at = 0; at < count; at++) map.touch(first[at] as number);
    for (let at = 0; at < count; at++) {
      const offset = offsets[at] as number; // at < count <= LOOK_AHEAD, as above.
      if (map.put(first[at] as number, second[at] as number, third[at] as number, offset)) continue;
      this.endOffset = offset;
      return false;
    }
    return true;
  }
}
