/** Batches that are in a log and not known to be synced there. */
export interface HandedBatch {
  readonly position: number;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
  readonly recordCount: number;
  /** When the oldest of its records was published. */
  readonly timeMs: number;
}

export class HandedBatches {
  sizeBytes = 0;
  /** Oldest first. */
  readonly #batches: HandedBatch[] = [];

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  get first(): HandedBatch | undefined {
    return this.#batches[0];
  }

  get last(): HandedBatch | undefined {
    return this.#batches.at(-1);
  }

  add(batch: HandedBatch): void {
    this.#batches.push(batch);
    this.sizeBytes += batch.sizeBytes;
  }

  forget(batch: HandedBatch): void {
    const at = this.#batches.indexOf(batch);
    if (at < 0) return;
    this.#batches.splice(at, 1);
    this.sizeBytes -= batch.sizeBytes;
  }
}
