/** Partitions that commits append to. */
import type { Appender } from '../log/appender.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import type { Log } from '../log/log.ts';
import type { Partition } from './partition.ts';
import type { PartitionSet } from './partition-set.ts';

/** A partition whose log is open. */
export class CommitTarget implements Pick<PreparedAppend, 'logId' | 'appender'> {
  readonly logId: number;
  readonly appender: Appender;
  readonly #partition: Partition;

  constructor(
    partition: Partition,
    { logId, appender }: Pick<PreparedAppend, 'logId' | 'appender'>,
  ) {
    this.logId = logId;
    this.appender = appender;
    this.#partition = partition;
  }

  /** Lets go of it. Call it once, when the commit has ended. */
  release(): void {
    this.#partition.letGo();
  }
}

/**
 * Keeps the log of a partition open, for a commit.
 *
 * @returns at once when it is open: what is committed often waits for nothing
 * @throws as `Partition.log`, or rejects so; ReadOnlyError
 */
export function holdForCommit(
  partitions: PartitionSet,
  number: number,
): CommitTarget | Promise<CommitTarget> {
  const partition = partitions.at(number);
  partition.keep();
  if (partition.opened !== null) return targetOf(partitions, partition, partition.opened);
  return partition.log().then(
    (log) => targetOf(partitions, partition, log),
    (error: unknown) => fail(partitions, partition, error),
  );
}

function targetOf(
  partitions: PartitionSet,
  partition: Partition,
  log: Log<Uint8Array>,
): CommitTarget {
  try {
    return new CommitTarget(partition, log.forStore());
  } catch (error) {
    return fail(partitions, partition, error);
  }
}

function fail(partitions: PartitionSet, partition: Partition, error: unknown): never {
  partition.letGo();
  throw partitions.toldOf(error);
}
