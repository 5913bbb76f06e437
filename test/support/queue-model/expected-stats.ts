/** The figures of a share group that its model adds up to, by looking at each record. */
import type { GroupName } from './consumers.ts';
import type { GroupModel, Place } from './group-model.ts';
import type { QueueWorld } from './queue-world.ts';

export function expectedStats(world: QueueWorld, name: GroupName) {
  const group = world.groups[name];
  const { nowMs } = world;
  const isReady = (place: Place) => {
    const { state, dueMs } = group.item(place);
    if (state === 'unread') return place.offset >= world.startOffset(place.partition);
    return state === 'ready' || (!group.isLive && dueMs <= nowMs);
  };
  const waiting = group.places('unread', 'ready', 'delayed');
  const ready = waiting.filter(isReady);
  const delayed = group.places('ready', 'delayed').filter((place) => !isReady(place));
  const oldest = world.records.flatMap((records, partition) => {
    const [first] = ready.filter((place) => place.partition === partition);
    if (first === undefined) return [];
    const record = records[Math.max(first.offset, world.startOffset(partition))];
    return record === undefined ? [] : [nowMs - record.appendMs];
  });
  const leasedCount = group.places('leased').length;
  return {
    readyCount: ready.length,
    leasedCount,
    delayedCount: delayed.length,
    condemnedCount: 0,
    deadCount: group.places('dead').length,
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
