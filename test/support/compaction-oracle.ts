/**
 * What must hold of a log that is compacted by key (A11), whatever happened to it: for who reads all of it at
 * once, and for who takes his time. It knows all that was ever handed to the log.
 */
import { isStoreError } from '../../src/core/errors.ts';
import type { Log } from '../../src/log/log.ts';
import type { LogRecord } from '../../src/log/record.ts';
import { differenceOf, type Fold } from './compaction/compaction-checks.ts';

/** A record as it was handed to the log, which gave it this offset. */
export interface AppendedRecord {
  readonly offset: number;
  readonly key: string | null;
  /** Null = a tombstone, if there is a key. */
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly createTimeMs: number;
  /** When it was handed over: its append time is not before. */
  readonly timeMs: number;
}

/** How much may be gone by now. */
export interface CompactionBounds {
  /** Nothing from here on is. */
  readonly limitOffset: number;
  /** No tombstone that was appended after this is, ms. */
  readonly tombstonesToMs: number;
}

/** The last offset of each key that has a value. */

interface FoundRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly createTimeMs: number;
  readonly appendTimeMs: number;
  readonly epoch: number;
  readonly headers: string;
}

export class CompactionOracle {
  /** By offset. */
  readonly #appended = new Map<number, AppendedRecord>();
  /** As each was when it was read first. */
  readonly #seen = new Map<number, FoundRecord>();

  /** Notes a record before it is acknowledged. One that was lost may be followed by another with its offset. */
  note(record: AppendedRecord): void {
    this.#appended.set(record.offset, record);
    this.#seen.delete(record.offset);
  }

  /** What is wrong with the log, which is read from its start to its end; null = nothing. */
  async complaint(log: Log<string>, bounds: CompactionBounds): Promise<string | null> {
    const { startOffset, visibleOffset: endOffset } = log;
    const found: FoundRecord[] = [];
    for await (const record of log.records({ to: endOffset })) found.push(foundOf(record));
    const appended = this.#between(startOffset, endOffset);
    return (
      this.#changed(found) ??
      missing(found, appended, bounds) ??
      differenceOf(foldOf(found), foldOf(appended))
    );
  }

  /** What is left below an offset though later records of its key are, too; null = nothing. */
  async leftover(log: Log<string>, limitOffset: number): Promise<string | null> {
    const last = new Map<string, number>();
    for (const { key, offset } of this.#between(log.startOffset, limitOffset)) {
      if (key !== null) last.set(key, offset);
    }
    for await (const { key, offset } of log.records({ to: limitOffset })) {
      if (key !== null && last.get(key) !== offset) return `${offset} is superseded, and there`;
    }
    return null;
  }

  /** The fold of all that was appended from an offset on, up to another. */
  fold(startOffset: number, endOffset: number): Fold {
    return foldOf(this.#between(startOffset, endOffset));
  }

  /** Ascending. */
  #between(startOffset: number, endOffset: number): AppendedRecord[] {
    const records = [...this.#appended.values()];
    return records
      .filter(({ offset }) => offset >= startOffset && offset < endOffset)
      .sort((a, b) => a.offset - b.offset);
  }

  /** (a): what is there is what was appended, and stays as it was. */
  #changed(found: readonly FoundRecord[]): string | null {
    for (const record of found) {
      const { offset } = record;
      const appended = this.#appended.get(offset);
      if (appended === undefined) return `nothing was ever appended at ${offset}`;
      const { key, value, createTimeMs } = appended;
      const expected = {
        key,
        value,
        createTimeMs,
        headers: textOf(Object.entries(appended.headers)),
      };
      const seen = this.#seen.get(offset) ?? record;
      this.#seen.set(offset, record);
      const whole = { ...record, ...expected, appendTimeMs: seen.appendTimeMs, epoch: seen.epoch };
      if (JSON.stringify(whole) !== JSON.stringify(record)) {
        return `at ${offset} is ${JSON.stringify(record)}, and should be ${JSON.stringify(whole)}`;
      }
      if (record.appendTimeMs < appended.timeMs) return `${offset} was appended too early`;
    }
    return null;
  }
}

