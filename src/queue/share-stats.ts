/** Figures of a share group. */
import type { Clock } from '../core/clock.ts';
import { settleAll } from '../core/settle-all.ts';
import type { Log } from '../log/log.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { appendTimeAt } from '../topic/partition-log.ts';
import { ReadyKind } from './ready-kind.ts';
import { SlotState } from './record-state.ts';
import type { SharePartition } from './share-partition.ts';
import { emptyTally, TALLY_NAMES, type Tally } from './share-tally.ts';
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
  const { topic, state, clock, isLive } = source;
  const total: Total = { ...NO_COUNTS, settled: emptyTally() };
  let oldestMs = Number.POSITIVE_INFINITY;
  const look = async (number: number, { log, oldestOffset }: Counted): Promise<void> => {
    if (oldestOffset >= log.visibleOffset) return;
    const appendedMs = await appendTimeAt({ partition: number, log }, oldestOffset);
    oldestMs = Math.min(oldestMs, appendedMs ?? oldestMs);
  };
  if (isLive) {
    // Of all partitions in one step: records are settled while what is old is read.
    await withAllLogs(topic, async (logs) => {
      const counted = logs.map((log, number) => addPartition(total, { number, log, source }));
      for (const [number, each] of counted.entries()) await look(number, each);
    });
  } else {
    for (let number = 0; number < topic.count; number++) {
      await topic
        .at(number)
        .use((log) => look(number, addPartition(total, { number, log, source })));
    }
  }
  const { settled, ...counts } = total;
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

/** For a group that is used in this process: it has them open anyway. */
async function withAllLogs(
  topic: PartitionSet,
  action: (logs: readonly Log<Uint8Array>[]) => Promise<void>,
): Promise<void> {
  const partitions = Array.from({ length: topic.count }, (_, number) => topic.at(number));
  const releases = partitions.map((partition) => partition.hold());
  try {
    await action(await settleAll(partitions.map((partition) => partition.log())));
  } finally {
    for (const release of releases) release();
  }
}

interface Total extends Counts {
  readonly settled: Tally;
}

interface Counted {
  readonly log: Log<Uint8Array>;
  /** Of the oldest ready record, or one at which there is none. */
  readonly oldestOffset: number;
}

interface PartitionOfGroup {
  readonly number: number;
  readonly log: Log<Uint8Array>;
  readonly source: ShareStatsSource;
}

/** In one step: what is counted as leased is not settled by the time the settled are. */
function addPartition(total: Total, { number, log, source }: PartitionOfGroup): Counted {
  const partition = source.state.partitions.get(number);
  const oldestOffset = addCounts(total, { partition, log, source });
  for (const name of TALLY_NAMES) total.settled[name] += partition?.tally[name] ?? 0;
  return { log, oldestOffset };
}

interface Counts {
  readyCount: number;
  leasedCount: number;
  delayedCount: number;
  condemnedCount: number;
  deadCount: number;
}

const NO_COUNTS: Counts = {
  readyCount: 0,
  leasedCount: 0,
  delayedCount: 0,
  condemnedCount: 0,
  deadCount: 0,
};

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
  const { unread, dead, condemned } = partition;
  // What retention took is not there, though the group has not come past it yet.
  const unreadCount = unread.countBelow(visibleOffset) - unread.countBelow(startOffset);
  const isWhole = !partition.reachesBelow(startOffset);
  const slots =
    source.isLive && isWhole
      ? countedSlots(partition)
      : walkedSlots(partition, startOffset, source.isLive ? null : source.clock.now());
  counts.readyCount += slots.readyCount + unreadCount;
  counts.leasedCount += slots.leasedCount;
  counts.delayedCount += slots.delayedCount;
  counts.condemnedCount += condemned.size;
  counts.deadCount += isWhole ? dead.size : offsetsFrom(dead.offsets(), startOffset);
  return Math.min(slots.firstOffset, unread.next(startOffset).from);
}

function offsetsFrom(offsets: Iterable<number>, startOffset: number): number {
  let count = 0;
  for (const offset of offsets) if (offset >= startOffset) count++;
  return count;
}

interface SlotCounts {
  readonly readyCount: number;
  readonly leasedCount: number;
  readonly delayedCount: number;
  /** Of those that are ready; a very high one when there is none. */
  readonly firstOffset: number;
}

/** As the table knows them. */
function countedSlots({ table, condemned }: SharePartition): SlotCounts {
  const { leasedCount } = table;
  let { availableCount: readyCount, delayedCount } = table;
  for (const offset of condemned.keys()) {
    if (table.stateAt(table.find(offset)) === SlotState.delayed) delayedCount--;
    else readyCount--;
  }
  let firstOffset = Number.MAX_SAFE_INTEGER;
  for (const kind of Object.values(ReadyKind)) {
    const slot = table.minReady(kind);
    if (slot >= 0) firstOffset = Math.min(firstOffset, table.offsetAt(slot));
  }
  return { readyCount, leasedCount, delayedCount, firstOffset };
}

/**
 * One by one, without what lies below `startOffset` and is with nobody.
 *
 * @param nowMs  where nobody has looked at what became ready since the group was used; else null
 */
function walkedSlots(
  { table, condemned }: SharePartition,
  startOffset: number,
  nowMs: number | null,
): SlotCounts {
  const counts = { readyCount: 0, leasedCount: 0, delayedCount: 0 };
  let firstOffset = Number.MAX_SAFE_INTEGER;
  for (const slot of table.slots()) {
    const offset = table.offsetAt(slot);
    const state = table.stateAt(slot);
    if (state === SlotState.acquired) counts.leasedCount++;
    if (state === SlotState.acquired || offset < startOffset || condemned.has(offset)) continue;
    if (state === SlotState.delayed && (nowMs === null || table.timeAt(slot) > nowMs)) {
      counts.delayedCount++;
      continue;
    }
    counts.readyCount++;
    firstOffset = Math.min(firstOffset, offset);
  }
  return { ...counts, firstOffset };
}
