/**
 * Finds again what the logs of a topic say of the ids in them, without a look at the records: by the tables
 * of sealed segments, and by the extensions of the batches where there is none. Both say the same.
 */
import { nextTurn, type Clock } from '../core/clock.ts';
import { TABLE_ENTRY_BYTES, type StoredDedupTable } from '../format/dedup-table-batch.ts';
import { extensionOf } from '../format/extension.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { fingerprintsIn, type Fingerprints } from '../format/fingerprints-extension.ts';
import type { Log } from '../log/log.ts';
import { TableMemory, type TabledSegment } from '../log/segment-tables.ts';
import { DedupTable } from './dedup-table.ts';
import { DedupTime, DedupWindows } from './dedup-window.ts';
import { UNTIL_SETTLED, type DedupSettings } from './dedup-options.ts';
import type { PartitionSet } from './partition-set.ts';
import type { SettlingOf } from './topic-home.ts';

/** Others have their turn after so long. */
const TURN_MS = 5;
/** Entries of a table that are taken before the clock is asked: some 100 us. */
const ENTRIES_BETWEEN_LOOKS = 1024;

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
}

export interface LoadedDedup {
  readonly table: DedupTable;
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

/** Ascending: up to which offset, and when that was appended. */
type Times = (readonly [endOffset: number, timeMs: number])[];

/** @throws CorruptLogError where it cannot be told; as `openLog` */
export async function loadDedup(options: DedupLoadOptions): Promise<LoadedDedup> {
  const { partitions, settings, settlingOf, clock, ownFrom } = options;
  const plans: PartPlan[] = [];
  for (let partition = 0; partition < partitions.count; partition++) {
    plans.push(await partitions.at(partition).use((log) => planOf(log, partition, options)));
  }
  const table = new DedupTable();
  table.reserve(entriesIn(plans));
  const loader = new PartLoader(table, clock);
  const found: Times[] = [];
  for (const plan of plans) {
    found.push(await partitions.at(plan.partition).use((log) => loader.load(log, plan)));
  }
  const latestMs = Math.max(0, ...found.map((times) => times.at(-1)?.[1] ?? 0));
  const time = options.time ?? new DedupTime(clock, latestMs);
  const nowMs = time.now();
  const windows = new DedupWindows(settings.dedupWindowMs, settlingOf);
  for (const { partition, from } of plans) {
    windows.begin(from);
    for (const [endOffset, timeMs] of found[partition] ?? []) {
      const isOwn = endOffset > (ownFrom[partition] ?? Infinity);
      windows.note(partition, endOffset, isOwn && time.wasSetBack ? nowMs : timeMs);
    }
  }
  return { table, windows, time, endOffsets: plans.map(({ to }) => to) };
}

async function planOf(
  log: Log<Uint8Array>,
  partition: number,
  { clock, settings, time, begunAt }: DedupLoadOptions,
): Promise<PartPlan> {
  const { trimmer, tables } = log.forStore();
  const to = log.visibleOffset;
  let from = Math.max(log.startOffset, begunAt(log.logId));
  const { dedupWindowMs } = settings;
  if (dedupWindowMs !== UNTIL_SETTLED && time === null && from < to) {
    const sinceMs = clock.now() - dedupWindowMs;
    from = Math.max(from, await trimmer.segmentSince(sinceMs, to));
  }
  return { partition, from, to, tabled: from < to ? await tables.list(from, to) : [] };
}

/** Entries that the tables can have: the bytes that are there bound it, whatever they say. */
function entriesIn(plans: readonly PartPlan[]): number {
  const places = plans.flatMap(({ tabled }) => tabled.flatMap((segment) => segment.places));
  const sizeBytes = places.reduce((sum, place) => sum + place.sizeBytes, 0);
  return Math.floor(sizeBytes / TABLE_ENTRY_BYTES);
}

/** Brings what logs say into a table: by their tables where these are whole, else batch by batch. */
class PartLoader {
  readonly #table: DedupTable;
  readonly #clock: Clock;
  readonly #memory = new TableMemory();
  #turnMs: number;

  constructor(table: DedupTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
    this.#turnMs = clock.monotonic();
  }

  async load(log: Log<Uint8Array>, { partition, from, to, tabled }: PartPlan): Promise<Times> {
    this.#table.begin(partition, from);
    const times: Times = [];
    let reached = from;
    for (const segment of tabled) {
      await this.#walk(log, partition, { from: reached, to: segment.baseOffset, times });
      reached = Math.max(from, segment.baseOffset);
      for (const place of segment.places) {
        const stored = await log.forStore().tables.read(segment, place, this.#memory);
        if (stored === null) break; // What it would have said is found in the batches.
        const tableEnd = await this.#take(stored, partition, { segment, from: reached, times });
        reached = Math.max(reached, tableEnd);
      }
    }
    await this.#walk(log, partition, { from: reached, to, times });
    return times;
  }

  /** Adds what a table says. @returns first offset behind the records that it is of */
  async #take(
    stored: StoredDedupTable,
    partition: number,
    part: { readonly segment: TabledSegment; readonly from: number; readonly times: Times },
  ): Promise<number> {
    const { baseOffset } = part.segment;
    for (let entry = 0; entry < stored.count; entry++) {
      const offset = baseOffset + stored.place(entry);
      this.#table.add(stored.high(entry), stored.low(entry), partition, offset);
      if (entry % ENTRIES_BETWEEN_LOOKS === 0) await this.#giveWay();
    }
    let endOffset = baseOffset;
    for (let sample = 0; sample < stored.sampleCount; sample++) {
      endOffset = baseOffset + stored.sampleEnd(sample);
      if (endOffset > part.from) part.times.push([endOffset, stored.sampleTime(sample)]);
    }
    return endOffset;
  }

  /** Adds what the extensions of batches say, without a look at the records. */
  async #walk(
    log: Log<Uint8Array>,
    partition: number,
    { from, to, times }: { readonly from: number; readonly to: number; readonly times: Times },
  ): Promise<void> {
    if (from >= to) return;
    const source = log.source({ from, to, keepsAlive: false }, 'reused');
    try {
      while (await source.next()) {
        const { bytes, at, header, file } = source.batch;
        times.push([nextOffsetOf(header), header.appendTimeMs]);
        const extension = extensionOf(bytes, at, header);
        const fingerprints = fingerprintsIn({ header, extension, file });
        if (fingerprints !== null) {
          this.#table.addRun(partition, header.baseOffset, wordsOf(fingerprints));
        }
        await this.#giveWay();
      }
    } finally {
      source.close();
    }
  }

  async #giveWay(): Promise<void> {
    if (this.#clock.monotonic() - this.#turnMs < TURN_MS) return;
    await nextTurn();
    this.#turnMs = this.#clock.monotonic();
  }
}

function wordsOf(fingerprints: Fingerprints): Uint32Array {
  const words = new Uint32Array(2 * fingerprints.count);
  for (let at = 0; at < fingerprints.count; at++) {
    words[2 * at] = fingerprints.high(at);
    words[2 * at + 1] = fingerprints.low(at);
  }
  return words;
}