/** (b) and (d): what is missing may be. */
function missing(
  found: readonly FoundRecord[],
  appended: readonly AppendedRecord[],
  { limitOffset, tombstonesToMs }: CompactionBounds,
): string | null {
  const there = new Set(found.map(({ offset }) => offset));
  const last = new Map<string, number>();
  for (const { key, offset } of appended) if (key !== null) last.set(key, offset);
  for (const { offset, key, value, timeMs } of appended) {
    if (there.has(offset)) continue;
    if (offset >= limitOffset) return `${offset} is missing, which lies behind the limit`;
    if (key === null) return `${offset} is missing, which has no key`;
    if (last.get(key) !== offset) continue;
    if (value !== null) return `${offset} is missing, the last of ${key}`;
    if (timeMs > tombstonesToMs) return `the tombstone at ${offset} went too early`;
    if (found.some((record) => record.key === key)) return `${key} lost its tombstone alone`;
  }
  return null;
}

/** Reads a log from its start to its end, some records at a time, while other things happen. */
export class SlowReader {
  readonly startMs: number;
  readonly #log: Log<string>;
  readonly #startOffset: number;
  readonly #found: FoundRecord[] = [];
  #records: AsyncGenerator<LogRecord<string>, void, void>;
  #nextOffset: number;

  constructor(log: Log<string>, startMs: number) {
    this.startMs = startMs;
    this.#log = log;
    this.#startOffset = log.startOffset;
    this.#nextOffset = log.startOffset;
    this.#records = log.records({ from: this.#startOffset });
  }

  /** Reads so many records. @returns whether it got to the end; `lost`: what it wanted next was deleted */
  async step(count: number): Promise<'more' | 'end' | 'lost'> {
    for (let left = count; left > 0; left--) {
      try {
        if (!(await this.#one())) return 'end';
      } catch (error) {
        if (isStoreError(error, 'ERR_VARVE_OFFSET_OUT_OF_RANGE')) return 'lost';
        throw error;
      }
    }
    return 'more';
  }

  /** What is wrong with what it read to the end; it was quick enough to have met every tombstone. */
  complaint(oracle: CompactionOracle): string | null {
    // What retention took meanwhile may be among what it read.
    const expected = oracle.fold(this.#startOffset, this.#nextOffset);
    return differenceOf(foldOf(this.#found), expected);
  }

  async end(): Promise<void> {
    await this.#records.return();
  }

  /** @returns false at the end of the log */
  async #one(): Promise<boolean> {
    let { value: record } = await this.#records.next();
    if (record === undefined) {
      // It ended where the log ended when it began.
      this.#records = this.#log.records({ from: this.#nextOffset });
      ({ value: record } = await this.#records.next());
    }
    if (record === undefined) {
      this.#nextOffset = this.#log.visibleOffset;
      return false;
    }
    this.#found.push(foundOf(record));
    this.#nextOffset = record.offset + 1;
    return true;
  }
}

function foundOf(record: LogRecord<string>): FoundRecord {
  const { offset, key, value, createTimeMs, appendTimeMs, epoch } = record;
  const headers = [...record.headers].map(([name, bytes]): [string, string] => [
    name,
    Buffer.from(bytes).toString(),
  ]);
  return { offset, key, value, createTimeMs, appendTimeMs, epoch, headers: textOf(headers) };
}

function textOf(headers: readonly [string, string][]): string {
  return JSON.stringify(headers.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function foldOf(
  records: Iterable<Pick<AppendedRecord, 'offset' | 'key' | 'value'>>,
): Map<string, number> {
  const fold = new Map<string, number>();
  for (const { key, value, offset } of records) {
    if (key === null) continue;
    if (value === null) fold.delete(key);
    else fold.set(key, offset);
  }
  return fold;
}
