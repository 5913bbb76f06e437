/** The one place that knows how a queue under test is opened. */
import type { QueueSettings, TestedQueue } from '../../support/queue-check/tested-queue.ts';
import { openToyQueue, type ToyBug } from '../../support/queue-check/toy-queue.ts';
import { openVarveQueue } from './varve-queue.ts';

/** The toy is honest; toys with a bug break one promise each. */
export type QueueKind = 'varve' | 'toy' | ToyBug;

export function openQueue(kind: QueueKind, settings: QueueSettings): Promise<TestedQueue> {
  if (kind === 'varve') return openVarveQueue(settings);
  return openToyQueue(settings, kind === 'toy' ? null : kind);
}
