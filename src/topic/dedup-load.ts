/**
 * Finds again what the logs of a topic say of the ids in them, without a look at the records: by the tables
 * of sealed segments, and by the extensions of the batches where there is none. Both say the same.
 */
import type { Clock } from '../core/clock.ts';
import { OffsetOutOfRangeError } from '../core/errors.ts';
import { TABLE_ENTRY_BYTES, type StoredDedupTable } from '../format/dedup-table-batch.ts';
import type { Log } from '../log/log.ts';
import { TableMemory, type TabledSegment } from '../log/segment-tables.ts';
import { DedupTable } from './dedup-table.ts';
import { DedupTime, DedupWindows } from './dedup-window.ts';
import { UNTIL_SETTLED, type DedupSettings } from './dedup-options.ts';
import { StoredIds } from './dedup-stored.ts';
import { Turns, walkIds, type AppendTimes } from './dedup-walk.ts';
import type { PartitionSet } from './partition-set.ts';
import type { SettlingOf } from './topic-home.ts';

/** Entries of a table that are taken before the clock is asked: some 100 us. */
const ENTRIES_BETWEEN_LOOKS = 1024;
/** Of a table in memory, with its growth: see `dedup-table.ts`. */
const BYTES_PER_ENTRY = 16;

export interface DedupLoadOptions {
  readonly partitions: PartitionSet;
  readonly clock: Clock;
  readonly settings: DedupSettings;
  readonly settlingOf: SettlingOf;
  /** No fingerprint that counts stands below this offset of a log. */
  readonly begunAt: (logId: number) => number;
  /** When this process has begun; null = it begins now. */
  readonly time: DedupTime | null;
  /** By partition: what is above was appended by this process. */
  readonly ownFrom: readonly number[];
  /** Memory that ids may take; what does not fit is looked for in the tables of its segments. */
  readonly bytesMax: number;
}

export interface LoadedDedup {
  /** Of all ids, or of the youngest. */
  readonly table: DedupTable;
  /** Of the others. */
  readonly stored: StoredIds;
  readonly windows: DedupWindows;
  readonly time: DedupTime;
  /** By partition: where the logs ended. */
  readonly endOffsets: readonly number[];
}

/** What is to be loaded of one partition: offsets [from, to). */
interface PartPlan {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** Those that have tables, ascending. */
  readonly tabled: readonly TabledSegment[];
}

/** @throws CorruptLogError where it cannot be told; as `openLog` */
export async function loadDedup(options: DedupLoadOptions): Promise<LoadedDedup> {
  const { partitions } = options;
  for (;;) {
    const plans: PartPlan[] = [];
    for (let partition = 0; partition < partitions.count; partition++) {
      plans.push(await partitions.at(partition).use((log) => planOf(log, partition, options)));
    }
    try {
      return await loadPlanned(plans, options);
    } catch (error) {
      // Retention took what was planned, so less is left to be loaded.
      if (!(error instanceof OffsetOutOfRangeError && (await isTrimmed(plans, partitions)))) {
        throw error;
      }
    }
  }
}

async function isTrimmed(plans: readonly PartPlan[], partitions: PartitionSet): Promise<boolean> {
  for (const { partition, from } of plans) {
    const startOffset = await partitions.at(partition).use(async (log) => log.startOffset);
    if (startOffset > from) return true;
  }
  return false;
}

async function loadPlanned(
  plans: readonly PartPlan[],
  { partitions, settings, settlingOf, clock, ownFrom, bytesMax, time: known }: DedupLoadOptions,
): Promise<LoadedDedup> {
  const entriesMax = Math.floor(bytesMax / BYTES_PER_ENTRY);
  const inMemory = youngest(plans, entriesMax);
  const entries = [...inMemory].reduce((sum, segment) => sum + entriesMaxIn(segment), 0);
  const table = new DedupTable();
  table.reserve(Math.min(entries * (1 + FREE_SHARE), entriesMax));
  const turns = new Turns(clock);
  const stored = new StoredIds(partitions, turns, bytesMax);
  const windows = new DedupWindows(settings.dedupWindowMs, settlingOf);
  const loader = new PartLoader({ table, stored, turns, inMemory, windows });
  const found: AppendTimes[] = [];
  for (const plan of plans) {
    found.push(await partitions.at(plan.partition).use((log) => loader.load(log, plan)));
  }
  const latestMs = Math.max(0, ...found.map((times) => times.at(-1)?.[1] ?? 0));
  const time = known ?? new DedupTime(clock, latestMs);
  const nowMs = time.now();
  for (const { partition, from } of plans) {
    windows.begin(from);
    for (const [endOffset, timeMs] of found[partition] ?? []) {
      const isOwn = endOffset > (ownFrom[partition] ?? Infinity);
      windows.note(partition, endOffset, isOwn && time.wasSetBack ? nowMs : timeMs);
    }
  }
  return { table, stored, windows, time, endOffsets: plans.map(({ to }) => to) };
}

