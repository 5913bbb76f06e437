/**
 * Appends what one producer sends to one topic: in the order of the calls, each sequence once. A number
 * that is on its way is waited for: only what becomes of it tells whether it is a duplicate.
 */
import { withSignal } from '../core/abort.ts';
import { argumentError, checkInteger, present } from '../core/assert.ts';
import { BackpressureError, FailedError, IoError } from '../core/errors.ts';
import { PRODUCER_BYTES_MAX, PRODUCER_CALLS_MAX } from '../core/limits.ts';
import { Mutex } from '../core/mutex.ts';
import { SequenceGapError } from '../core/producer-errors.ts';
import { settleAll } from '../core/settle-all.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { SEQUENCE_MAX } from '../format/produced-extension.ts';
import type { Appender } from '../log/appender.ts';
import { ProducedTag } from '../log/batch-tag.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { runBytesOf } from '../log/record-run.ts';
import type { Flight, ProducerProgress, RecordPlace } from './producer-progress.ts';
import type { ProducerTable } from './producer-table.ts';
import type { SequenceSpan } from './sequence-set.ts';
import type { PlacedRecords } from './topic-results.ts';
import type { ProducedInput } from './record-division.ts';

/** Who sends. */
export interface ProducerRight {
  readonly name: string;
  readonly producerId: number;
  readonly epoch: number;
  readonly gaps: 'refuse' | 'allow';
  /** @throws FencedError, ClosedError when it is over */
  check(): void;
}

export interface ProducedCall extends ProducedInput {
  /** Of the first, or of each; undefined = it goes on. */
  readonly sequence: number | readonly number[] | undefined;
  readonly durability: DurabilityLevel;
  readonly signal: AbortSignal | undefined;
}

export interface ProducedAnswer {
  /** Of the records that were appended. */
  readonly placements: readonly PlacedRecords[];
  /** Of the first record, also of an earlier call; null = not known any more. */
  readonly place: RecordPlace | null;
  readonly duplicateCount: number;
  readonly sequences: readonly number[];
  readonly durability: DurabilityLevel;
}

/** Records of a call that go to one partition. */
interface Part {
  readonly partition: number;
  readonly sequences: number[];
  readonly records: EncodableRecord[];
}

interface OpenPart extends Part {
  readonly appender: Appender;
  readonly release: () => void;
}

/** A call whose records stand in their logs, on their way to the disk. */
interface Taken {
  readonly sequences: readonly number[];
  /** Of those that were stored before; null = there is none. */
  readonly duplicates: SequenceSpan | null;
  readonly duplicateCount: number;
  readonly parts: readonly Promise<PlacedRecords>[];
}

const NOTHING: Taken = { sequences: [], duplicates: null, duplicateCount: 0, parts: [] };

export class ProducerAppends {
  readonly #table: ProducerTable;
  readonly #right: ProducerRight;
  /** Calls one behind the other, until their records stand in the logs. */
  readonly #order = new Mutex();
  readonly #calls = new Set<Promise<unknown>>();
  #queuedBytes = 0;
  /** Highest that this handle sent, or passed by; null = nothing. */
  #sent: number | null = null;

  constructor(table: ProducerTable, right: ProducerRight) {
    this.#table = table;
    this.#right = right;
  }

  /** @throws see `Producer.appendBatch` */
  send(call: ProducedCall): Promise<ProducedAnswer> {
    const queuedBytes = this.#queuedBytes;
    if (this.#calls.size >= PRODUCER_CALLS_MAX || queuedBytes >= PRODUCER_BYTES_MAX) {
      const queuedBytesMax = PRODUCER_BYTES_MAX;
      return Promise.reject(new BackpressureError({ queuedBytes, queuedBytesMax }));
    }
    const sizeBytes = runBytesOf([{ records: call.records, tag: null }]);
    this.#queuedBytes += sizeBytes;
    const taken = this.#order.run(() => this.#take(call, sizeBytes));
    const answer = taken.then((one) => this.#answer(one, call));
    this.#calls.add(answer);
    const ended = (): void => {
      this.#queuedBytes -= sizeBytes;
      this.#calls.delete(answer);
    };
    answer.then(ended, ended);
    if (call.signal === undefined) return answer;
    return withSignal(call.signal, (resolve, reject) => void answer.then(resolve, reject));
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
      await this.#table.load();
      this.#right.check();
      const progress = this.#table.progressOf(this.#right.producerId);
      await this.#known(progress, undefined);
      // Else they would be holes for ever: only the process that left them out knew that they are none.
      if (this.#right.gaps === 'allow') this.#sent ??= progress.resumeFrom - 1;
      return progress;
    });
  }

