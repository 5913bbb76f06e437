/** What readers of destinations may have seen when a machine stopped: none of it may be gone then. */
import type { Partition } from '../../../src/topic/partition.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { referenceLogEnd } from '../reference/log-end.ts';
import { filesUnder } from '../simulation/disk-reader.ts';

export interface SeenLog {
  /** Directory of the log. */
  readonly path: string;
  /** Readers see what stands below. */
  readonly offset: number;
}

/** As far as readers of each log see now. No call of the file system. */
export function seenOf(partitions: readonly Partition[]): readonly SeenLog[] {
  return partitions.map(({ path, opened }) => ({ path, offset: opened?.visibleOffset ?? 0 }));
}

/** What of it a disk does not hold, a sentence each; by the rules of the format alone. */
export function lostOf(seen: readonly SeenLog[], disk: FaultyFileSystem): string[] {
  return seen.flatMap(({ path, offset }) => {
    const end = offset === 0 ? 0 : referenceLogEnd(filesUnder(disk, path), path);
    return end >= offset ? [] : [`${path} ends at ${end}, and readers saw it up to ${offset}`];
  });
}
