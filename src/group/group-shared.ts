/** What the members of one group share. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../log/log.ts';
import type { GroupCoordinator } from './coordinator.ts';
import type { GroupSettings } from './group-options.ts';
import type { CommittedPosition, PositionChange } from './group-state.ts';
import type { BatchSource } from './partition-feed.ts';

export interface GroupShared {
  readonly group: string;
  readonly clock: Clock;
  readonly coordinator: GroupCoordinator;
  /** Resolves when they are synced. @throws as `Journal.append` */
  commit(changes: readonly PositionChange[]): Promise<void>;
  /** Waits for everything that was committed so far, whatever becomes of it. */
  commitsIdle(): Promise<void>;
  /** Null when the group never committed in the partition. */
  committed(partition: number): CommittedPosition | null;
  /** Null when it is not open. */
  openedLogOf(partition: number): Log<Uint8Array> | null;
  /** Opens the partition when it is not. */
  logOf(partition: number): Promise<Log<Uint8Array>>;
}

/** What a member is made of. */
export interface ConsumerGroupParts<T> {
  readonly topic: BatchSource<T>;
  readonly shared: GroupShared;
  readonly settings: GroupSettings;
  readonly onClosed: () => void;
}
