/** The entry that says since when, and how, the records of a topic have fingerprints. */
import { randomId } from '../core/random.ts';
import type { Fold } from '../journal/fold.ts';
import { dedupBegins, dedupBegun, type DedupBegin } from './dedup-state.ts';
import type { DedupSettings } from './dedup-options.ts';
import type { PartitionSet } from './partition-set.ts';
import type { TopicHome } from './topic-home.ts';

/** What the fingerprints of a topic mean; null = none of these settings are there. */
export function isBegun(
  fold: Fold,
  topicId: number,
  { dedupBy, dedupScope }: DedupSettings,
): DedupBegin | null {
  const begin = fold.get(dedupBegins, String(topicId));
  return begin?.by === dedupBy && begin.scope === dedupScope ? begin : null;
}

/**
 * Begins anew, unless it was begun: what is there so far means nothing any more. No record with an id is on its way.
 *
 * Synced before: a log that lost its end in a power cut must not come to stand below what is named here.
 */
export async function beginDedup(
  { fold, journal, random, clock }: TopicHome,
  partitions: PartitionSet,
  settings: DedupSettings,
): Promise<void> {
  // It may be so by an entry that was written, and could not be synced: a power cut would forget all ids.
  if (isBegun(fold, partitions.topicId, settings) !== null) return journal.sync();
  const { dedupBy, dedupScope } = settings;
  const logs: { logId: number; offset: number }[] = [];
  for (let number = 0; number < partitions.count; number++) {
    const named = await partitions.at(number).use(async (log) => {
      const { logId, visibleOffset: offset } = log;
      if (log.durableOffset < offset) await log.sync();
      return { logId, offset };
    });
    logs.push(named);
  }
  const meaning = { by: dedupBy, scope: dedupScope, seed: randomId(random) };
  const entry = { topicId: partitions.topicId, ...meaning, logs, timeMs: clock.now() };
  await journal.append(dedupBegun, entry, 'sync');
}
