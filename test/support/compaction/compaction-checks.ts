/** What must hold of a log that is compacted, for who reads all of it at once, and for who takes his time. */
import type { CompactionModel, Generation, ModelRecord } from './compaction-model.ts';

/** The latest record of each key; deleted ones are not in it. */
export type Fold = ReadonlyMap<string, number>;

class Folding {
  readonly values = new Map<string, number>();

  add({ key, offset, isTombstone }: ModelRecord): void {
    if (isTombstone) this.values.delete(key);
    else this.values.set(key, offset);
  }
}

export function foldOf(records: Iterable<ModelRecord>): Fold {
  const folding = new Folding();
  for (const record of records) folding.add(record);
  return folding.values;
}

/** What is wrong with what lies on the disk; null = nothing. */
export function diskComplaint(model: CompactionModel): string | null {
  const stored = model.segments.flatMap(({ records }) => records);
  const difference = differenceOf(foldOf(stored), foldOf(model.appended));
  if (difference !== null) return `the disk: ${difference}`;
  let end = 0;
  for (const segment of model.segments) {
    if (segment.baseOffset !== end) return `no segment begins at ${end}`;
    end = segment.endOffset;
  }
  return null;
}

/** Reads a log from its start, a record at a time, and holds the file that it is in. */
export class SlowReader {
  readonly startMs: number;
  readonly #folding = new Folding();
  #generation: Generation | null = null;
  #next = 0;

  constructor(startMs: number) {
    this.startMs = startMs;
  }

  /** Reads so many records. @returns whether it got to the end */
  step(model: CompactionModel, count: number): boolean {
    for (let left = count; left > 0;) {
      const generation = this.#generation ?? this.#enter(model);
      if (generation === null) return true;
      const record = generation.records.find(({ offset }) => offset >= this.#next);
      if (record === undefined) {
        this.#next = generation.endOffset;
        this.#generation = null;
        continue;
      }
      this.#folding.add(record);
      this.#next = record.offset + 1;
      left--;
    }
    return this.#next >= model.endOffset;
  }

  /** The file that is there now. What is active grows, so it is entered again. */
  #enter(model: CompactionModel): Generation | null {
    const at = model.segments.findLast(({ baseOffset }) => baseOffset <= this.#next);
    if (at === undefined || at.endOffset <= this.#next) return null;
    this.#generation = at;
    return at;
  }

  /** What is wrong with what it read, if it took no longer than tombstones stay. */
  complaint({ nowMs, settings, appended }: CompactionModel): string | null {
    if (nowMs - this.startMs >= settings.tombstoneRetentionMs) return null;
    const difference = differenceOf(this.#folding.values, foldOf(appended));
    return difference === null ? null : `a reader: ${difference}`;
  }
}

/** What is left below the limit though it should be gone, once passes have been run until none begins. */
export function restComplaint(model: CompactionModel, limitOffset: number): string | null {
  const last = new Map<string, number>();
  const below = (records: readonly ModelRecord[]) =>
    records.filter(({ offset }) => offset < limitOffset);
  for (const { key, offset } of below(model.appended)) last.set(key, offset);
  for (const { key, offset, isTombstone } of below(model.segments.flatMap((one) => one.records))) {
    if (last.get(key) !== offset) return `the record at ${offset} is superseded, and there`;
    if (isTombstone) return `the tombstone at ${offset} is due, and there`;
  }
  return null;
}

/** Where what was read comes to something else than what was appended; null = nowhere. */
export function differenceOf(found: Fold, expected: Fold): string | null {
  for (const [key, offset] of expected) {
    const other = found.get(key);
    if (other === undefined) return `${key} is lost, which is at ${offset}`;
    if (other !== offset) return `${key} is that at ${other}, and should be that at ${offset}`;
  }
  for (const [key, offset] of found) {
    if (!expected.has(key)) return `${key} is there again, that at ${offset}, which was deleted`;
  }
  return null;
}
