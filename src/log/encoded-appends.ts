/** Appends of whole batches whose records are encoded already, as routing copies them from log to log. */
import type { EncodedRecords } from '../format/batch-encoder.ts';
import type { Appender } from './appender.ts';
import type { BatchBuilder } from './batch-builder.ts';
import type { DurabilityLevel } from './log-options.ts';

/** Where they are in their log. */
export interface AppendedRange {
  readonly baseOffset: number;
  readonly nextOffset: number;
}

export class EncodedAppends {
  readonly #builder: BatchBuilder;
  readonly #appender: Appender;

  constructor(builder: BatchBuilder, appender: Appender) {
    this.#builder = builder;
    this.#appender = appender;
  }

  /**
   * Appends records as one batch. Their bytes may change when it returns.
   *
   * @param durability  at least that of the log
   * @throws as `Log.append`, but for what is wrong with a record
   */
  append(records: EncodedRecords, durability: DurabilityLevel): Promise<AppendedRange> {
    const appender = this.#appender;
    const refusal = appender.refusal(undefined);
    if (refusal !== null) return Promise.reject(refusal);
    const baseOffset = appender.nextOffset;
    this.#builder.addEncoded(records);
    const { nextOffset } = appender;
    return new Promise((resolve, reject) => {
      const complete = (): void => resolve({ baseOffset, nextOffset });
      appender.submit(durability, {
        baseOffset,
        nextOffset,
        asked: durability,
        complete,
        fail: reject,
      });
    });
  }

  /** Stamps the batches that are begun from here on; those before are ended. */
  stampTopology(version: number): void {
    this.#builder.topologyVersion = version;
  }
}
