/** What a transaction appends to its logs, in the order of its calls. */
import { toError } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import { settleAll } from '../core/settle-all.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import { recordCountOf, type RecordRun } from '../log/record-run.ts';
import { holdForCommit, type CommitTarget } from '../topic/commit-target.ts';
import type { ClaimedRecords } from '../topic/dedup-claim.ts';
import type { Partition } from '../topic/partition.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { PlacedRecords } from '../topic/topic-results.ts';

/** Records of one call that go to one log. */
export class CommitPiece {
  /** Of those that are appended; known, as the next, when the transaction is secured. */
  recordCount = 0;
  readonly #log: CommitLog;
  readonly #runs: readonly RecordRun[];
  /** Records that may be stored already, in the place of runs; null = all are appended. */
  readonly #claimed: ClaimedRecords | null;
  /** How many of the log's stand before them. */
  #start = 0;

  constructor(log: CommitLog, runs: readonly RecordRun[], claimed: ClaimedRecords | null) {
    this.#log = log;
    this.#runs = runs;
    this.#claimed = claimed;
  }

  /** Where they are, once they are committed. */
  get placed(): PlacedRecords {
    const { partition, baseOffset } = this.#log;
    return { partition, baseOffset: baseOffset + this.#start, recordCount: this.recordCount };
  }

  /** Puts them behind `start` others. @returns what is appended of them */
  put(start: number): readonly RecordRun[] {
    const runs = this.#claimed?.runs ?? this.#runs;
    this.#start = start;
    this.recordCount = recordCountOf(runs);
    return runs;
  }

  committed(): void {
    if (this.#claimed !== null) this.#claimed.baseOffset = this.placed.baseOffset;
  }
}

/** What goes to one log. */
class CommitLog {
  readonly topic: PartitionSet;
  readonly partition: number;
  /** Of its first record, once that is committed. */
  baseOffset = -1;
  /** Whether there is anything left to append; known when the transaction is secured. */
  isAppended = false;
  pieces: CommitPiece[] = [];
  #target: CommitTarget | null = null;

  constructor(topic: PartitionSet, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** @returns null = it is open. Never throws: others may be on their way, and must be waited for */
  open(): Promise<void> | null {
    try {
      const target = holdForCommit(this.topic, this.partition);
      if (target instanceof Promise) return this.#take(target);
      this.#target = target;
      return null;
    } catch (error) {
      return Promise.reject(toError(error));
    }
  }

  /** Mostly there is one; a list that grows from nothing takes room for 17. */
  add(piece: CommitPiece): void {
    if (this.pieces.length === 0) this.pieces = [piece];
    else this.pieces.push(piece);
  }

  /** @returns null = all of it is stored already */
  append(): PreparedAppend | null {
    let start = 0;
    const put = (piece: CommitPiece): readonly RecordRun[] => {
      const own = piece.put(start);
      start += piece.recordCount;
      return own;
    };
    const [only] = this.pieces;
    const isOne = only !== undefined && this.pieces.length === 1;
    const runs = isOne ? put(only) : this.pieces.flatMap(put);
    this.isAppended = start > 0;
    if (!this.isAppended) return null;
    const { logId, appender } = present(this.#target, 'it was opened');
    return { logId, appender, runs };
  }

  release(): void {
    this.#target?.release();
  }

  async #take(target: Promise<CommitTarget>): Promise<void> {
    this.#target = await target;
  }
}

/** Logs that are found by a look at each. */
const FEW_LOGS = 8;

export class CommitLogs {
  /** In the order in which they came. */
  readonly #logs: CommitLog[] = [];
  /** The same, once they are more than a few. */
  #byPartition: Map<Partition, CommitLog> | null = null;

  /** Adds records of a call. @param claimed  of such as may be stored already, in the place of `runs` */
  add(
    topic: PartitionSet,
    partition: number,
    runs: readonly RecordRun[],
    claimed: ClaimedRecords | null = null,
  ): CommitPiece {
    const log = this.#logOf(topic, partition);
    const piece = new CommitPiece(log, runs, claimed);
    log.add(piece);
    return piece;
  }

  /** As `CommitPart.prepare`. */
  prepare(): Promise<void> | null {
    const opening: Promise<void>[] = [];
    for (const log of this.#logs) {
      const opened = log.open();
      if (opened !== null) opening.push(opened);
    }
    return opening.length === 0 ? null : settleAll(opening).then(() => undefined);
  }

  /** As `CommitPart.appends`: called once. */
  appends(): readonly PreparedAppend[] {
    const appends: PreparedAppend[] = [];
    for (const log of this.#logs) {
      const own = log.append();
      if (own !== null) appends.push(own);
    }
    return appends;
  }

  /** @param baseOffsets  one for each of `appends` */
  committed(baseOffsets: readonly number[]): void {
    let at = 0;
    for (const log of this.#logs) {
      if (!log.isAppended) continue;
      log.baseOffset = present(baseOffsets[at++], 'one for each log');
      for (const piece of log.pieces) piece.committed();
    }
  }

  /** Once, whatever became of them. */
  release(): void {
    for (const log of this.#logs) log.release();
  }

  #logOf(topic: PartitionSet, partition: number): CommitLog {
    const known = this.#known(topic, partition);
    if (known !== undefined) return known;
    const log = new CommitLog(topic, partition);
    this.#logs.push(log);
    this.#byPartition?.set(topic.at(partition), log);
    return log;
  }

  #known(topic: PartitionSet, partition: number): CommitLog | undefined {
    const logs = this.#logs;
    if (logs.length <= FEW_LOGS) {
      return logs.find((log) => log.topic === topic && log.partition === partition);
    }
    this.#byPartition ??= new Map(logs.map((log) => [log.topic.at(log.partition), log]));
    return this.#byPartition.get(topic.at(partition));
  }
}
