/** The one place that knows how a queue under test is opened. */
import type { QueueSettings, TestedQueue } from '../../support/queue-check/tested-queue.ts';
import { openToyQueue, type ToyBug } from '../../support/queue-check/toy-queue.ts';

/** `toy` is honest; the others break one promise each. */
export type QueueKind = 'toy' | ToyBug;

export function openQueue(kind: QueueKind, settings: QueueSettings): Promise<TestedQueue> {
  return openToyQueue(settings, kind === 'toy' ? null : kind);
}
