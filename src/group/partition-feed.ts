/** Batches of one partition for the member that owns it: one is fetched ahead, never more. */
import type { ReadFrom } from '../log/read-options.ts';
import type { RecordBatch } from '../log/record.ts';
import type { Topic } from '../topic/topic.ts';
import type { Ownership } from './coordinator.ts';

/** What is read of a topic. */
export type BatchSource<T> = Pick<Topic<T, never>, 'batches'>;

type Batches<T> = AsyncGenerator<RecordBatch<T>, void, void>;

export interface PartitionFeedOptions<T> {
  readonly topic: BatchSource<T>;
  readonly ownership: Ownership;
  readonly from: ReadFrom;
  /** Called when `take` has something new to say. Must not throw. */
  readonly onArrival: () => void;
}

/** Where the member stands: after the last batch that it was given. */
export interface FeedPosition {
  readonly offset: number;
  /** Log epoch of the last batch. */
  readonly epoch: number;
}

export class PartitionFeed<T> {
  readonly ownership: Ownership;
  isPaused = false;
  /** Null until the first batch was given. */
  position: FeedPosition | null = null;
  readonly #options: PartitionFeedOptions<T>;
  #ending = new AbortController();
  #batches: Batches<T>;
  #arrived: RecordBatch<T> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(options: PartitionFeedOptions<T>) {
    this.#options = options;
    this.ownership = options.ownership;
    this.#batches = this.#start(options.from);
  }

  /** The next batch, if it is there and wanted. @throws what the read threw */
  take(): RecordBatch<T> | null {
    if (this.isPaused) return null;
    if (this.#failure !== null) throw this.#failure.error;
    const batch = this.#arrived;
    if (batch === null) return null;
    this.#arrived = null;
    this.position = { offset: batch.nextOffset, epoch: batch.epoch };
    void this.#fetch(this.#batches);
    return batch;
  }

  /** Goes on at another place. */
  seek(from: ReadFrom): void {
    this.close();
    this.#ending = new AbortController();
    this.#arrived = null;
    this.#failure = null;
    this.position = null;
    this.#batches = this.#start(from);
  }

  /** Ends the read, also one that waits for the next record. */
  close(): void {
    this.#ending.abort();
  }

  #start(from: ReadFrom): Batches<T> {
    const { topic, ownership } = this.#options;
    const { signal } = this.#ending;
    const { partition } = ownership;
    const batches = topic.batches({ partitions: partition, from, follow: true, signal });
    void this.#fetch(batches);
    return batches;
  }

  /** Never rejects: `take` does. */
  async #fetch(batches: Batches<T>): Promise<void> {
    try {
      const { value } = await batches.next();
      if (this.#batches !== batches) return; // It was sent to another place meanwhile.
      this.#arrived = value ?? null;
    } catch (error) {
      if (this.#batches !== batches || this.#ending.signal.aborted) return;
      this.#failure = { error };
    }
    this.#options.onArrival();
  }
}
