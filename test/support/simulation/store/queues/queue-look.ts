/** What a store that was opened again has of its share groups, beside what they owe. */
import type { Ending } from '../../oracle.ts';
import type { OffsetRange } from '../../found-log.ts';
import type { FoundPartition, FoundStore } from '../store-look.ts';
import type { StoreWorld } from '../store-world.ts';
import { QUEUE_ID, QUEUE_TOPIC } from './queue-topics.ts';
import { checkSideTopics } from './side-topics.ts';

export function checkQueues(world: StoreWorld, found: FoundStore, ending: Ending): void {
  for (const one of found.partitions) if (one.topic === QUEUE_TOPIC) checkEnd(world, one);
  world.queues.reopened(found.groups, ending);
  if (!found.topics.has(QUEUE_TOPIC)) world.forgetTopic(QUEUE_TOPIC);
  const ends = found.partitions
    .filter(({ topic }) => topic === QUEUE_TOPIC)
    .map((one) => one.found.endOffset);
  checkSideTopics(world.sideContext(ends, false), found.side);
}

/**
 * What consumers of the queue had is not given to other records, though a power cut took it, where
 * it was not synced: gaps stand in its place.
 */
export function gapsIn(
  world: StoreWorld,
  { topic, partition, found }: FoundPartition,
): readonly OffsetRange[] {
  if (topic !== QUEUE_TOPIC || world.isSynced(topic)) return [];
  const oracle = world.logOracle(topic, partition);
  const there = new Set(found.records.map(({ offset }) => offset));
  const gaps: OffsetRange[] = [];
  if (found.startOffset > 0) world.tally.add('trimmedLogs');
  const end = Math.min(found.endOffset, oracle.end);
  for (let offset = Math.max(found.startOffset, oracle.durableEnd); offset < end; offset++) {
    if (there.has(offset) || oracle.isGap(offset)) continue;
    gaps.push({ firstOffset: offset, nextOffset: offset + 1 });
  }
  return gaps;
}

/** Whether no record is where the log ends behind its data. */
export function endsInGap(world: StoreWorld, one: FoundPartition): boolean {
  const { topic, partition, expectedEnd, found } = one;
  const oracle = world.logOracle(topic, partition);
  for (let offset = expectedEnd; offset < found.endOffset; offset++) {
    if (!oracle.isGap(offset)) return false;
  }
  return found.endOffset > expectedEnd;
}

function checkEnd(world: StoreWorld, { partition, found }: FoundPartition): void {
  const { endOffset } = found;
  const ledger = world.queues.ledgers.get(QUEUE_ID);
  ledger?.forgetFrom(partition, endOffset);
  for (const gap of world.logOracle(QUEUE_TOPIC, partition).gaps) ledger?.lost(partition, gap);
}
