/**
 * Finds again what the logs of a topic say of the ids in them: by the extensions of their batches, without
 * a look at the records.
 */
import { nextTurn, type Clock } from '../core/clock.ts';
import { extensionOf } from '../format/extension.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { fingerprintsIn, type Fingerprints } from '../format/fingerprints-extension.ts';
import type { Log } from '../log/log.ts';
import { DedupTable } from './dedup-table.ts';
import { DedupTime, DedupWindows } from './dedup-window.ts';
import { UNTIL_SETTLED, type DedupSettings } from './dedup-options.ts';
import type { PartitionSet } from './partition-set.ts';
import type { SettlingOf } from './topic-home.ts';

/** Others have their turn after so long. */
const TURN_MS = 5;

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

/** What is known of one partition. */
interface FoundPart {
  readonly from: number;
  readonly to: number;
  /** Ascending: up to which offset, and when that was appended. */
  readonly times: (readonly [endOffset: number, timeMs: number])[];
}

/** @throws CorruptLogError where it cannot be told; as `openLog` */
export async function loadDedup(options: DedupLoadOptions): Promise<LoadedDedup> {
  const { partitions, settings, settlingOf, clock, ownFrom } = options;
  const table = new DedupTable();
  const windows = new DedupWindows(settings.dedupWindowMs, settlingOf);
  const found: FoundPart[] = [];
  for (let partition = 0; partition < partitions.count; partition++) {
    const loading = (log: Log<Uint8Array>) => loadPart(log, partition, table, options);
    found.push(await partitions.at(partition).use(loading));
  }
  const latestMs = Math.max(0, ...found.map(({ times }) => times.at(-1)?.[1] ?? 0));
  const time = options.time ?? new DedupTime(clock, latestMs);
  const nowMs = time.now();
  for (const [partition, { from, times }] of found.entries()) {
    windows.begin(from);
    for (const [endOffset, timeMs] of times) {
      const isOwn = endOffset > (ownFrom[partition] ?? Infinity);
      windows.note(partition, endOffset, isOwn && time.wasSetBack ? nowMs : timeMs);
    }
  }
  return { table, windows, time, endOffsets: found.map(({ to }) => to) };
}

async function loadPart(
  log: Log<Uint8Array>,
  partition: number,
  table: DedupTable,
  options: DedupLoadOptions,
): Promise<FoundPart> {
  const { clock, settings, time, begunAt } = options;
  const to = log.visibleOffset;
  let from = Math.max(log.startOffset, begunAt(log.logId));
  const { dedupWindowMs } = settings;
  if (dedupWindowMs !== UNTIL_SETTLED && time === null && from < to) {
    const sinceMs = clock.now() - dedupWindowMs;
    from = Math.max(from, await log.forStore().trimmer.segmentSince(sinceMs, to));
  }
  table.begin(partition, from);
  const times: (readonly [number, number])[] = [];
  if (from >= to) return { from, to, times };
  const source = log.source({ from, to, keepsAlive: false }, 'reused');
  try {
    let turnMs = clock.monotonic();
    while (await source.next()) {
      const { bytes, at, header, file } = source.batch;
      times.push([nextOffsetOf(header), header.appendTimeMs]);
      const extension = extensionOf(bytes, at, header);
      const fingerprints = fingerprintsIn({ header, extension, file });
      if (fingerprints !== null) {
        table.addRun(partition, header.baseOffset, wordsOf(fingerprints));
      }
      if (clock.monotonic() - turnMs < TURN_MS) continue;
      await nextTurn();
      turnMs = clock.monotonic();
    }
  } finally {
    source.close();
  }
  return { from, to, times };
}

function wordsOf(fingerprints: Fingerprints): Uint32Array {
  const words = new Uint32Array(2 * fingerprints.count);
  for (let at = 0; at < fingerprints.count; at++) {
    words[2 * at] = fingerprints.high(at);
    words[2 * at + 1] = fingerprints.low(at);
  }
  return words;
}
