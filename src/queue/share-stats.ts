/** Figures of a share group. */
import type { Tally } from './share-partition.ts';

/** Exact at the moment of the call. */
export interface ShareStats {
  readonly topic: string;
  readonly group: string;
  /** Could be handed out now. */
  readonly readyCount: number;
  /** With a consumer, now. */
  readonly leasedCount: number;
  /** Given back, and not to be handed out yet. */
  readonly delayedCount: number;
  /** Dead and kept. */
  readonly deadCount: number;
  /** Of ready, leased and delayed together. */
  readonly unsettledCount: number;
  /** How long the oldest ready record has been in the topic, by append time, ms; null = none is ready. */
  readonly oldestReadyAgeMs: number | null;
  readonly isPaused: boolean;
  /** How records ended, since the group was made. */
  readonly settled: Readonly<Tally>;
}
