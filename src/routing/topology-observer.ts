/** Who acts on changes of the topology. */
import type { StreamName } from './projection-state.ts';

/** Who acts on changes: what projects records. Must not throw. */
export interface TopologyObserver {
  /** What is published from here on is routed by another version. */
  changed(): void;
  /** Exchanges are gone: they take no more. */
  deleted(exchangeIds: readonly number[]): void;
  /** Bindings have asked for the past. */
  backfillsBegun(streams: readonly StreamName[]): void;
  /** Resolves when nothing is left of exchanges of that name that are gone, or after a while. */
  drained(name: string): Promise<void>;
}
