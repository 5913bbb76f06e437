/** The figures of a share group that its model adds up to, by looking at each record. */
import type { ShareGroup } from '../../../src/queue/share-group.ts';
import type { GroupName } from './consumers.ts';
import type { GroupModel, Place } from './group-model.ts';
import type { QueueWorld } from './queue-world.ts';

/** @returns how the figures of a consumer's group are others than those of its model, or null */
export async function statsDifference(
  world: QueueWorld,
  consumer: ShareGroup<string>,
): Promise<string | null> {
  const group = consumer.name === 'audit' ? 'audit' : 'queue';
  const found = await consumer.stats();
  const { settled, ...wanted } = expectedStats(world, group);
  for (const [name, value] of Object.entries(wanted)) {
    const other: unknown = Reflect.get(found, name);
    if (other !== value) return `${group}: ${name} is ${String(other)}, not ${String(value)}`;
  }
  for (const [name, value] of Object.entries(settled)) {
    const other: unknown = Reflect.get(found.settled, name);
    if (other !== value) return `${group}: ${String(other)} are ${name}, not ${value}`;
  }
  return null;
}

function expectedStats(world: QueueWorld, name: GroupName) {
  const group = world.groups[name];
  const { nowMs } = world;
  const isReady = (place: Place) => {
    const { state, dueMs } = group.item(place);
    return state !== 'delayed' || (!group.isLive && dueMs <= nowMs);
  };
  // What was deleted is not there, though the group has not come past it yet.
  const isThere = ({ partition, offset }: Place) => offset >= world.startOffset(partition);
  const waiting = group.places('unread', 'ready', 'delayed').filter(isThere);
  const ready = waiting.filter(isReady);
  const delayed = waiting.filter((place) => !isReady(place));
  const oldest = world.records.flatMap((records, partition) => {
    const [first] = ready.filter((place) => place.partition === partition);
    if (first === undefined) return [];
    const record = records[first.offset];
    return record === undefined ? [] : [nowMs - record.appendMs];
  });
  const leasedCount = group.places('leased').length;
  return {
    readyCount: ready.length,
    leasedCount,
    delayedCount: delayed.length,
    condemnedCount: 0,
    deadCount: group.places('dead').filter(isThere).length,
    unsettledCount: ready.length + delayed.length + leasedCount,
    oldestReadyAgeMs: oldest.length === 0 ? null : Math.max(0, ...oldest),
    isPaused: group.data.isPaused,
    settled: settledBy(group),
  };
}

/** All partitions together. */
function settledBy({ data }: GroupModel): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const tally of data.tallies) {
    for (const [name, count] of Object.entries(tally)) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}
