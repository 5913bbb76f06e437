/** Where a new share group begins. */
import type { Clock } from '../core/clock.ts';
import { ReadOnlyError } from '../core/errors.ts';
import type { Log } from '../log/log.ts';
import { resolveOffset } from '../topic/partition-log.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { readFromOf, type StartFrom } from '../topic/start-position.ts';

/** Whether it has records, or had some. @throws as `Log.batches` */
export async function hasRecords(topic: PartitionSet): Promise<boolean> {
  const ends = await Promise.all(
    Array.from({ length: topic.count }, (_, partition) =>
      topic.at(partition).use((log) => Promise.resolve(log.endOffset)),
    ),
  );
  return ends.some((endOffset) => endOffset > 0);
}

/** In each partition that there is. @throws ReadOnlyError; as `Log.batches` */
export function startsIn(topic: PartitionSet, from: StartFrom, clock: Clock) {
  const readFrom = readFromOf(from, clock);
  const startIn = async (partition: number, log: Log<Uint8Array>) => {
    if (log.readOnly) throw new ReadOnlyError({ operation: 'a new group', path: log.path });
    const isFirst = from === 'earliest'; // Not the first batch: there may be none.
    const offset = isFirst ? log.startOffset : await resolveOffset({ partition, log }, readFrom);
    return { partition, logId: log.logId, offset };
  };
  return Promise.all(
    Array.from({ length: topic.count }, (_, partition) =>
      topic.at(partition).use((log) => startIn(partition, log)),
    ),
  );
}
