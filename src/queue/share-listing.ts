/** Share groups as others see them: which there are, how they are set, who has what leased. */
import type { UnfinishedCount } from '../topic/unfinished-passed.ts';
import { QUEUE_GROUP } from './queue-group.ts';
import { SlotState } from './record-state.ts';
import { purgedCount, type SharePartition } from './share-partition.ts';
import type { ShareSettings } from './share-settings.ts';
import type { ShareState } from './share-state.ts';
import type { ShareStats } from './share-stats.ts';

/** A share group of a topic. */
export interface ShareGroupListing {
  readonly topic: string;
  readonly name: string;
  /** Whether it is the one share group that makes its topic a queue. */
  readonly isQueue: boolean;
  /** Handles in this process. */
  readonly consumerCount: number;
}

/** One lease, as it stands now. */
export interface LeaseDescription {
  readonly partition: number;
  readonly offset: number;
  /** How often the record was acquired, this time included. */
  readonly attempt: number;
  /** As `Delivery.token`; null when the process that has it leased is another one. */
  readonly token: string | null;
  /** How long it still lasts, ms; null as `token`. */
  readonly leaseLeftMs: number | null;
}

export interface ShareGroupDescription extends ShareGroupListing {
  readonly settings: ShareSettings;
  readonly stats: ShareStats;
  /** Records that the last purge settled, and `undoPurge` would bring back. */
  readonly undoableCount: number;
  /** What retention took, or archived to take, that it had not settled: as of `TopicDescription`. */
  readonly unfinishedCounts: readonly UnfinishedCount[];
  /** By partition and offset: the first ones, when there are many. */
  readonly leases: readonly LeaseDescription[];
}

export interface DescribeOptions {
  /** Leases to tell of, 0..1_000_000; default 1000. `stats.leasedCount` is how many there are. */
  readonly leasesMax?: number | undefined;
}

export const LEASES_MAX_DEFAULT = 1000;

interface GroupSource {
  readonly stats: ShareStats;
  /** Handles in this process. */
  readonly consumerCount: number;
  readonly state: ShareState;
  /** The time that leases run on; null when they are those of another process. */
  readonly loopMs: number | null;
  readonly leasesMax: number;
  readonly unfinishedCounts: readonly UnfinishedCount[];
}

/** Cost: O(slots). */
export function describeShareGroup(source: GroupSource): ShareGroupDescription {
  const { stats, consumerCount, state } = source;
  return {
    topic: stats.topic,
    name: state.group,
    isQueue: state.group === QUEUE_GROUP,
    consumerCount,
    settings: state.settings,
    stats,
    undoableCount: undoableCount(state),
    unfinishedCounts: source.unfinishedCounts,
    leases: leasesOf(source),
  };
}

function leasesOf({ state, loopMs, leasesMax }: GroupSource): readonly LeaseDescription[] {
  const { partitions, ownerEpoch } = state;
  const leases: LeaseDescription[] = [];
  const numbers = [...partitions.keys()].toSorted((one, two) => one - two);
  for (const partition of numbers) {
    const own = partitions.get(partition);
    if (own === undefined || own.table.leasedCount === 0) continue;
    for (const slot of own.table.sortedSlots()) {
      if (own.table.stateAt(slot) !== SlotState.acquired) continue;
      if (leases.length === leasesMax) return leases;
      leases.push({ partition, ...leaseAt(own, slot, { partition, ownerEpoch, loopMs }) });
    }
  }
  return leases;
}

/** How many records `undoPurge` would bring back. */
function undoableCount({ partitions }: ShareState): number {
  let count = 0;
  for (const { purged } of partitions.values()) count += purgedCount(purged);
  return count;
}

interface LeaseContext {
  readonly partition: number;
  readonly ownerEpoch: number;
  readonly loopMs: number | null;
}

function leaseAt(
  { table }: SharePartition,
  slot: number,
  { partition, ownerEpoch, loopMs }: LeaseContext,
): Omit<LeaseDescription, 'partition'> {
  const offset = table.offsetAt(slot);
  const attempt = table.attemptsAt(slot);
  // Its attempt is journaled, and it is not with anybody: on its way, or left by an earlier process.
  const isRunning = loopMs !== null && table.leaseWheel.isLinked(slot);
  if (!isRunning) return { offset, attempt, token: null, leaseLeftMs: null };
  const token = leaseToken({ ownerEpoch, leaseNumber: table.leaseAt(slot), partition, offset });
  return { offset, attempt, token, leaseLeftMs: Math.round(table.timeAt(slot) - loopMs) };
}

/** Names a lease for ever, as text. */
export function leaseToken(lease: {
  readonly ownerEpoch: number;
  readonly leaseNumber: number;
  readonly partition: number;
  readonly offset: number;
}): string {
  const { ownerEpoch, leaseNumber, partition, offset } = lease;
  return `${ownerEpoch}-${leaseNumber}-${partition}-${offset}`;
}
