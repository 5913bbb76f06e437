/** Keeps what a window of duplicates covers from going by itself: the record must be there to be asked. */
import type { TrimGuard } from '../log/trim-guard.ts';
import { UNTIL_SETTLED } from './dedup-options.ts';
import { dedupBegins } from './dedup-state.ts';
import type { PartitionSet } from './partition-set.ts';
import type { TopicHome } from './topic-home.ts';

/** From memory; segments are looked at while nobody has sent an id in this process. */
export function dedupGuard(
  { fold, clock }: TopicHome,
  partitions: PartitionSet,
  partition: number,
): TrimGuard {
  return {
    allow(offset, why) {
      if (why === 'asked' || partitions.isGone) return offset;
      if (fold.get(dedupBegins, String(partitions.topicId)) === null) return offset;
      const { dedupWindowMs } = partitions.settings;
      // What is not settled a queue keeps itself.
      if (dedupWindowMs === UNTIL_SETTLED) return offset;
      const start = partitions.dedup.windowStart(partition);
      if (start !== null) return Math.min(offset, start);
      const log = partitions.at(partition).opened;
      if (log === null) return offset;
      const { trimmer } = log.forStore();
      const sinceMs = clock.now() - dedupWindowMs;
      return trimmer.segmentSince(sinceMs, offset).catch(() => log.startOffset);
    },
  };
}
