/**
 * Appends what one producer sends to one topic: in the order of the calls, each sequence once. A number
 * that is on its way is waited for: only what becomes of it tells whether it is a duplicate.
 */
import { withSignal } from '../core/abort.ts';
import { BackpressureError, FailedError, IoError } from '../core/errors.ts';
import { PRODUCER_BYTES_MAX, PRODUCER_CALLS_MAX } from '../core/limits.ts';
import { Mutex } from '../core/mutex.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import type { Appender } from '../log/appender.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { runBytesOf } from '../log/record-run.ts';
import type { CallSequences, GivenSequence } from './call-sequences.ts';
import {
  answerOf,
  NOTHING_STORED,
  storedBefore,
  type ProducedAnswer,
  type Taken,
} from './producer-answers.ts';
import type { Flight, ProducerProgress } from './producer-progress.ts';
import { ProducerSequencer, type ProducedPart, type ProducerRight } from './producer-sequencer.ts';
import type { ProducerTable } from './producer-table.ts';
import type { ProducedInput } from './record-division.ts';
import type { SequenceSpan } from './sequence-set.ts';
import type { PlacedRecords } from './topic-results.ts';

export interface ProducedCall extends ProducedInput {
  readonly sequence: GivenSequence;
  readonly durability: DurabilityLevel;
  readonly signal: AbortSignal | undefined;
  /** A last look, in the step in which something of it is appended. @throws why not: nothing is */
  readonly check?: () => void;
}

/** One that grows. */
interface Part extends ProducedPart {
  readonly sequences: number[];
  readonly records: EncodableRecord[];
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
  /** Calls one behind the other, until their records stand in the logs. */
  readonly #order = new Mutex();
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
      this.sequencer.refused(call.sequence, call.records.length);
      return Promise.reject(refusal);
    }
    const sizeBytes = runBytesOf([{ records: call.records, tag: null }]);
    this.#queuedBytes += sizeBytes;
    const taken = this.#order.run(() => this.#takeOrRefuse(call, sizeBytes));
    const answer = taken.then((one) => answerOf(one, this.sequencer, call.durability));
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
    return this.#order.run(async () => {
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

  async #takeOrRefuse(call: ProducedCall, sizeBytes: number): Promise<Taken> {
    try {
      return await this.#take(call, sizeBytes);
    } catch (error) {
      this.sequencer.refused(call.sequence, call.records.length);
      throw error;
    }
  }

  async #take(call: ProducedCall, sizeBytes: number): Promise<Taken> {
    const { sequencer } = this;
    sequencer.right.check();
    await sequencer.table.load();
    for (;;) {
      const { progress } = sequencer;
      const { revision } = progress;
      const sequences = sequencer.number(call.sequence, call.records.length);
      const { first, last } = sequences;
      if (last === null) return { sequences, ...NOTHING_STORED, parts: [] };
      await this.#known({ first, last });
      if (revision !== progress.revision) continue;
      sequencer.checkMayCome(sequences);
      const parts = await this.#opened(this.#divide(call, sequences));
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

  #divide({ records, partitions }: ProducedInput, sequences: CallSequences): readonly Part[] {
    const { progress, table } = this.sequencer;
    const { count } = table.partitions;
    const parts = new Map<number, Part>();
    for (const [at, record] of records.entries()) {
      const sequence = sequences.at(at);
      if (progress.isStored(sequence)) continue;
      // The same one for a number that is sent again, though nothing depends on it.
      const partition = partitions[at] ?? sequence % count;
      const part = parts.get(partition) ?? { partition, sequences: [], records: [] };
      parts.set(partition, part);
      part.sequences.push(sequence);
      part.records.push(record);
    }
    return [...parts.values()].toSorted((one, two) => one.partition - two.partition);
  }

  async #opened(parts: readonly ProducedPart[]): Promise<readonly OpenPart[]> {
    const opened: OpenPart[] = [];
    try {
      for (const part of parts) {
        const partition = this.sequencer.table.partitions.at(part.partition);
        const release = partition.hold();
        try {
          const { appender } = (partition.opened ?? (await partition.log())).forStore();
          opened.push({ ...part, appender, release });
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
