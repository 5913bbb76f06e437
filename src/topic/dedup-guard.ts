/** Keeps what a window of duplicates covers from going by itself: the record must be there to be asked. */
import type { TrimGuard } from '../log/trim-guard.ts';
import { UNTIL_SETTLED } from './dedup-options.ts';
import { dedupBegins } from './dedup-state.ts';
import type { PartitionSet } from './partition-set.ts';
import type { TopicHome } from './topic-home.ts';

/** Retention that waits for so many windows may wait for ever: somebody is told. */
const WINDOWS_PATIENCE = 2;

/** From memory; segments are looked at while nobody has sent an id in this process. */
export function dedupGuard(
  { fold, logHome, signals }: TopicHome,
  partitions: PartitionSet,
  partition: number,
): TrimGuard {
  const place = { code: 'dedup-holds-records', topic: partitions.name, partition } as const;
  /** @returns `allowed` */
  const noted = (offset: number, allowed: number, windowMs: number): number => {
    if (allowed >= offset) signals.health.clear(place);
    else {
      const message = `${place.topic}/${partition} keeps what retention would delete, for its window of ids`;
      signals.health.raise({ ...place, message, tellAfterMs: WINDOWS_PATIENCE * windowMs });
    }
    return allowed;
  };
  return {
    allow(offset, why) {
      if (why === 'asked' || partitions.isDeleted) return offset; // Of a store that closes it counts on.
      if (fold.get(dedupBegins, String(partitions.topicId)) === null) return offset;
      const { dedupWindowMs } = partitions.settings;
      // What is not settled a queue keeps itself.
      if (dedupWindowMs === UNTIL_SETTLED) return offset;
      // Compaction comes again: nobody need be told.
      const told = why === 'compaction' ? untold : noted;
      const start = partitions.dedup.windowStart(partition);
      if (start !== null) return told(offset, Math.min(offset, start), dedupWindowMs);
      const log = partitions.at(partition).opened;
      if (log === null) return offset;
      const { trimmer } = log.forStore();
      const sinceMs = logHome.ageClock.now() - dedupWindowMs;
      return trimmer
        .segmentSince(sinceMs, offset)
        .catch(() => log.startOffset)
        .then((allowed) => told(offset, allowed, dedupWindowMs));
    },
  };
}

function untold(_offset: number, allowed: number): number {
  return allowed;
}
