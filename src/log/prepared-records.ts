/** The records of an `appendBatch`, checked and encoded before the first of them is appended. */
import { argumentError, present } from '../core/assert.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { KeyTexts } from '../format/key-texts.ts';
import {
  emptyEncodable,
  prepareRecord,
  type PrepareSettings,
  type RecordInput,
} from './record-input.ts';

/** Objects that are kept for the next call. */
const KEPT_MAX = 10_000;

export class PreparedRecords<T> {
  readonly #settings: PrepareSettings<T>;
  readonly #keyTexts = new KeyTexts();
  #kept: EncodableRecord[] = [];

  constructor(settings: PrepareSettings<T>) {
    this.#settings = settings;
  }

  /** As many as `records`, or more of which the rest means nothing. @throws as `prepareRecord` */
  prepare(records: readonly RecordInput<T>[], nowMs: number): EncodableRecord[] {
    if (!Array.isArray(records)) throw argumentError(TypeError, 'records', 'an array', records);
    const prepared = this.#kept;
    this.#kept = []; // A codec is user code: when it appends, it gets objects of its own.
    for (let at = 0; at < records.length; at++) {
      if (at === prepared.length) prepared.push(emptyEncodable(this.#keyTexts));
      prepareRecord(records[at], nowMs, this.#settings, present(prepared[at], 'grown above'));
    }
    return prepared;
  }

  #takeKeys(prepared: readonly EncodableRecord[], count: number): void {
    const keyTexts = this.#keyTexts;
    keyTexts.reset();
    for (let at = 0; at < count; at++) {
      const record = present(prepared[at], 'prepare filled it');
      record.keyAt = typeof record.key === 'string' ? keyTexts.add(record.key) : -1;
    }
    if (keyTexts.encode()) return;
    for (let at = 0; at < count; at++) present(prepared[at], 'prepare filled it').keyAt = -1;
  }

  /** Hands the first `count` to `add`, in order, and takes the objects back. */
  addAll(
    prepared: EncodableRecord[],
    count: number,
    appender: { add(record: EncodableRecord): number },
  ): void {
    this.#takeKeys(prepared, count); // Behind all user code: no other call's keys come in between.
    for (let at = 0; at < count; at++) {
      const record = present(prepared[at], 'prepare filled it');
      appender.add(record);
      record.value = null; // Not ours to keep.
    }
    prepared.length = Math.min(prepared.length, KEPT_MAX);
    this.#kept = prepared;
  }
}
