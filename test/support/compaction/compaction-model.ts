/**
 * A log that is compacted, as segments in memory: what it appends, how a pass goes through it, and what a
 * crash leaves of that. What is decided, the engine decides (`compaction-plan.ts`).
 *
 * A swap is a rename that a power cut may undo until the directory is synced, which the protocol does before
 * the next one.
 */
import { present } from '../../../src/core/assert.ts';
import {
  chooseCompaction,
  isOfPass,
  isRewritten,
  mayDropTombstones,
  stampsOf,
  type CompactableSegment,
  type CompactionChoice,
  type CompactionPass,
  type CompactionSettings,
  type CompactionStamps,
} from '../../../src/log/compaction-plan.ts';

/** What can be wrong with it. */
export const FAULTS = [
  'no sync between renames',
  'newest first',
  'clean offset too high',
  'stamp too high',
  'cleaned time too early',
  'tombstone by its own age',
] as const;

export type Fault = (typeof FAULTS)[number];

export interface ModelRecord {
  readonly offset: number;
  readonly key: string;
  /** Its value is its offset. */
  readonly isTombstone: boolean;
}

/** One generation of one segment: never changed but for the active one, which grows. */
export interface Generation extends CompactionStamps {
  readonly baseOffset: number;
  /** Of generation 0 that grows: where it ends now. */
  endOffset: number;
  readonly records: readonly ModelRecord[];
  readonly number: number;
  readonly firstAppendTimeMs: number | null;
  readonly lastAppendTimeMs: number | null;
}

/** How a pass goes on, and how it ends. */
export interface PassPlan {
  readonly isAsked: boolean;
  /** Keys that its map takes. */
  readonly keysMax: number;
  /** Swaps after which it is stopped; null = it runs to its end. */
  readonly swapsMax: number | null;
}

const RECORD_BYTES = 100;
const START_MS = 1_000_000;

export class CompactionModel {
  readonly settings: CompactionSettings;
  readonly #fault: Fault | null;
  /** Ascending; the last is the active one. */
  segments: Generation[] = [emptyGeneration(0)];
  /** All that was appended and not lost. */
  appended: ModelRecord[] = [];
  syncedOffset = 0;
  damagedOffset = Number.POSITIVE_INFINITY;
  guardedOffset = Number.POSITIVE_INFINITY;
  nowMs = START_MS;
  /** Renames that a power cut may undo: what stood there before. */
  #undoable: Generation[] = [];
  swapCount = 0;
  crashCount = 0;

  constructor(settings: CompactionSettings, fault: Fault | null = null) {
    this.settings = settings;
    this.#fault = fault;
  }

  get endOffset(): number {
    return present(this.segments.at(-1), 'the active one').endOffset;
  }

  append(key: string, isTombstone: boolean): void {
    const active = present(this.segments.at(-1), 'the active one');
    const record = { offset: active.endOffset, key, isTombstone };
    this.appended.push(record);
    this.segments[this.segments.length - 1] = {
      ...active,
      endOffset: record.offset + 1,
      records: [...active.records, record],
      firstAppendTimeMs: active.firstAppendTimeMs ?? this.nowMs,
      lastAppendTimeMs: this.nowMs,
    };
  }

  roll(): void {
    const { endOffset } = this;
    const active = present(this.segments.at(-1), 'the active one');
    if (active.baseOffset < endOffset) this.segments.push(emptyGeneration(endOffset));
  }

  sync(): void {
    this.syncedOffset = this.endOffset;
  }

