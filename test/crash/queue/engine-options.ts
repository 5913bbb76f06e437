/** What the parent tells the process that holds the queue. */
import type { QueueKind } from './queue-under-test.ts';

export interface EngineOptions {
  readonly kind: QueueKind;
  readonly directory: string;
  readonly seed: number;
  readonly life: number;
  readonly leaseMs: number;
  readonly failuresMax: number;
  readonly expiriesMax: number;
  /** Whether the first record that is sent kills each process whose handler gets it. */
  readonly isPoisoned: boolean;
  /** One of so many deliveries blocks the event loop for three leases. */
  readonly blockOneIn: number;
  readonly sendPauseMsMax: number;
  /** Nothing is sent, everything is acknowledged, and the process ends by itself. */
  readonly isDraining: boolean;
}
