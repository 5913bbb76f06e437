/** Records to whoever has a store, in order: one request after the other. */
import type { InputRecord } from './line-appender.ts';

/** Sends records from `at` on. @returns how many went */
export type SendRecords = (queue: readonly InputRecord[], at: number) => Promise<number>;

export class RequestPump {
  readonly #send: SendRecords;
  #queue: InputRecord[] = [];
  #pumping: Promise<void> | null = null;
  #failure: Error | null = null;

  constructor(send: SendRecords) {
    this.#send = send;
  }

  /** Resolves when they went, with all that were added meanwhile. */
  add(records: readonly InputRecord[]): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    for (const record of records) this.#queue.push(record);
    this.#pumping ??= this.#pump();
    return this.#pumping;
  }

  /** Until nothing is on its way. */
  async idle(): Promise<void> {
    await this.#pumping?.catch(() => undefined); // Whose records they were heard of it.
  }

  async #pump(): Promise<void> {
    try {
      for (let at = 0; at < this.#queue.length;) at += await this.#send(this.#queue, at);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw this.#failure;
    } finally {
      this.#queue = [];
      this.#pumping = null;
    }
  }
}