  /** What is synced stays; a rename that is not may be undone, or not. @param chances  a bit for each */
  crash(chances: number): void {
    this.crashCount++;
    this.#undoable.forEach((before, at) => {
      if (((chances >>> (at % 31)) & 1) === 1) this.#put(before);
    });
    this.#undoable = [];
    const synced = this.syncedOffset;
    this.appended = this.appended.filter(({ offset }) => offset < synced);
    const left = this.segments.filter(({ baseOffset }) => baseOffset <= synced);
    this.segments = left.map((segment) =>
      segment.endOffset <= synced
        ? segment
        : {
            ...segment,
            endOffset: synced,
            records: segment.records.filter(({ offset }) => offset < synced),
          },
    );
    this.#dropUnsyncedActive(synced);
  }

  /** The active segment is of generation 0, whatever was lost behind it. */
  #dropUnsyncedActive(synced: number): void {
    const last = present(this.segments.at(-1), 'one at least');
    if (last.number > 0) this.segments.push(emptyGeneration(synced));
  }

  choose(isAsked: boolean): CompactionChoice {
    const { syncedOffset, damagedOffset, guardedOffset, nowMs } = this;
    const durableVisibleOffset = syncedOffset;
    const state = { syncedOffset, durableVisibleOffset, damagedOffset, guardedOffset, nowMs };
    const described = this.segments.map((segment) => this.#describe(segment));
    const choice = chooseCompaction(described, this.settings, {
      ...state,
      isAsked,
    });
    if (this.#fault !== 'clean offset too high') return choice;
    // As if a segment that holds the end of a pass were clean to its own end.
    const stamped = this.segments.filter(({ compactedTo }) => compactedTo > 0);
    const cleanOffset = Math.max(choice.cleanOffset, ...stamped.map(({ endOffset }) => endOffset));
    return { ...choice, cleanOffset, endOffset: Math.max(cleanOffset, choice.endOffset) };
  }

  /** @returns why it began; null = it did not */
  run(plan: PassPlan): CompactionChoice['why'] {
    const choice = this.choose(plan.isAsked);
    if (choice.why === null) return null;
    const { map, endOffset } = this.#scan(choice, plan.keysMax);
    const pass = { ...choice, endOffset };
    let swapsLeft = plan.swapsMax ?? Number.POSITIVE_INFINITY;
    const sealed = this.segments.slice(0, -1);
    for (const segment of this.#fault === 'newest first' ? sealed.toReversed() : sealed) {
      const next = this.#rewritten(segment, pass, map);
      if (next === null) continue;
      if (swapsLeft-- === 0) return choice.why;
      this.#swap(segment, next);
    }
    if (plan.swapsMax === null) this.#undoable = [];
    return choice.why;
  }

  /** The last offset of each key of the stretch, as far as they fit. */
  #scan({ cleanOffset, endOffset }: CompactionChoice, keysMax: number) {
    const map = new Map<string, number>();
    for (const { records } of this.segments) {
      for (const { offset, key } of records) {
        if (offset < cleanOffset || offset >= endOffset) continue;
        if (!map.has(key) && map.size === keysMax) return { map, endOffset: offset };
        map.set(key, offset);
      }
    }
    return { map, endOffset };
  }

  /** The next generation of a segment; null = it stays. */
  #rewritten(
    segment: Generation,
    pass: CompactionPass,
    map: ReadonlyMap<string, number>,
  ): Generation | null {
    const { endOffset: end } = segment;
    const described = this.#describe(segment);
    if (!isOfPass(described, end, pass)) return null;
    const records = segment.records.filter((record) => this.#keeps(record, segment, pass, map));
    const found = {
      removedCount: segment.records.length - records.length,
      tombstoneCount: records.filter(({ isTombstone }) => isTombstone).length,
    };
    if (!isRewritten(described, end, pass, found)) return null;
    const stamps = stampsOf(segment, end, this.#stampedPass(pass, end), this.nowMs);
    const isEarly = this.#fault === 'cleaned time too early' && segment.cleanedTimeMs === 0;
    return {
      ...segment,
      ...stamps,
      ...(isEarly ? { cleanedTimeMs: this.nowMs } : {}),
      records,
      number: segment.number + 1,
    };
  }

  #stampedPass(pass: CompactionPass, end: number): CompactionPass {
    if (this.#fault !== 'stamp too high') return pass;
    return { ...pass, endOffset: Math.max(pass.endOffset, end) };
  }

  #keeps(
    { offset, key, isTombstone }: ModelRecord,
    segment: Generation,
    pass: CompactionPass,
    map: ReadonlyMap<string, number>,
  ): boolean {
    if (offset < pass.endOffset && (map.get(key) ?? -1) > offset) return false;
    return !isTombstone || !mayDropTombstones(this.#describe(segment), segment.endOffset, pass);
  }

  #describe(segment: Generation): CompactableSegment {
    const { baseOffset, records, number, compactedTo, cleanedTimeMs } = segment;
    const { firstAppendTimeMs, lastAppendTimeMs } = segment;
    const tombstones = records.filter(({ isTombstone }) => isTombstone);
    const isByOwnAge = this.#fault === 'tombstone by its own age' && cleanedTimeMs > 0;
    return {
      baseOffset,
      sizeBytes: RECORD_BYTES * (1 + records.length),
      firstAppendTimeMs,
      lastAppendTimeMs,
      compactedTo,
      cleanedTimeMs: isByOwnAge ? (lastAppendTimeMs ?? 0) : cleanedTimeMs,
      tombstoneCount: number === 0 ? 0 : tombstones.length,
    };
  }

  #swap(segment: Generation, next: Generation): void {
    // The one before was synced before this one.
    if (this.#fault !== 'no sync between renames') this.#undoable = [];
    this.#put(next);
    this.#undoable.push(segment);
    this.swapCount++;
  }

  #put(generation: Generation): void {
    const at = this.segments.findIndex(({ baseOffset }) => baseOffset === generation.baseOffset);
    if (at >= 0) this.segments[at] = generation;
  }
}

function emptyGeneration(baseOffset: number): Generation {
  return {
    baseOffset,
    endOffset: baseOffset,
    records: [],
    number: 0,
    firstAppendTimeMs: null,
    lastAppendTimeMs: null,
    compactedTo: 0,
    cleanedTimeMs: 0,
  };
}
