/** The appends of one handle of a topic whose records may be stored already. */
import { present } from '../core/assert.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { IdHeaders } from '../format/id-header.ts';
import { checkAppendOptions, type CheckedAppendOptions } from '../log/append-result.ts';
import { keepBytes } from '../log/prepared-records.ts';
import { emptyEncodable, prepareRecord } from '../log/record-input.ts';
import {
  dedupCallOf,
  haveIds,
  identify,
  type DedupCall,
  type DedupIdentity,
  type DedupPart,
} from './dedup-call.ts';
import type { DedupGate } from './dedup-gate.ts';
import { HandleRecords, type HandleParts } from './handle-records.ts';
import {
  logOptionsOf,
  type TopicAppendBatchResult,
  type TopicAppendOptions,
  type TopicAppendResult,
  type TopicRecordInput,
} from './topic-results.ts';

export class DedupAppends<Input> {
  readonly #parts: HandleParts<Input>;
  readonly #records: HandleRecords<Input>;
  /** Null while a call has them: a codec is user code, which may append. */
  #idHeaders: IdHeaders | null = new IdHeaders();
  /** As above: headers may have getters. */
  #scratch: EncodableRecord | null = emptyEncodable();

  constructor(parts: HandleParts<Input>) {
    this.#parts = parts;
    this.#records = new HandleRecords(parts);
  }

  /** Whether one of them may be stored already. */
  mayHold(records: readonly TopicRecordInput<Input>[]): boolean {
    return this.#parts.partitions.dedupsContent || haveIds(records);
  }

  /** Appends one, unless it is there. @throws as `Topic.append` */
  async appendOne(
    record: TopicRecordInput<Input>,
    options: TopicAppendOptions,
  ): Promise<TopicAppendResult> {
    try {
      return await this.#appendOne(record, options);
    } catch (error) {
      throw this.#parts.partitions.toldOf(error);
    }
  }

  #appendOne(
    input: TopicRecordInput<Input>,
    options: TopicAppendOptions,
  ): Promise<TopicAppendResult> {
    const { partitions, division } = this.#parts;
    const { settings, clock, dedup } = partitions;
    const checked = checkAppendOptions(logOptionsOf(options), settings.durability);
    const partition = division.partitionFor(input, options);
    const prepareSettings = this.#records.begin();
    const record = this.#scratch ?? emptyEncodable();
    const idHeaders = this.#takeIdHeaders();
    this.#scratch = null;
    try {
      prepareRecord(input, clock.now(), prepareSettings, record);
      const identity = identify(record, input, { idHeaders, settings });
      const mayJoin = checked.durability === settings.durability && checked.signal === undefined;
      const joined = mayJoin ? dedup.appendOne(partition, identity) : null;
      if (joined === null) return appendCall(dedup, callOf(partition, identity, checked));
      record.key = null; // Not ours to keep.
      record.value = null;
      this.#scratch = record;
      return joined;
    } finally {
      this.#idHeaders = idHeaders;
    }
  }

  /** Appends what is not there yet. @throws as `Topic.appendBatch` */
  async append(
    records: readonly TopicRecordInput<Input>[],
    options: TopicAppendOptions,
  ): Promise<TopicAppendBatchResult> {
    const { partitions } = this.#parts;
    try {
      const call = this.#callOf(records, options);
      const level = call.options.durability;
      const { placed, duplicates } = await partitions.dedup.append(call);
      return {
        placements: placed.map(({ partition, baseOffset, recordCount }) => ({
          partition,
          baseOffset,
          recordCount,
        })),
        recordCount: placed.reduce((sum, { recordCount }) => sum + recordCount, 0),
        duplicates,
        durability: placed[0]?.durability ?? level,
      };
    } catch (error) {
      throw partitions.toldOf(error);
    }
  }

  /** For a commit, by partition. @throws as `Topic.appendBatch` */
  claim(
    records: readonly TopicRecordInput<Input>[],
    options: Pick<TopicAppendOptions, 'partition'>,
  ): readonly DedupPart[] {
    const call = this.#callOf(records, options);
    call.keep?.();
    return call.parts;
  }

  /** Checks and encodes everything at once. */
  #callOf(records: readonly TopicRecordInput<Input>[], options: TopicAppendOptions): DedupCall {
    const { partitions, division } = this.#parts;
    const { settings, clock } = partitions;
    this.#records.begin();
    const idHeaders = this.#takeIdHeaders();
    try {
      return dedupCallOf(records, {
        division: division.divide(records, options),
        prepared: this.#records.prepared,
        idHeaders,
        settings,
        options: checkAppendOptions(logOptionsOf(options), settings.durability),
        nowMs: clock.now(),
      });
    } finally {
      this.#idHeaders = idHeaders;
    }
  }

  #takeIdHeaders(): IdHeaders {
    const idHeaders = this.#idHeaders ?? new IdHeaders();
    this.#idHeaders = null;
    idHeaders.clear();
    return idHeaders;
  }
}

/** A call of one record. */
function callOf(
  partition: number,
  { record, id }: DedupIdentity,
  options: CheckedAppendOptions,
): DedupCall {
  const part = { partition, records: [record], ids: [id], indexes: [0] };
  return { parts: [part], options, keep: () => keepBytes(part.records) };
}

/** Appends a call of one record. */
async function appendCall(gate: DedupGate, call: DedupCall): Promise<TopicAppendResult> {
  const level = call.options.durability;
  const outcome = await gate.append(call);
  const [place] = outcome.placed;
  if (place !== undefined) {
    const { partition, baseOffset: offset, durability } = place;
    return { partition, offset, durability, duplicate: false };
  }
  const { partition, offset } = present(outcome.duplicates[0], 'one or the other');
  return { partition, offset, durability: level, duplicate: true };
}
