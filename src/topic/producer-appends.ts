/**
 * Appends what one producer sends to one topic: in the order of the calls, each sequence once. A call
 * whose numbers are all behind whatever was sent is appended in its own step. A number that is on its way
 * is waited for: only what becomes of it tells whether it is a duplicate; and calls behind it wait, too.
 */
import { withSignal } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import { BackpressureError, FailedError, IoError } from '../core/errors.ts';
import { PRODUCER_BYTES_MAX, PRODUCER_CALLS_MAX } from '../core/limits.ts';
import { Mutex } from '../core/mutex.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import type { Appender } from '../log/appender.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { runBytesOf } from '../log/record-run.ts';
import { CallSequences, type GivenSequence } from './call-sequences.ts';
import {
  answerOf,
  NOTHING_STORED,
  storedBefore,
  type ProducedAnswer,
  type Taken,
} from './producer-answers.ts';
import type { ProducedInput } from './producer-inputs.ts';
import type { Flight } from './producer-flight.ts';
import type { ProducerProgress } from './producer-progress.ts';
import { ProducerSequencer, type ProducedPart, type ProducerRight } from './producer-sequencer.ts';
import type { ProducerTable } from './producer-table.ts';
import type { SequenceSpan } from './sequence-set.ts';
import type { PlacedRecords } from './topic-results.ts';

export interface ProducedCall {
  readonly input: ProducedInput;
  readonly sequence: GivenSequence;
  readonly durability: DurabilityLevel;
  readonly signal: AbortSignal | undefined;
  /** A last look, in the step in which something of it is appended. @throws why not: nothing is */
  readonly check?: (() => void) | undefined;
}

interface OpenPart extends ProducedPart {
  readonly appender: Appender;
  readonly release: () => void;
}

/** A call of which all is known. */
interface Ready {
  readonly call: ProducedCall;
  readonly sequences: CallSequences;
  readonly parts: readonly OpenPart[];
  readonly sizeBytes: number;
}

export class ProducerAppends {
  readonly sequencer: ProducerSequencer;
  /** Calls that wait, one behind the other, until their records stand in the logs. */
  readonly #order = new Mutex();
  /** Those in it: who comes now stands behind them. */
  #waitingCount = 0;
  /** Those that are not answered, and commits. */
  readonly #calls = new Set<Promise<unknown>>();
  #queuedBytes = 0;

  constructor(table: ProducerTable, right: ProducerRight) {
    this.sequencer = new ProducerSequencer(table, right);
  }

