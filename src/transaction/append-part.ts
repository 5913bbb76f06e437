/** The records that a transaction appends, whatever topics and partitions they go to. */
import { toError } from '../core/abort.ts';
import { argumentError, present } from '../core/assert.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import type { RecordInput } from '../log/record-input.ts';
import { recordCountOf, runBytesOf, type RecordRun } from '../log/record-run.ts';
import { holdForCommit, type CommitTarget } from '../topic/commit-target.ts';
import { checkNotByContent } from '../topic/dedup-options.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { PartitionRuns, Topic } from '../topic/topic.ts';
import type {
  PlacedRecords,
  TopicAppendBatchResult,
  TopicAppendResult,
} from '../topic/topic-results.ts';
import { settleAll } from '../core/settle-all.ts';
import type { CommitOutcome, CommitPart, PartCollector } from './commit-part.ts';
import type { Committed, TransactionAppendOptions } from './transaction-options.ts';

/** What goes to one log. */
interface LogPart {
  readonly topic: PartitionSet;
  readonly partition: number;
  readonly runs: RecordRun[];
  recordCount: number;
  target: CommitTarget | null;
  /** Of its first record, once that is committed. */
  baseOffset: number;
}

/** Records of one call that go to one log. */
interface Place {
  readonly log: LogPart;
  /** How many of the log's stand before them. */
  readonly start: number;
  readonly recordCount: number;
}

type Fill = (placements: readonly PlacedRecords[]) => void;

interface Append {
  readonly places: readonly Place[];
  readonly fill: Fill;
}

/** Whatever the levels of its topics are, the journal has a commit synced. */
export const COMMIT_DURABILITY = 'sync';

export class AppendPart implements CommitPart {
  readonly #logs = new Map<Partition, LogPart>();
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
    this.#appends.push({ places: this.#add(topic, records, context), fill });
  }

  /** What goes nowhere, and wants to be told. */
  addNothing(fill: Fill): void {
    this.#appends.push({ places: [], fill });
  }

  prepare(): Promise<void> | null {
    const opening: Promise<void>[] = [];
    for (const log of this.#logs.values()) {
      const opened = openFor(log);
      if (opened !== null) opening.push(opened);
    }
    return opening.length === 0 ? null : settleAll(opening).then(() => undefined);
  }

  secure(): void {
    // Nobody can take anything away from records.
  }

  changes(): readonly never[] {
    return [];
  }

  appends(): readonly PreparedAppend[] {
    return Array.from(this.#logs.values(), ({ runs, target }) => {
      const { logId, appender } = present(target, 'it was prepared');
      return { logId, appender, runs };
    });
  }

  end(outcome: CommitOutcome): void {
    for (const { target } of this.#logs.values()) target?.release();
    if (outcome.kind === 'failed') return;
    let at = 0;
    for (const log of this.#logs.values()) {
      log.baseOffset = present(outcome.baseOffsets[at++], 'one for each log');
    }
    for (const { places, fill } of this.#appends) fill(places.map(placed));
  }

  #add<T, Input>(
    topic: Topic<T, Input>,
    records: readonly RecordInput<Input>[],
    { options, into }: AppendContext,
  ): readonly Place[] {
    const { partitions } = topic;
    into.checkStore('topic', partitions);
    checkNotByContent(partitions, 'an append in a transaction');
    const parts = topic.encodeForCommit(records, options);
    into.reserve({ bytes: bytesOf(parts), records: records.length });
    return parts.map(({ partition, runs }) => {
      const log = this.#logOf(partitions, partition);
      const start = log.recordCount;
      const recordCount = recordCountOf(runs);
      log.runs.push(...runs);
      log.recordCount += recordCount;
      return { log, start, recordCount };
    });
  }

  #logOf(topic: PartitionSet, partition: number): LogPart {
    const key = topic.at(partition);
    const known = this.#logs.get(key);
    if (known !== undefined) return known;
    const log = { topic, partition, runs: [], recordCount: 0, target: null, baseOffset: -1 };
    this.#logs.set(key, log);
    return log;
  }
}

/** @returns null = it is open. Never throws: others may be on their way, and must be waited for */
function openFor(log: LogPart): Promise<void> | null {
  try {
    const target = holdForCommit(log.topic, log.partition);
    if (target instanceof Promise) return take(log, target);
    log.target = target;
    return null;
  } catch (error) {
    return Promise.reject(toError(error));
  }
}

async function take(log: LogPart, target: Promise<CommitTarget>): Promise<void> {
  log.target = await target;
}

interface AppendContext {
  readonly options: TransactionAppendOptions;
  readonly into: PartCollector;
}

function placed({ log, start, recordCount }: Place): PlacedRecords {
  return { partition: log.partition, baseOffset: log.baseOffset + start, recordCount };
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
