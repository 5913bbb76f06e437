/** Figures of a share group. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../log/log.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { appendTimeAt } from '../topic/partition-log.ts';
import { ReadyKind } from './ready-kind.ts';
import { SlotState } from './record-state.ts';
import { emptyTally, TALLY_NAMES, type SharePartition, type Tally } from './share-partition.ts';
import type { ShareState } from './share-state.ts';

/** Exact at the moment of the call. */
export interface ShareStats {
  readonly topic: string;
  readonly group: string;
  /** Could be handed out now; offsets without a record count until somebody came past them. */
  readonly readyCount: number;
  /** With a consumer, now. */
  readonly leasedCount: number;
  /** Given back, and not to be handed out yet. */
  readonly delayedCount: number;
  /** Over a limit: dead as soon as that is written, and nobody gets it. */
  readonly condemnedCount: number;
  /** Dead and kept. */
  readonly deadCount: number;
  /** Ready, leased, delayed and condemned together. */
  readonly unsettledCount: number;
  /** How long the oldest ready record has been in the topic, by append time, ms; null = none is ready. */
  readonly oldestReadyAgeMs: number | null;
  readonly isPaused: boolean;
  /** How records ended, since the group was made. */
  readonly settled: Readonly<Tally>;
}

export interface ShareStatsSource {
  readonly topic: PartitionSet;
  readonly state: ShareState;
  readonly clock: Clock;
  /** Whether the group is used in this process: then the table knows what is ready. */
  readonly isLive: boolean;
}

/** Cost: O(partitions), when the group is used in this process, and a read for each. */
export async function statsOf(source: ShareStatsSource): Promise<ShareStats> {
  const { topic, state, clock } = source;
  const counts: Counts = {
    readyCount: 0,
    leasedCount: 0,
    delayedCount: 0,
    condemnedCount: 0,
    deadCount: 0,
  };
  const settled = emptyTally();
  let oldestMs = Number.POSITIVE_INFINITY;
  for (let number = 0; number < topic.count; number++) {
    const partition = state.partitions.get(number);
    const used = topic.at(number);
    await used.use(async (log) => {
      const oldestOffset = addCounts(counts, { partition, log, source });
      if (oldestOffset >= log.visibleOffset) return;
      const appendedMs = await appendTimeAt({ partition: number, log }, oldestOffset);
      oldestMs = Math.min(oldestMs, appendedMs ?? oldestMs);
    });
    if (partition === undefined) continue;
    for (const name of TALLY_NAMES) settled[name] += partition.tally[name];
  }
  const { readyCount, leasedCount, delayedCount, condemnedCount } = counts;
  return {
    topic: topic.name,
    group: state.group,
    ...counts,
    unsettledCount: readyCount + leasedCount + delayedCount + condemnedCount,
    oldestReadyAgeMs: Number.isFinite(oldestMs) ? Math.max(0, clock.now() - oldestMs) : null,
    isPaused: state.isPaused,
    settled,
  };
}

interface Counts {
  readyCount: number;
  leasedCount: number;
  delayedCount: number;
  condemnedCount: number;
  deadCount: number;
}

interface CountedPartition {
  /** Undefined where the group has not begun. */
  readonly partition: SharePartition | undefined;
  readonly log: Log<Uint8Array>;
  readonly source: ShareStatsSource;
}

/** @returns the offset of the oldest ready record, or one at which there is none */
function addCounts(counts: Counts, { partition, log, source }: CountedPartition): number {
  const { visibleOffset, startOffset } = log;
  if (partition === undefined) {
    counts.readyCount += visibleOffset - startOffset;
    return startOffset;
  }
  const { table, unread, dead } = partition;
  const ended = source.isLive ? NONE_ENDED : endedDelays(partition, source.clock.now());
  // What retention took is not there, though the group has not come past it yet.
  const unreadCount = unread.countBelow(visibleOffset) - unread.countBelow(startOffset);
  counts.readyCount += table.availableCount + ended.count + unreadCount;
  counts.leasedCount += table.leasedCount;
  counts.delayedCount += table.delayedCount - ended.count;
  counts.deadCount += dead.size;
  addCondemned(counts, partition);
  const first = source.isLive ? firstReady(partition) : ended.firstOffset;
  return Math.min(Math.max(first, startOffset), unread.next(startOffset).from);
}

function addCondemned(counts: Counts, { table, condemned }: SharePartition): void {
  counts.condemnedCount += condemned.size;
  for (const offset of condemned.keys()) {
    const isDelayed = table.stateAt(table.find(offset)) === SlotState.delayed;
    if (isDelayed) counts.delayedCount--;
    else counts.readyCount--;
  }
}

interface Ended {
  readonly count: number;
  readonly firstOffset: number;
}

const NONE_ENDED: Ended = { count: 0, firstOffset: Number.MAX_SAFE_INTEGER };

/** Nobody has looked at what became ready since the group was used. */
function endedDelays({ table }: SharePartition, nowMs: number): Ended {
  let count = 0;
  let firstOffset = Number.MAX_SAFE_INTEGER;
  for (const slot of table.slots()) {
    const state = table.stateAt(slot);
    const isEnded = state === SlotState.delayed && table.timeAt(slot) <= nowMs;
    if (isEnded) count++;
    if (isEnded || state === SlotState.available) {
      firstOffset = Math.min(firstOffset, table.offsetAt(slot));
    }
  }
  return { count, firstOffset };
}

function firstReady({ table }: SharePartition): number {
  let offset = Number.MAX_SAFE_INTEGER;
  for (const kind of Object.values(ReadyKind)) {
    const slot = table.minReady(kind);
    if (slot >= 0) offset = Math.min(offset, table.offsetAt(slot));
  }
  return offset;
}
