/** The queue that holds a record which kills those who handle it. */
import type { Codec, Queue, Store } from '../../src/index.ts';

export const QUEUE = 'jobs';
export const DEAD_LETTERS = 'jobs.dead';
export const FAILURES_MAX = 5;

export function poisonedQueue<T>(store: Store, codec: Codec<T>): Promise<Queue<T>> {
  return store.queue(QUEUE, { codec, failuresMax: FAILURES_MAX, deadLetter: DEAD_LETTERS });
}
