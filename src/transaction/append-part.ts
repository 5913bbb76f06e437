/** The records that a transaction appends, whatever topics and partitions they go to. */
import { toError } from '../core/abort.ts';
import { argumentError, present } from '../core/assert.ts';
import type { Appender } from '../log/appender.ts';
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
class LogPart implements PreparedAppend {
  readonly topic: PartitionSet;
  readonly partition: number;
  readonly runs: RecordRun[];
  recordCount: number;
  target: CommitTarget | null = null;
  /** Of its first record, once that is committed. */
  baseOffset = -1;

  constructor(topic: PartitionSet, { partition, runs }: PartitionRuns) {
    this.topic = topic;
    this.partition = partition;
    this.runs = [...runs]; // A list that grows from nothing takes room for 17.
    this.recordCount = recordCountOf(runs);
  }

  get logId(): number {
    return present(this.target, 'it was prepared').logId;
  }

  get appender(): Appender {
    return present(this.target, 'it was prepared').appender;
  }

  add(runs: readonly RecordRun[]): void {
    for (const run of runs) this.runs.push(run);
    this.recordCount += recordCountOf(runs);
  }
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

const NO_CHANGES: readonly never[] = [];

/** Logs that are found by a look at each. */
const FEW_LOGS = 8;

export class AppendPart implements CommitPart {
  /** In the order in which they came. */
  readonly #logs: LogPart[] = [];
  /** Of the same, once they are more than a few. */
  #byPartition: Map<Partition, LogPart> | null = null;
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
    let opening: Promise<void>[] | null = null;
    for (const log of this.#logs) {
      const opened = openFor(log);
      if (opened !== null) (opening ??= []).push(opened);
    }
    return opening === null ? null : settleAll(opening).then(() => undefined);
  }

  secure(): void {
    // Nobody can take anything away from records.
  }

  changes(): readonly never[] {
    return NO_CHANGES;
  }

  appends(): readonly PreparedAppend[] {
    return this.#logs;
  }

  end(outcome: CommitOutcome): void {
    for (const { target } of this.#logs) target?.release();
    if (outcome.kind === 'failed') return;
    let at = 0;
    for (const log of this.#logs) {
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
    return parts.map((part) => this.#addTo(partitions, part));
  }

  #addTo(topic: PartitionSet, part: PartitionRuns): Place {
    const known = this.#known(topic, part.partition);
    if (known === null) {
      const log = new LogPart(topic, part);
      this.#logs.push(log);
      this.#byPartition?.set(topic.at(part.partition), log);
      return { log, start: 0, recordCount: log.recordCount };
    }
    const start = known.recordCount;
    known.add(part.runs);
    return { log: known, start, recordCount: known.recordCount - start };
  }

  /** Whatever handle of the topic it was found by. */
  #known(topic: PartitionSet, partition: number): LogPart | null {
    const logs = this.#logs;
    if (logs.length > FEW_LOGS) {
      this.#byPartition ??= new Map(logs.map((log) => [log.topic.at(log.partition), log]));
      return this.#byPartition.get(topic.at(partition)) ?? null;
    }
    for (const log of logs) if (log.topic === topic && log.partition === partition) return log;
    return null;
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
