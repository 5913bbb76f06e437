/** What `Log.records` returns. */
import type { LogRecord, RecordBatch } from './record.ts';

/** What `Log.batches` returns. */
export type BatchStream<T> = AsyncGenerator<RecordBatch<T>, void, void>;

type Result<T> = IteratorResult<LogRecord<T>, void>;

/**
 * The records of batches one by one. An async generator that yields them does the same at a third
 * of the rate: it would go to sleep and be woken for each record, also with a batch at hand.
 */
export class RecordStream<T> implements AsyncGenerator<LogRecord<T>, void, void> {
  readonly #batches: BatchStream<T>;
  /** What is left of the current batch. */
  #records: Iterator<LogRecord<T>, void> | null = null;
  /** The last of the calls that wait; whoever comes meanwhile waits behind it. */
  #waiting: Promise<unknown> | null = null;

  constructor(batches: BatchStream<T>) {
    this.#batches = batches;
  }

  next(): Promise<Result<T>> {
    if (this.#waiting !== null || this.#records === null) return this.#inTurn(() => this.#next());
    try {
      const result = this.#records.next();
      if (result.done !== true) return Promise.resolve(valueResult(result.value));
    } catch (error) {
      return this.throw(error);
    }
    return this.#inTurn(() => this.#next());
  }

  /** Ends the read. */
  return(): Promise<Result<T>> {
    return this.#inTurn(() => this.#end(() => this.#batches.return()));
  }

  /** Ends the read and rejects with `error`. */
  throw(error: unknown): Promise<Result<T>> {
    return this.#inTurn(() => this.#end(() => this.#batches.throw(error)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #next(): Promise<Result<T>> {
    try {
      for (;;) {
        const result = this.#records?.next();
        if (result !== undefined && result.done !== true) return valueResult(result.value);
        this.#records = null;
        const batch = await this.#batches.next();
        if (batch.done === true) return { done: true, value: undefined };
        this.#records = batch.value[Symbol.iterator]();
      }
    } catch (error) {
      return this.#end(() => this.#batches.throw(error)); // Closes the file, and rejects.
    }
  }

  async #end(end: () => Promise<unknown>): Promise<Result<T>> {
    this.#records = null;
    await end();
    return { done: true, value: undefined };
  }

  /** Runs `action` at once, or behind the calls that wait. */
  #inTurn(action: () => Promise<Result<T>>): Promise<Result<T>> {
    const result = this.#waiting === null ? action() : this.#waiting.then(action);
    const settle = () => {
      if (this.#waiting === settled) this.#waiting = null;
    };
    const settled: Promise<void> = result.then(settle, settle);
    this.#waiting = settled;
    return result;
  }
}

/** A batch's iterator has one result for all its records; here each is the caller's to keep. */
function valueResult<T>(value: LogRecord<T>): Result<T> {
  return { done: false, value };
}
