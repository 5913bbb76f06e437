/** The records that a transaction appends, whatever topics and partitions they go to. */
import { argumentError, present } from '../core/assert.ts';
import { settleAll } from '../core/settle-all.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import type { RecordInput } from '../log/record-input.ts';
import { runBytesOf } from '../log/record-run.ts';
import { checkSequence } from '../topic/call-sequences.ts';
import { checkNotByContent } from '../topic/dedup-options.ts';
import type { ProducerAppendResult, ProducerBatchResult } from '../topic/producer-results.ts';
import type { PartitionRuns, Topic } from '../topic/topic.ts';
import type {
  PlacedRecords,
  TopicAppendBatchResult,
  TopicAppendResult,
} from '../topic/topic-results.ts';
import { CommitLogs, type CommitPiece } from './commit-log.ts';
import {
  COMMIT_DURABILITY,
  producerHold,
  type CommitOutcome,
  type CommitPart,
  type PartCollector,
} from './commit-part.ts';
import { ProducerPart } from './producer-part.ts';
import type {
  Committed,
  TransactionAppendOptions,
  TransactionProduceOptions,
} from './transaction-options.ts';

type Fill = (placements: readonly PlacedRecords[]) => void;

interface Append {
  readonly pieces: readonly CommitPiece[];
  readonly fill: Fill;
}

export class AppendPart implements CommitPart {
  readonly #logs = new CommitLogs();
  /** By call: what producers send. */
  readonly #produced: ProducerPart[] = [];
  readonly #appends: Append[] = [];

  /** Checked and encoded at once. @throws as `Topic.append`; TypeError; as `reserve`: nothing is added */
  append<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    context: AppendContext,
  ): Committed<TopicAppendBatchResult> {
    const committed: { result: TopicAppendBatchResult | null } = { result: null };
    checkNoIds(records);
    const recordCount = records.length;
    this.add(topic, records, context, (placements) => {
      const durability = COMMIT_DURABILITY;
      committed.result = { placements, recordCount, duplicates: [], durability };
    });
    return committed;
  }

  /** One record. @throws as `append` */
  send<T, Input>(
    topic: Topic<T, Input>,
    record: RecordInput<Input>,
    context: AppendContext,
  ): Committed<TopicAppendResult> {
    const committed: { result: TopicAppendResult | null } = { result: null };
    this.add(topic, [record], context, ([place]) => {
      const { partition, baseOffset: offset } = present(place, 'a record has a place');
      committed.result = { partition, offset, durability: COMMIT_DURABILITY, duplicate: false };
    });
    return committed;
  }

  /** @param fill  is told where they are, when they are committed @throws as `append` */
  add<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    context: AppendContext,
    fill: Fill,
  ): void {
    this.#appends.push({ pieces: this.#add(topic, records, context), fill });
  }

  /** What goes nowhere, and wants to be told. */
  addNothing(fill: Fill): void {
    this.#appends.push({ pieces: [], fill });
  }

  /** What a producer sends. @throws as `append` */
  produce<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    context: ProduceContext,
  ): Committed<ProducerBatchResult> {
    const committed: { result: ProducerBatchResult | null } = { result: null };
    const produced = this.#produce(topic, records, context, () => {
      committed.result = produced.batchResult;
    });
    return committed;
  }

  /** One record that a producer sends. @throws as `append` */
  produceOne<T, Input>(
    topic: Topic<T, Input>,
    record: RecordInput<Input>,
    context: ProduceContext,
  ): Committed<ProducerAppendResult> {
    const committed: { result: ProducerAppendResult | null } = { result: null };
    const produced = this.#produce(topic, [record], context, () => {
      committed.result = produced.result;
    });
    return committed;
  }

  prepare(): Promise<void> | null {
    const pending: Promise<void>[] = [];
    const opening = this.#logs.prepare();
    if (opening !== null) pending.push(opening);
    for (const produced of this.#produced) {
      const loading = produced.prepare();
      if (loading !== null) pending.push(loading);
    }
    return pending.length === 0 ? null : settleAll(pending).then(() => undefined);
  }

  obstacle(): Promise<void> | null {
    for (const produced of this.#produced) {
      const obstacle = produced.obstacle();
      if (obstacle !== null) return obstacle;
    }
    return null;
  }

  /** Nobody can take anything away from records; but what is stored already is left out. */
  secure(): void {
    for (const produced of this.#produced) produced.secure();
  }

  changes(): readonly never[] {
    return [];
  }

  appends(): readonly PreparedAppend[] {
    return this.#logs.appends();
  }

  end(outcome: CommitOutcome): void {
    if (outcome.kind === 'committed') {
      this.#logs.committed(outcome.baseOffsets);
      // All of them first: what one call brings another may have sent again.
      for (const produced of this.#produced) produced.committed();
      for (const { pieces, fill } of this.#appends) fill(pieces.map(({ placed }) => placed));
    } else for (const produced of this.#produced) produced.failed(outcome.error);
    this.#logs.release();
  }

  #add<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    { options, into }: AppendContext,
  ): readonly CommitPiece[] {
    const { partitions } = topic;
    into.checkStore('topic', partitions);
    checkNotByContent(partitions, 'an append in a transaction');
    const parts = topic.encodeForCommit(records, options);
    into.reserve({ bytes: bytesOf(parts), records: records.length });
    return parts.map(({ partition, runs }) => this.#logs.add(partitions, partition, runs));
  }

  #produce<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    { options, into }: ProduceContext,
    fill: Fill,
  ): ProducerPart {
    const { partitions } = topic;
    const { producer, partition } = options;
    const hold = producer[producerHold];
    checkNoIds(records);
    into.checkStore('topic', partitions);
    into.checkStore('producer', hold);
    hold.check();
    checkNotByContent(partitions, 'an append of a producer');
    const input = topic.prepareProduced(records, { partition });
    const sequence = checkSequence(options.sequence, records.length);
    const produced = new ProducerPart({ ...input, sequence, appends: hold.appendsTo(partitions) });
    into.reserve({ bytes: produced.bytesMax, records: records.length });
    for (const piece of produced.pieces) this.#logs.add(partitions, piece.partition, [], piece);
    produced.join();
    this.#produced.push(produced);
    this.#appends.push({ pieces: [], fill });
    return produced;
  }
}

interface AppendContext {
  readonly options: TransactionAppendOptions;
  readonly into: PartCollector;
}

interface ProduceContext {
  readonly options: TransactionProduceOptions;
  readonly into: PartCollector;
}

function bytesOf(parts: readonly PartitionRuns[]): number {
  return parts.reduce((sum, { runs }) => sum + runBytesOf(runs), 0);
}

/** Rather than to store a record that only seems to be stored once. @throws TypeError */
function checkNoIds(records: readonly object[]): void {
  if (!Array.isArray(records)) return; // Refused with the others that are none.
  const found = records.find((record: unknown) => hasId(record));
  if (found === undefined) return;
  throw argumentError(TypeError, 'dedupId', 'left out: transactions do not look for ids', found);
}

function hasId(record: unknown): boolean {
  return typeof record === 'object' && record !== null && 'dedupId' in record;
}