  /** @throws see `Producer.appendBatch` */
  send(call: ProducedCall): Promise<ProducedAnswer> {
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.sequencer.refused(call.sequence, call.input.records.length);
      return Promise.reject(refusal);
    }
    const sizeBytes = runBytesOf([{ records: call.input.records, tag: null }]);
    this.#queuedBytes += sizeBytes;
    const answer = this.#answer(call, sizeBytes);
    this.#calls.add(answer);
    const ended = (): void => {
      this.#queuedBytes -= sizeBytes;
      this.#calls.delete(answer);
    };
    answer.then(ended, ended);
    if (call.signal === undefined) return answer;
    return withSignal(call.signal, (resolve, reject) => void answer.then(resolve, reject));
  }

  /** Too much waits for the disk; null = it does not. */
  #refusal(): BackpressureError | null {
    const { size } = this.#calls;
    if (size >= PRODUCER_CALLS_MAX) {
      const queuedBytesMax = PRODUCER_CALLS_MAX;
      return new BackpressureError({ queuedBytes: size, queuedBytesMax, unit: 'calls' });
    }
    const queuedBytes = this.#queuedBytes;
    const queuedBytesMax = PRODUCER_BYTES_MAX;
    return queuedBytes < queuedBytesMax
      ? null
      : new BackpressureError({ queuedBytes, queuedBytesMax });
  }

  /**
   * How far it is, behind all calls so far. Who leaves out numbers goes on from there: those in between
   * that it does not send do not exist.
   *
   * @throws as `send`
   */
  async progress(): Promise<ProducerProgress> {
    await this.idle();
    return this.#inTurn(async () => {
      await this.sequencer.table.load();
      this.sequencer.right.check();
      await this.#known(undefined);
      return this.sequencer.resumed();
    });
  }

  /** Whether all calls so far were answered. */
  get isIdle(): boolean {
    return this.#calls.size === 0;
  }

  /** Resolves when all calls so far were answered, and commits have ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#calls);
  }

  /** A commit was given numbers. @param ended  resolves when it has come to its end */
  joined(ended: Promise<void>): void {
    this.#calls.add(ended);
    void ended.then(() => this.#calls.delete(ended));
  }

  /** Runs `action` behind all that waits; what comes meanwhile waits for it. */
  async #inTurn<R>(action: () => Promise<R>): Promise<R> {
    this.#waitingCount++;
    try {
      return await this.#order.run(action);
    } finally {
      this.#waitingCount--;
    }
  }

  async #answer(call: ProducedCall, sizeBytes: number): Promise<ProducedAnswer> {
    const taken = this.#takeNow(call, sizeBytes) ?? (await this.#takeInTurn(call, sizeBytes));
    return answerOf(taken, this.sequencer, call.durability);
  }

  /** In this step; null = there is something to wait for. */
  #takeNow(call: ProducedCall, sizeBytes: number): Taken | null {
    if (this.#waitingCount > 0) return null;
    try {
      const taken = this.#takeNext(call, sizeBytes);
      if (taken !== null) call.input.end?.();
      return taken;
    } catch (error) {
      this.sequencer.refused(call.sequence, call.input.records.length);
      throw error;
    }
  }

  #takeNext(call: ProducedCall, sizeBytes: number): Taken | null {
    const { sequencer } = this;
    const { input, sequence } = call;
    const { length } = input.records;
    if (length === 0 || !sequencer.table.isLoaded) return null;
    sequencer.check();
    const sequences = sequencer.number(sequence, length);
    if (!sequencer.areNext(sequences)) return null;
    sequencer.checkMayCome(sequences);
    const parts = this.#openedNow(this.#divide(call.input, sequences));
    return parts === null ? null : this.#append({ call, sequences, parts, sizeBytes });
  }

  #takeInTurn(call: ProducedCall, sizeBytes: number): Promise<Taken> {
    call.input.keep?.();
    return this.#inTurn(async () => {
      try {
        return await this.#take(call, sizeBytes);
      } catch (error) {
        this.sequencer.refused(call.sequence, call.input.records.length);
        throw error;
      }
    });
  }

  async #take(call: ProducedCall, sizeBytes: number): Promise<Taken> {
    const { sequencer } = this;
    sequencer.right.check();
    await sequencer.table.load();
    for (;;) {
      const { progress } = sequencer;
      const { revision } = progress;
      const sequences = sequencer.number(call.sequence, call.input.records.length);
      const { first, last } = sequences;
      if (last === null) return { sequences, ...NOTHING_STORED, parts: [] };
      await this.#known({ first, last });
      if (revision !== progress.revision) continue;
      sequencer.checkMayCome(sequences);
      const parts = await this.#opened(this.#divide(call.input, sequences));
      if (revision === progress.revision)
        return this.#append({ call, sequences, parts, sizeBytes });
      letGo(parts);
    }
  }

  /** In one step: all of it, or nothing. */
  #append({ call, sequences, parts, sizeBytes }: Ready): Taken {
    const { sequencer } = this;
    try {
      sequencer.check();
      checkAppenders(parts);
      if (parts.length > 0) call.check?.();
    } catch (error) {
      letGo(parts);
      throw error;
    }
    const freshCount = parts.reduce((sum, { records }) => sum + records.length, 0);
    const before = storedBefore(sequencer, sequences, freshCount);
    sequencer.sent(sequences, sequencer.skippedBy(sequences));
    if (freshCount > 0) sequencer.table.sending(sequencer.right.producerId, sizeBytes);
    return {
      sequences,
      ...before,
      parts: parts.map((part) => this.#appendPart(part, call.durability)),
    };
  }

  /** Waits until nothing of a span is on its way. @throws what makes that impossible */
  async #known(span: SequenceSpan | undefined): Promise<void> {
    for (;;) {
      const flights = this.sequencer.progress.flights(span);
      const doubt = flights.find((flight) => flight.doubt !== null)?.doubt;
      if (doubt !== undefined && doubt !== null) throw doubt;
      if (flights.length === 0) return;
      await Promise.all(flights.map(({ settled }) => settled));
    }
  }

  /** Those that are not stored, ascending by partition. */
  #divide(
    { records, partitions }: ProducedInput,
    sequences: CallSequences,
  ): readonly ProducedPart[] {
    const { progress, table } = this.sequencer;
    const areNext = this.sequencer.areNext(sequences);
    if (areNext && partitions === null) return [{ partition: 0, sequences, records }];
    const { count } = table.partitions;
    const parts = new Map<number, { sequences: number[]; records: EncodableRecord[] }>();
    for (const [at, record] of records.entries()) {
      const sequence = sequences.at(at);
      if (!areNext && progress.isStored(sequence)) continue;
      // The same one for a number that is sent again, though nothing depends on it.
      const partition = partitions === null ? 0 : (partitions[at] ?? sequence % count);
      const part = parts.get(partition) ?? { sequences: [], records: [] };
      parts.set(partition, part);
      part.sequences.push(sequence);
      part.records.push(record);
    }
    return [...parts]
      .map(([partition, { sequences: list, records: own }]) => ({
        partition,
        sequences: new CallSequences(list, list.length, 0),
        records: own,
      }))
      .toSorted((one, two) => one.partition - two.partition);
  }

  /** Null = one of the logs has to be opened first. */
  #openedNow(parts: readonly ProducedPart[]): readonly OpenPart[] | null {
    const { partitions } = this.sequencer.table;
    const appenders: Appender[] = [];
    for (const { partition } of parts) {
      const { opened } = partitions.at(partition);
      if (opened === null || opened.life.closing !== null) return null;
      appenders.push(opened.forStore().appender);
    }
    return parts.map(({ partition, sequences, records }, at) => ({
      partition,
      sequences,
      records,
      appender: present(appenders[at], 'one for each'),
      release: partitions.at(partition).hold(),
    }));
  }

  async #opened(parts: readonly ProducedPart[]): Promise<readonly OpenPart[]> {
    const opened: OpenPart[] = [];
    try {
      for (const part of parts) {
        const partition = this.sequencer.table.partitions.at(part.partition);
        const release = partition.hold();
        try {
          const { appender } = (partition.opened ?? (await partition.log())).forStore();
          const { sequences, records } = part;
          opened.push({ partition: part.partition, sequences, records, appender, release });
        } catch (error) {
          release();
          throw error;
        }
      }
      return opened;
    } catch (error) {
      letGo(opened);
      throw error;
    }
  }

  #appendPart(part: OpenPart, durability: DurabilityLevel): Promise<PlacedRecords> {
    const { sequencer } = this;
    const { partition, records, appender, release } = part;
    const baseOffset = appender.nextOffset;
    const recordCount = records.length;
    return new Promise((resolve, reject) => {
      let settle: () => void = release;
      const settled = new Promise<void>((done) => (settle = done));
      const { flight, run } = sequencer.begin(part, { baseOffset, settled, isCommit: false });
      const { progress, table } = sequencer;
      const ended = (): void => {
        table.settled();
        settle();
        release();
      };
      appender.addRun(run);
      // At once, before anybody else appends: what was refused is not to be counted on.
      appender.submit(durability, {
        baseOffset,
        nextOffset: baseOffset + recordCount,
        asked: durability,
        complete: () => {
          progress.end(flight, recordCount);
          ended();
          resolve({ partition, baseOffset, recordCount });
        },
        fail: (error) => {
          endFailed(progress, flight, error);
          ended();
          reject(error);
        },
      });
    });
  }
}

/** Nobody knows what a writer left that stopped; what a full disk refused is not there. */
function endFailed(progress: ProducerProgress, flight: Flight, error: Error): void {
  if (error instanceof FailedError && error.details.indeterminate)
    progress.leaveInDoubt(flight, error);
  else progress.end(flight, error instanceof IoError ? (error.details.appendedCount ?? 0) : 0);
}

function checkAppenders(parts: readonly OpenPart[]): void {
  for (const { appender } of parts) {
    const refusal = appender.refusal(undefined);
    if (refusal !== null) throw refusal;
  }
}

function letGo(parts: readonly OpenPart[]): void {
  for (const { release } of parts) release();
}