  /** Resolves when all calls so far were answered. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#calls);
  }

  async #take(call: ProducedCall, sizeBytes: number): Promise<Taken> {
    const { producerId } = this.#right;
    this.#right.check();
    await this.#table.load();
    const progress = this.#table.progressOf(producerId);
    const sequences = sequencesOf(call, progress.last + 1);
    const [first, last = first] = [sequences[0], sequences.at(-1)];
    if (first === undefined || last === undefined) return NOTHING;
    await this.#known(progress, { first, last });
    this.#checkGaps(progress, sequences);
    const fresh = sequences.map((sequence) => !progress.isStored(sequence));
    const parts = await this.#opened(this.#divide(call, sequences, fresh));
    try {
      this.#check(progress, parts);
    } catch (error) {
      for (const { release } of parts) release();
      throw error;
    }
    this.#passOver(progress, sequences);
    if (parts.length > 0) this.#table.sending(producerId, sizeBytes);
    return {
      sequences,
      duplicates: fresh.includes(false) ? { first, last } : null,
      duplicateCount: fresh.filter((isFresh) => !isFresh).length,
      parts: parts.map((part) => this.#append(part, progress, call.durability)),
    };
  }

  /** Waits until nothing of a span is on its way. @throws what makes that impossible */
  async #known(progress: ProducerProgress, span: SequenceSpan | undefined): Promise<void> {
    for (;;) {
      const flights = progress.flights(span);
      const doubt = flights.find((flight) => flight.doubt !== null)?.doubt;
      if (doubt !== undefined && doubt !== null) throw doubt;
      if (flights.length === 0) return;
      await Promise.all(flights.map(({ settled }) => settled));
    }
  }

  #checkGaps(progress: ProducerProgress, sequences: readonly number[]): void {
    const { name, gaps } = this.#right;
    const { name: topic } = this.#table.partitions;
    const [first = 0] = sequences;
    let expected = progress.last + 1;
    if (gaps === 'refuse') {
      for (const found of sequences) {
        if (found > expected) {
          throw new SequenceGapError({ producer: name, topic, expected, found });
        }
        expected = Math.max(expected, found + 1);
      }
    }
    if (progress.runCount < PRODUCER_CALLS_MAX || first <= progress.resumeFrom) return;
    throw new SequenceGapError({
      producer: name,
      topic,
      expected: progress.resumeFrom,
      found: first,
    });
  }

  /** What is left out on purpose will not come. */
  #passOver(progress: ProducerProgress, sequences: readonly number[]): void {
    let next = this.#sent === null ? progress.last + 1 : this.#sent + 1;
    for (const sequence of sequences) {
      if (sequence < next) continue;
      progress.passOver({ first: next, last: sequence - 1 });
      next = sequence + 1;
    }
    this.#sent = next - 1;
  }

  #divide(
    { records, partitions }: ProducedInput,
    sequences: readonly number[],
    fresh: readonly boolean[],
  ): readonly Part[] {
    const { count } = this.#table.partitions;
    const parts = new Map<number, Part>();
    for (const [at, sequence] of sequences.entries()) {
      if (fresh[at] !== true) continue;
      // The same one for a number that is sent again, though nothing depends on it.
      const partition = partitions[at] ?? sequence % count;
      const part = parts.get(partition) ?? { partition, sequences: [], records: [] };
      parts.set(partition, part);
      part.sequences.push(sequence);
      part.records.push(present(records[at], 'each has a number'));
    }
    return [...parts.values()].toSorted((one, two) => one.partition - two.partition);
  }

  async #opened(parts: readonly Part[]): Promise<readonly OpenPart[]> {
    const opened: OpenPart[] = [];
    try {
      for (const part of parts) {
        const partition = this.#table.partitions.at(part.partition);
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
      for (const { release } of opened) release();
      throw error;
    }
  }

  /** In the step in which all is appended: all of it, or nothing. */
  #check(progress: ProducerProgress, parts: readonly OpenPart[]): void {
    this.#right.check();
    this.#table.partitions.checkThere();
    for (const { appender } of parts) {
      const refusal = appender.refusal(undefined);
      if (refusal !== null) throw refusal;
    }
  }

  #append(
    { partition, sequences, records, appender, release }: OpenPart,
    progress: ProducerProgress,
    durability: DurabilityLevel,
  ): Promise<PlacedRecords> {
    const { producerId, epoch } = this.#right;
    const { durableOf } = this.#table;
    const baseOffset = appender.nextOffset;
    const recordCount = sequences.length;
    return new Promise((resolve, reject) => {
      let settle: () => void = release;
      const settled = new Promise<void>((done) => (settle = done));
      const flight = progress.begin({ partition, baseOffset, sequences }, settled);
      const producer = {
        producerId,
        producerEpoch: epoch & 0xffff,
        get confirmed() {
          return progress.confirmed(durableOf);
        },
      };
      const ended = (): void => {
        this.#table.settled();
        settle();
        release();
      };
      appender.addRun({ records, tag: new ProducedTag(producer, consecutive(sequences)) });
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

  async #answer(taken: Taken, { durability }: ProducedCall): Promise<ProducedAnswer> {
    const { sequences, duplicateCount, duplicates, parts } = taken;
    const progress = this.#table.progressOf(this.#right.producerId);
    const [first = 0] = sequences;
    const place = progress.placeOf(first);
    const placements = await settleAll(parts);
    if (duplicates !== null && durability === 'sync') await this.#table.sync(progress, duplicates);
    return {
      placements,
      place: placeOf(placements) ?? place,
      duplicateCount,
      sequences,
      durability,
    };
  }
}

function placeOf(placements: readonly PlacedRecords[]): RecordPlace | null {
  const [first] = placements;
  return first === undefined ? null : { partition: first.partition, offset: first.baseOffset };
}

/** Nobody knows what a writer left that stopped; what a full disk refused is not there. */
function endFailed(progress: ProducerProgress, flight: Flight, error: Error): void {
  if (error instanceof FailedError && error.details.indeterminate) flight.doubt = error;
  else progress.end(flight, error instanceof IoError ? (error.details.appendedCount ?? 0) : 0);
}

function consecutive(sequences: readonly number[]): number | readonly number[] {
  const first = present(sequences[0], 'a part has records');
  return sequences.at(-1) === first + sequences.length - 1 ? first : sequences;
}

/** @throws RangeError, TypeError */
function sequencesOf(
  { sequence, records }: Pick<ProducedCall, 'sequence' | 'records'>,
  next: number,
): readonly number[] {
  if (typeof sequence === 'object') return sequence;
  const first = sequence ?? next;
  const max = SEQUENCE_MAX - Math.max(0, records.length - 1);
  checkInteger('sequence', first, { min: 0, max });
  return records.map((_, at) => first + at);
}

/** @returns a copy of a list @throws TypeError, RangeError unless it ascends, one for each record */
export function checkSequence(
  sequence: number | readonly number[] | undefined,
  recordCount: number,
): number | readonly number[] | undefined {
  if (sequence === undefined) return undefined;
  if (typeof sequence === 'number') {
    return checkInteger('sequence', sequence, { min: 0, max: SEQUENCE_MAX });
  }
  if (!Array.isArray(sequence) || sequence.length !== recordCount) {
    throw argumentError(TypeError, 'sequence', 'a number, or one for each record', sequence);
  }
  let min = 0;
  for (const each of sequence) min = checkInteger('sequence', each, { min, max: SEQUENCE_MAX }) + 1;
  return [...sequence];
}