async function planOf(
  log: Log<Uint8Array>,
  partition: number,
  { clock, settings, settlingOf, time, begunAt }: DedupLoadOptions,
): Promise<PartPlan> {
  const { trimmer, tables } = log.forStore();
  const to = log.visibleOffset;
  let from = Math.max(log.startOffset, begunAt(log.logId));
  const { dedupWindowMs } = settings;
  if (dedupWindowMs === UNTIL_SETTLED) {
    from = Math.max(from, settlingOf(partition)?.firstOffset() ?? 0);
  } else if (time === null && from < to) {
    const sinceMs = clock.now() - dedupWindowMs;
    from = Math.max(from, await trimmer.segmentSince(sinceMs, to));
  }
  return { partition, from, to, tabled: from < to ? await tables.list(from, to) : [] };
}

/** Room for what comes next: shards that are full when they are loaded would all grow at once. */
const FREE_SHARE = 1 / 8;

/** Entries that its tables can have: the bytes that are there bound it, whatever they say. */
export function entriesMaxIn({ places }: TabledSegment): number {
  const sizeBytes = places.reduce((sum, place) => sum + place.sizeBytes, 0);
  return Math.floor(sizeBytes / TABLE_ENTRY_BYTES);
}

/** The youngest segments of all partitions, as many as have so many entries together. */
function youngest(plans: readonly PartPlan[], entriesMax: number): ReadonlySet<TabledSegment> {
  const chosen = new Set<TabledSegment>();
  const left = plans.map(({ tabled }) => [...tabled]);
  let entries = 0;
  for (let turn = 0; left.some(({ length }) => length > 0); turn = (turn + 1) % left.length) {
    const segment = left[turn]?.pop();
    if (segment === undefined) continue;
    entries += entriesMaxIn(segment);
    if (entries > entriesMax) break;
    chosen.add(segment);
  }
  return chosen;
}

interface LoaderParts {
  readonly table: DedupTable;
  readonly stored: StoredIds;
  readonly turns: Turns;
  /** Those whose ids go into memory. */
  readonly inMemory: ReadonlySet<TabledSegment>;
  /** What queues have settled is left out. */
  readonly windows: DedupWindows;
}

/** Brings what logs say into a table: by their tables where these are whole, else batch by batch. */
class PartLoader {
  readonly #parts: LoaderParts;
  readonly #memory = new TableMemory();

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  async load(
    log: Log<Uint8Array>,
    { partition, from, to, tabled }: PartPlan,
  ): Promise<AppendTimes> {
    const { table, stored, turns, inMemory, windows } = this.#parts;
    const times: AppendTimes = [];
    const into = { table, times, turns, isOver: windows.overIn(partition) };
    const loaded = tabled.filter((segment) => inMemory.has(segment));
    stored.begin(partition, from);
    for (const segment of tabled.slice(0, tabled.length - loaded.length)) {
      times.push(...(await stored.take(log, partition, segment)));
    }
    let reached = stored.memoryFrom(partition);
    table.begin(partition, reached);
    for (const segment of loaded) {
      await walkIds(log, { partition, from: reached, to: segment.baseOffset }, into);
      reached = Math.max(reached, segment.baseOffset);
      for (const place of segment.places) {
        const found = await log.forStore().tables.read(segment, place, this.#memory);
        if (found === null) break; // What it would have said is found in the batches.
        const tableEnd = await this.#add(found, partition, { segment, from: reached, times });
        reached = Math.max(reached, tableEnd);
      }
    }
    await walkIds(log, { partition, from: reached, to }, into);
    return times;
  }

  /** Adds what a table says. @returns first offset behind the records that it is of */
  async #add(
    found: StoredDedupTable,
    partition: number,
    part: { readonly segment: TabledSegment; readonly from: number; readonly times: AppendTimes },
  ): Promise<number> {
    const { table, turns, windows } = this.#parts;
    const { baseOffset } = part.segment;
    const isOver = windows.overIn(partition);
    for (let entry = 0; entry < found.count; entry++) {
      const offset = baseOffset + found.place(entry);
      if (isOver?.(offset) !== true) {
        table.add(found.high(entry), found.low(entry), partition, offset);
      }
      if (entry % ENTRIES_BETWEEN_LOOKS === 0) await turns.giveWay();
    }
    let endOffset = baseOffset;
    for (let sample = 0; sample < found.sampleCount; sample++) {
      endOffset = baseOffset + found.sampleEnd(sample);
      if (endOffset > part.from) part.times.push([endOffset, found.sampleTime(sample)]);
    }
    return endOffset;
  }
}
