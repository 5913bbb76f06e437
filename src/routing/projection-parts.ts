/** What a projection is made of. */
import type { Clock } from '../core/clock.ts';
import type { ClosedError } from '../core/errors.ts';
import type { Fold } from '../journal/fold.ts';
import type { Journal } from '../journal/journal.ts';
import type { Partition } from '../topic/partition.ts';
import type { DestinationLogs } from './destination-logs.ts';
import type { OutboxPool } from './outbox.ts';
import type { Routes } from './projection-pass.ts';
import type { StreamName } from './projection-state.ts';

export interface ProjectionParts {
  readonly stream: StreamName;
  readonly journal: Journal;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly boxes: OutboxPool;
  readonly source: Partition;
  readonly destinations: DestinationLogs;
  /** The topology as of the version of each record, from the oldest that is known on. */
  readonly newRoutes: () => Routes;
  /** Of a backfill: records of this version and later ones are not its business; null = all are. */
  readonly beforeVersion: number | null;
  /** Whether another stream must end before records are copied. Who ends pokes those that wait. */
  readonly mustWait: () => boolean;
  /** Whether a binding leads to a topic now. */
  readonly isBound: (topicId: number) => boolean;
  /** Logs fell behind, or caught up; the source cannot be read, or can again. Must not throw. */
  readonly onChanged: () => void;
  /** A mark was written. Must not throw. */
  readonly onMarked: () => void;
  /** What those are told who wait when the store is closed. */
  readonly closedError: () => ClosedError;
  /** The stream has ended, and that is durable. Must not throw. */
  readonly onEnded: () => void;
}
