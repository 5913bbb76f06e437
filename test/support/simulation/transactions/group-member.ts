/** A member of the group that reads, and hands each batch to one transaction at most. */
import type { ConsumerGroup } from '../../../../src/group/consumer-group.ts';
import type { RecordBatch } from '../../../../src/log/record.ts';

export class GroupMember {
  readonly handle: ConsumerGroup<string>;
  readonly #batches: AsyncGenerator<RecordBatch<string>, void, void>;
  readonly #failed: (error: unknown) => void;
  #batch: RecordBatch<string> | null = null;
  /** Kept for later, while it goes on with what is behind. */
  #aside: RecordBatch<string> | null = null;
  #isReading = false;

  constructor(handle: ConsumerGroup<string>, failed: (error: unknown) => void) {
    this.handle = handle;
    this.#batches = handle.batches();
    this.#failed = failed;
  }

  /** Asks for the next batch, unless it does, or has one that nobody took. */
  read(): void {
    if (this.#isReading || this.#batch !== null) return;
    void this.#read();
  }

  /** The batch that it has; null = it has none. */
  take(): RecordBatch<string> | null {
    const batch = this.#batch;
    this.#batch = null;
    return batch;
  }

  /** Puts aside what it has, and takes up what it has put aside before. */
  exchange(): RecordBatch<string> | null {
    const batch = this.#aside;
    this.#aside = this.take();
    return batch;
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      const { value } = await this.#batches.next();
      this.#isReading = false;
      this.#batch = value ?? null;
    } catch (error) {
      this.#failed(error); // It reads no more.
    }
  }
}
