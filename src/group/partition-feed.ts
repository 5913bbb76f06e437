/** Batches of one partition for the member that owns it: one is fetched ahead, never more. */
import { OffsetOutOfRangeError } from '../core/errors.ts';
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
  /** A promise where it is not known yet; it never rejects. */
  readonly from: ReadFrom | Promise<ReadFrom>;
  /** Called when `take` has something new to say. Must not throw. */
  readonly onArrival: () => void;
}

/** Where the member stands: after the last batch that it was given. */
export interface FeedPosition {
  readonly offset: number;
  /** Log epoch of the last batch. */
  readonly epoch: number;
}

/**
 * Whether a position was good once: retention passed it, or a power cut took what it was read from. One
 * beyond the end, which nobody has read, is a mistake of the caller.
 */
export function isLost(error: unknown): boolean {
  if (!(error instanceof OffsetOutOfRangeError)) return false;
  const { requested, startOffset, epoch } = error.details;
  return epoch !== null || requested < startOffset;
}

export class PartitionFeed<T> {
  readonly ownership: Ownership;
  isPaused = false;
  /** Null until the first batch was given. */
  position: FeedPosition | null = null;
  /** As far as the member is done with what it was given; null = with nothing. */
  handled: FeedPosition | null = null;
  readonly #options: PartitionFeedOptions<T>;
  #ending = new AbortController();
  #batches: Batches<T>;
  /** Where the next batch begins. */
  #from: ReadFrom | Promise<ReadFrom>;
  /** Where the batch that was given last begins. */
  #givenFrom: ReadFrom | null = null;
  #arrived: RecordBatch<T> | null = null;
  #failure: { readonly error: unknown; readonly isTold: boolean } | null = null;

  constructor(options: PartitionFeedOptions<T>) {
    this.#options = options;
    this.ownership = options.ownership;
    this.#from = options.from;
    this.#batches = this.#start();
  }

  /** The next batch, if it is there and wanted. @throws what the read threw; it is tried again then */
  take(): RecordBatch<T> | null {
    if (this.isPaused) return null;
    if (this.#failure !== null) {
      const { error, isTold } = this.#failure;
      this.#failure = { error, isTold: true };
      if (!isTold) throw error;
      this.#restart();
      return null;
    }
    const batch = this.#arrived;
    if (batch === null) return null;
    this.#arrived = null;
    this.#givenFrom = batch.baseOffset;
    this.position = { offset: batch.nextOffset, epoch: batch.epoch };
    this.#from = this.position;
    void this.#fetch(this.#batches);
    return batch;
  }

  /** What was given last is given again: the member was not done with it. Not once closed. */
  takeBack(): void {
    if (this.#givenFrom === null || this.#ending.signal.aborted) return;
    this.position = this.handled;
    this.#from = this.#givenFrom;
    this.#restart();
  }

  /** Goes on at another place. */
  seek(from: ReadFrom): void {
    this.#givenFrom = null; // Whoever sought while it was handled meant that.
    this.position = null;
    this.handled = null;
    this.#from = from;
    this.#restart();
  }

  /** Ends the read, also one that waits for the next record. */
  close(): void {
    this.#ending.abort();
    // One that has brought a batch and was not asked since hears of no signal.
    this.#batches.return().catch(() => undefined);
  }

  #restart(): void {
    this.close();
    this.#ending = new AbortController();
    this.#arrived = null;
    this.#failure = null;
    this.#batches = this.#start();
  }

  #start(): Batches<T> {
    const { topic, ownership } = this.#options;
    const { signal } = this.#ending;
    const { partition } = ownership;
    const read = (from: ReadFrom): Batches<T> =>
      topic.batches({
        partitions: partition,
        from,
        follow: true,
        keepsAlive: false, // The member waits, or nobody does.
        signal,
      });
    const from = this.#from;
    const batches = from instanceof Promise ? readLater(from, read) : read(from);
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
      if (this.#batches !== batches) return;
      this.#failure = { error, isTold: false };
    }
    this.#options.onArrival();
  }
}

async function* readLater<T>(
  from: Promise<ReadFrom>,
  read: (from: ReadFrom) => Batches<T>,
): Batches<T> {
  yield* read(await from);
}
