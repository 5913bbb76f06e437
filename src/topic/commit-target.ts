/** Partitions that commits append to. */
import type { PreparedAppend } from '../log/prepared-records.ts';
import type { Log } from '../log/log.ts';
import type { PartitionSet } from './partition-set.ts';

/** A partition whose log is open. */
export interface CommitTarget extends Pick<PreparedAppend, 'logId' | 'appender'> {
  /** Lets go of it. Call it once, when the commit has ended. */
  readonly release: () => void;
}

/**
 * Keeps the log of a partition open, for a commit.
 *
 * @returns at once when it is open: what is committed often waits for nothing
 * @throws as `Partition.log`, or rejects so; ReadOnlyError
 */
export function holdForCommit(
  partitions: PartitionSet,
  partition: number,
): CommitTarget | Promise<CommitTarget> {
  const used = partitions.at(partition);
  const release = used.hold();
  const target = (log: Log<Uint8Array>): CommitTarget => {
    try {
      const { logId, appender } = log.forStore();
      return { logId, appender, release };
    } catch (error) {
      return fail(error);
    }
  };
  const fail = (error: unknown): never => {
    release();
    throw partitions.toldOf(error);
  };
  return used.opened === null ? used.log().then(target, fail) : target(used.opened);
}
