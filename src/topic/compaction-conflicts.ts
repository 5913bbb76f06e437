/** What compaction by key does not go together with. */
import { argumentError } from '../core/assert.ts';
import { ConflictError } from '../core/errors.ts';
import type { CompactionConfig } from '../log/compaction-options.ts';
import { exchangeOfSource } from './topic-names.ts';

type Compacted = Pick<CompactionConfig, 'compaction'>;

/** What of a topic says whether it can be compacted. */
export interface CompactionPlace {
  readonly name: string;
  /** How many partitions there were, since when. */
  readonly keyMaps: readonly unknown[];
  /** Name of a share group whose settled records go; null = there is none. */
  readonly settledGroup: string | null;
}

/**
 * Projections and rebuilds read all that was published: nothing of it may be missing.
 *
 * @throws TypeError when the source of an exchange would be compacted
 */
export function checkNoCompactedSource(name: string, { compaction }: Compacted): void {
  if (compaction !== 'key' || exchangeOfSource(name) === null) return;
  const expected = 'off: what is published to an exchange is kept whole in its source';
  throw argumentError(TypeError, 'compaction', expected, compaction);
}

/** @throws ConflictError when a topic that is there cannot be compacted; as `checkNoCompactedSource` */
export function checkCompaction(place: CompactionPlace, options: Compacted): void {
  checkNoCompactedSource(place.name, options);
  if (options.compaction !== 'key') return;
  const { name, keyMaps, settledGroup } = place;
  const refusal = (stored: string) =>
    new ConflictError({ kind: 'topic', name, stored, requested: 'compaction key' });
  // Two rules for what of one log goes.
  if (settledGroup !== null) throw refusal(`retention settled of share group ${settledGroup}`);
  // A partition is compacted by itself: it would keep what was superseded in another one.
  if (keyMaps.length > 1) throw refusal('partitions that were added: keys have moved');
}

/** @throws ConflictError when keys of a compacted topic would move to other partitions */
export function checkMayGrow(
  name: string,
  { compaction }: Compacted,
  partitionCount: number,
): void {
  if (compaction !== 'key') return;
  const requested = `${partitionCount} partitions`;
  throw new ConflictError({ kind: 'topic', name, stored: 'compaction key', requested });
}
