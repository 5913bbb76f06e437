/** What the members of one group share. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../log/log.ts';
import type { GroupCoordinator } from './coordinator.ts';
import type { GroupSettings } from './group-options.ts';
import type { CommittedPosition } from './group-state.ts';
import type { OffsetCommitter } from './offset-committer.ts';
import type { BatchSource } from './partition-feed.ts';

export interface GroupShared {
  readonly group: string;
  readonly clock: Clock;
  readonly coordinator: GroupCoordinator;
  readonly committer: OffsetCommitter;
  /** Null when the group never committed in the partition. */
  committed(partition: number): CommittedPosition | null;
  /** Runs `action` on the log of a partition, opened when it is not. */
  withLog<R>(partition: number, action: (log: Log<Uint8Array>) => Promise<R>): Promise<R>;
}

/** What a member is made of. */
export interface ConsumerGroupParts<T> {
  readonly topic: BatchSource<T>;
  readonly shared: GroupShared;
  readonly settings: GroupSettings;
  readonly onClosed: () => void;
}
