/** Has the table of a topic what became visible, and lets go of what has left its window. */
import type { LoadedDedup } from './dedup-load.ts';
import type { PendingRun } from './dedup-pending.ts';
import { SHARDS } from './dedup-shards.ts';
import type { DedupTable } from './dedup-table.ts';

/** Records that are appended between two looks at what can be forgotten. */
const SWEEP_RECORDS = 4096;
/** Once around while a quarter of the table comes anew, but not more shards at once. */
const AROUND_SHARE = 1 / 4;
const SWEEP_SHARDS_MAX = 16;
/** Memory is looked at when the table may have grown by so much. */
const GROWTH_TO_LOOK = 1 / 32;

export class DedupUpkeep {
  readonly #lookAtMemory: () => void;
  #unsweptCount = 0;
  #sweepShards = SWEEP_SHARDS_MAX;
  /** Records until the next look at the memory. */
  #untilLook = 0;

  constructor(lookAtMemory: () => void) {
    this.#lookAtMemory = lookAtMemory;
  }

  /** The first so many of a run are there, for all to see. */
  entered(loaded: LoadedDedup, run: PendingRun, count: number): void {
    const { partition, baseOffset, timeMs } = run;
    beginThrough(loaded, partition);
    enterRecords(loaded.table, run, count);
    loaded.windows.note(partition, baseOffset + count, timeMs);
    this.#unsweptCount += count;
    if (this.#unsweptCount >= SWEEP_RECORDS) this.#sweep(loaded);
  }

  #sweep({ table, stored, windows, time }: LoadedDedup): void {
    this.#untilLook -= this.#unsweptCount;
    this.#unsweptCount = 0;
    const nowMs = time.now();
    for (let partition = 0; partition < windows.partitionCount; partition++) {
      const start = windows.start(partition, nowMs);
      table.evict(partition, start);
      stored.evict(partition, start);
    }
    table.sweep(this.#sweepShards);
    if (this.#untilLook > 0) return;
    const { count } = table;
    this.#sweepShards = Math.ceil((SHARDS * SWEEP_RECORDS) / (count * AROUND_SHARE));
    this.#sweepShards = Math.min(SWEEP_SHARDS_MAX, this.#sweepShards);
    this.#untilLook = count * GROWTH_TO_LOOK;
    this.#lookAtMemory();
  }
}

/** Partitions that came since it was loaded begin with their first record. */
export function beginThrough(
  { table, windows }: Pick<LoadedDedup, 'table' | 'windows'>,
  partition: number,
): void {
  for (let next = windows.partitionCount; next <= partition; next++) {
    windows.begin(0);
    table.begin(next, 0);
  }
}

/** Has the table the first so many records of a run, which may be there already. */
function enterRecords(
  table: DedupTable,
  { partition, baseOffset, words, gone }: PendingRun,
  count: number,
): void {
  for (let at = 0; at < count && 2 * at < words.length; at++) {
    const high = words[2 * at] ?? 0;
    const low = words[2 * at + 1] ?? 0;
    if (high === 0 && low === 0) continue;
    const before = gone[at] ?? null;
    const offset = baseOffset + at;
    if (before === null) table.add(high, low, partition, offset);
    else table.replace(high, low, before, { partition, offset });
  }
}
