/** The one share group that makes a topic a queue. */
import { argumentError } from '../core/assert.ts';
import { ConflictError } from '../core/errors.ts';
import type { CompactionConfig } from '../log/compaction-options.ts';
import type { ShareConfig } from './share-settings.ts';

/** Its name: users of queues never see it, but for `alterShareGroup`. */
export const QUEUE_GROUP = 'queue';

/** What is different with queues, unless it is said. Not on a topic that had records, or is compacted. */
export const QUEUE_DEFAULTS: ShareConfig = { retention: 'settled' };

/** How errors name a group: a queue by its own name, for `queue` is the group of all of them. */
export function groupLabel(
  topic: string,
  group: string,
): { readonly kind: string; readonly name: string } {
  return group === QUEUE_GROUP
    ? { kind: 'queue', name: topic }
    : { kind: 'share group', name: group };
}

/** @throws RangeError when dead records of `topic` would go where they are */
export function checkDeadLetter(topic: string, { deadLetter }: ShareConfig): void {
  if (deadLetter === undefined || deadLetter !== topic) return;
  throw argumentError(RangeError, 'deadLetter', 'another queue than this one', deadLetter);
}

/**
 * There are not two rules for what of one log goes.
 *
 * @throws ConflictError when settled records of a compacted topic would go too
 */
export function checkRetention(
  label: { readonly kind: string; readonly name: string },
  { retention }: Pick<ShareConfig, 'retention'>,
  { compaction }: Pick<CompactionConfig, 'compaction'>,
): void {
  if (retention !== 'settled' || compaction !== 'key') return;
  const stored = 'compaction key of its topic';
  throw new ConflictError({ ...label, stored, requested: 'retention settled' });
}
