/** The records that a transaction appends, whatever topics and partitions they go to. */
import { present } from '../core/assert.ts';
import { settleAll } from '../core/settle-all.ts';
import { FingerprintTag } from '../log/batch-tag.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import { runBytesOf, type RecordRun } from '../log/record-run.ts';
import { checkSequence } from '../topic/call-sequences.ts';
import type { DedupPart } from '../topic/dedup-call.ts';
import type { ClaimedRange, DedupClaim } from '../topic/dedup-claim.ts';
import { checkNotByContent } from '../topic/dedup-options.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { ProducerAppendResult, ProducerBatchResult } from '../topic/producer-results.ts';
import type { Topic } from '../topic/topic.ts';
import type {
  DuplicateRecord,
  PlacedRecords,
  TopicAppendBatchResult,
  TopicAppendResult,
  TopicRecordInput,
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

/** What has become of the records of a call. */
interface CallOutcome {
  /** Ascending by partition; only those that got records. */
  readonly placements: readonly PlacedRecords[];
  readonly duplicates: readonly DuplicateRecord[];
}

interface Append {
  readonly pieces: readonly CommitPiece[];
  /** Null = none of its records may be stored already. */
  readonly claimed: { readonly claim: DedupClaim; readonly range: ClaimedRange } | null;
  readonly fill: (outcome: CallOutcome) => void;
}

/** Where one record is. */
type RecordPlace = Pick<TopicAppendResult, 'partition' | 'offset' | 'duplicate'>;

interface AppendContext {
  readonly options: TransactionAppendOptions;
  readonly into: PartCollector;
}

interface ProduceContext {
  readonly options: TransactionProduceOptions;
  readonly into: PartCollector;
}

const NOTHING: readonly never[] = [];
const NO_DUPLICATES: readonly DuplicateRecord[] = [];

export class AppendPart implements CommitPart {
  readonly #logs = new CommitLogs();
  /** By topic: its records that may be stored already; null = there are none. */
  #claims: Map<PartitionSet, DedupClaim> | null = null;
  /** By call: what producers send. */
  #produced: readonly ProducerPart[] = NOTHING;
  readonly #appends: Append[] = [];

  /** Checked and encoded at once. @throws as `Topic.append`; TypeError; as `reserve`: nothing is added */
  append<T, Input>(
    topic: Topic<T, Input>,
    records: readonly TopicRecordInput<Input>[],
    context: AppendContext,
  ): Committed<TopicAppendBatchResult> {
    const committed: { result: TopicAppendBatchResult | null } = { result: null };
    const { length } = records;
    this.#add(topic, records, context, ({ placements, duplicates }) => {
      const recordCount = length - duplicates.length;
      const durability = COMMIT_DURABILITY;
      committed.result = { placements, recordCount, duplicates, durability };
    });
    return committed;
  }

  /** One record. @throws as `append` */
  send<T, Input>(
    topic: Topic<T, Input>,
    record: TopicRecordInput<Input>,
    context: AppendContext,
  ): Committed<TopicAppendResult> {
    const committed: { result: TopicAppendResult | null } = { result: null };
    this.addOne(topic, record, context, ({ partition, offset, duplicate }) => {
      committed.result = { partition, offset, durability: COMMIT_DURABILITY, duplicate };
    });
    return committed;
  }

  /** @param fill  is told where it is, when it is committed @throws as `append` */
  addOne<T, Input>(
    topic: Topic<T, Input>,
    record: TopicRecordInput<Input>,
    context: AppendContext,
    fill: (place: RecordPlace) => void,
  ): void {
    this.#add(topic, [record], context, ({ placements: [placed], duplicates: [duplicate] }) => {
      if (duplicate !== undefined) {
        const { partition, offset } = duplicate;
        return fill({ partition, offset, duplicate: true });
      }
      const { partition, baseOffset: offset } = present(placed, 'a record has a place');
      fill({ partition, offset, duplicate: false });
    });
  }

  /** What goes nowhere, and wants to be told. */
  addNothing(fill: () => void): void {
    this.#appends.push({ pieces: [], claimed: null, fill });
  }

  /** What a producer sends. @throws as `append` */
  produce<T, Input>(
    topic: Topic<T, Input>,
    records: readonly TopicRecordInput<Input>[],
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
    record: TopicRecordInput<Input>,
    context: ProduceContext,
  ): Committed<ProducerAppendResult> {
    const committed: { result: ProducerAppendResult | null } = { result: null };
    const produced = this.#produce(topic, [record], context, () => {
      committed.result = produced.result;
    });
    return committed;
  }

  prepare(): Promise<void> | null {
    const opening = this.#logs.prepare();
    if (this.#produced.length === 0) return opening;
    const pending = opening === null ? [] : [opening];
    for (const produced of this.#produced) {
      const loading = produced.prepare();
      if (loading !== null) pending.push(loading);
    }
    return pending.length === 0 ? null : settleAll(pending).then(() => undefined);
  }

  /** Equal records that are on their way, or stored and yet to be looked at. */
  obstacle(): Promise<void> | null {
    for (const claim of this.#claims?.values() ?? NOTHING) {
      const obstacle = claim.obstacle();
      if (obstacle !== null) return obstacle;
    }
    for (const produced of this.#produced) {
      const obstacle = produced.obstacle();
      if (obstacle !== null) return obstacle;
    }
    return null;
  }

  secure(): void {
    for (const claim of this.#claims?.values() ?? NOTHING) claim.secure();
    for (const produced of this.#produced) produced.secure();
  }

  changes(): readonly never[] {
    return NOTHING;
  }

  appends(): readonly PreparedAppend[] {
    return this.#logs.appends();
  }

  end(outcome: CommitOutcome): void {
    if (outcome.kind === 'committed') {
      this.#logs.committed(outcome.baseOffsets);
      // All of them first: what one call brings another may have sent again.
      for (const claim of this.#claims?.values() ?? NOTHING) claim.committed();
      for (const produced of this.#produced) produced.committed();
      for (const append of this.#appends) append.fill(outcomeOf(append));
    } else {
      for (const claim of this.#claims?.values() ?? NOTHING) claim.failed(outcome.error);
      for (const produced of this.#produced) produced.failed(outcome.error);
    }
    this.#logs.release();
  }

  #add<T, Input>(
    topic: Topic<T, Input>,
    records: readonly TopicRecordInput<Input>[],
    { options, into }: AppendContext,
    fill: Append['fill'],
  ): void {
    const { partitions } = topic;
    into.checkStore('topic', partitions);
    const parts = topic.claimForCommit(records, options);
    if (parts !== null) {
      into.reserve({ bytes: runBytesOf(parts.map(taggedRun)), records: records.length });
      this.#claim(partitions, parts, fill);
      return;
    }
    const plain = topic.encodeForCommit(records, options);
    let bytes = 0;
    for (const { runs } of plain) bytes += runBytesOf(runs);
    into.reserve({ bytes, records: records.length });
    const pieces = plain.map(({ partition, runs }) => this.#logs.add(partitions, partition, runs));
    this.#appends.push({ pieces, claimed: null, fill });
  }

  #claim(partitions: PartitionSet, parts: readonly DedupPart[], fill: Append['fill']): void {
    this.#claims ??= new Map();
    const claim = this.#claims.get(partitions) ?? partitions.dedup.claim();
    this.#claims.set(partitions, claim);
    const { claimed, range } = claim.add(parts);
    const pieces = claimed.map((own) => this.#logs.add(partitions, own.partition, [], own));
    this.#appends.push({ pieces, claimed: { claim, range }, fill });
  }

  #produce<T, Input>(
    topic: Topic<T, Input>,
    records: readonly TopicRecordInput<Input>[],
    { options, into }: ProduceContext,
    fill: () => void,
  ): ProducerPart {
    const { partitions } = topic;
    const { producer, partition } = options;
    const hold = producer[producerHold];
    into.checkStore('topic', partitions);
    into.checkStore('producer', hold);
    hold.check();
    checkNotByContent(partitions, 'an append of a producer');
    const input = topic.prepareProduced(records, { partition });
    input.keep?.();
    const sequence = checkSequence(options.sequence, records.length);
    const produced = new ProducerPart({ ...input, sequence, appends: hold.appendsTo(partitions) });
    into.reserve({ bytes: produced.bytesMax, records: records.length });
    for (const piece of produced.pieces) this.#logs.add(partitions, piece.partition, [], piece);
    produced.join();
    this.#produced = [...this.#produced, produced];
    this.#appends.push({ pieces: [], claimed: null, fill });
    return produced;
  }
}

/** As much as it may take in the log: a tag does not say yet what it will. */
function taggedRun({ records }: DedupPart): RecordRun {
  return { records, tag: new FingerprintTag(new Uint32Array(2 * records.length)) };
}

function outcomeOf({ pieces, claimed }: Append): CallOutcome {
  const placements = pieces
    .filter(({ recordCount }) => recordCount > 0)
    .map(({ placed }) => placed);
  const duplicates = claimed?.claim.duplicatesIn(claimed.range) ?? NO_DUPLICATES;
  return { placements, duplicates };
}
