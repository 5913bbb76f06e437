/** What the members of one group share. */
import type { Clock } from '../core/clock.ts';
import { FencedError } from '../core/ownership-errors.ts';
import type { Log } from '../log/log.ts';
import type { GroupCoordinator } from './coordinator.ts';
import type { GroupSettings } from './group-options.ts';
import type { CommittedPosition, GroupName, PositionChange } from './group-state.ts';
import type { BatchSource } from './partition-feed.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { TransactionRegistry } from '../transaction/transaction-registry.ts';

export interface GroupShared {
  /** The same object for every commit of the group. */
  readonly name: GroupName;
  /** The same, as text. */
  readonly id: string;
  readonly clock: Clock;
  readonly coordinator: GroupCoordinator;
  /** Resolves when they are synced. @throws as `Journal.append` */
  commit(changes: readonly PositionChange[]): Promise<void>;
  /** The same, but only where the group has no position by then. */
  commitStarts(starts: readonly PositionChange[]): Promise<void>;
  /** Waits for everything that was committed so far, in transactions too, whatever becomes of it. */
  commitsIdle(): Promise<void>;
  /** Waits for what is being committed in these, in transactions too; null = nothing is. Never rejects. */
  commitsIn(partitions: readonly number[]): Promise<void> | null;
  /** A transaction is about to commit in these. @param ended  resolves when it has ended */
  secure(partitions: Iterable<number>, ended: Promise<void>): void;
  /** Waits for transactions that are about to commit in these; null = there is none. Never rejects. */
  securedIn(partitions: readonly number[]): Promise<void> | null;
  readonly transactions: TransactionRegistry;
  /** Null when the group never committed in the partition. */
  committed(partition: number): CommittedPosition | null;
  /** Null when it is not open. */
  openedLogOf(partition: number): Log<Uint8Array> | null;
  /** Runs `action` on the log of a partition, opened when it is not. */
  withLog<R>(partition: number, action: (log: Log<Uint8Array>) => Promise<R>): Promise<R>;
  readonly topic: PartitionSet;
}

/** What a member is made of. */
export interface ConsumerGroupParts<T> {
  readonly topic: BatchSource<T>;
  readonly shared: GroupShared;
  readonly settings: GroupSettings;
  readonly onClosed: () => void;
}

/** @throws ClosedError when the topic was deleted */
export function checkTopic({ topic }: GroupShared): void {
  if (topic.isDeleted) throw topic.closedError();
}

/** What a member is told of a partition that it does not own. */
export function notOwned({ topic, name }: GroupShared, member: string, partition: number): Error {
  const { group } = name;
  if (topic.isDeleted) return topic.closedError();
  return new FencedError({ kind: 'member', group, member, partition });
}
