/** Where the last batches of one producer stand in a topic: who sends one of them again is told. */
import type { ProducedRun } from './producer-state.ts';

/** Of each partition, as Kafka has it: a log has them in their order, so a look at it finds the same. */
const BATCHES_MAX = 5;
/** Of all partitions together, beside the newest batch: one of numbers far apart has a run for each record. */
const RUNS_MAX = 1024;

export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

type Batch = readonly ProducedRun[];

export class ProducerPlaces {
  /** By partition, oldest first; each has one at least. */
  readonly #batches = new Map<number, Batch[]>();
  /** With the highest number: where that is has to be told however long ago it was. */
  #highest: ProducedRun | null = null;
  #runCount = 0;

  /** All that is known, of each partition oldest first. */
  get runs(): readonly ProducedRun[] {
    const runs = [...this.#batches.values()].flat(2);
    const highest = this.#highest;
    return highest === null || runs.includes(highest) ? runs : [highest, ...runs];
  }

  /** Null = it is in none of the last batches. */
  of(sequence: number): RecordPlace | null {
    for (const batches of this.#batches.values()) {
      for (let at = batches.length - 1; at >= 0; at--) {
        const place = placeIn(batches[at] ?? [], sequence);
        if (place !== null) return place;
      }
    }
    return this.#highest === null ? null : placeIn([this.#highest], sequence);
  }

  /** As a note has them: those of a partition count as one batch from now on. */
  restore(runs: readonly ProducedRun[]): void {
    const batches = new Map<number, ProducedRun[]>();
    for (const run of runs) {
      const batch = batches.get(run.partition);
      if (batch === undefined) batches.set(run.partition, [run]);
      else batch.push(run);
    }
    for (const [partition, batch] of batches) this.add(partition, batch);
  }

  /** The newest batch of a partition. */
  add(partition: number, batch: Batch): void {
    const batches = this.#batches.get(partition) ?? [];
    this.#batches.set(partition, batches);
    const newest = joined(batches.at(-1), batch);
    if (newest !== null) batches[batches.length - 1] = newest;
    else {
      batches.push(batch);
      this.#runCount += batch.length;
    }
    for (const run of newest ?? batch) {
      if (this.#highest === null || run.last > this.#highest.last) this.#highest = run;
    }
    if (batches.length > BATCHES_MAX) this.#dropFirst(batches);
    while (this.#runCount > RUNS_MAX && this.#dropLowest(batch)) continue;
  }

  /** The oldest of all, which has the lowest numbers, mostly. @returns false when only `newest` is left */
  #dropLowest(newest: Batch): boolean {
    let lowest: {
      readonly partition: number;
      readonly batches: Batch[];
      readonly last: number;
    } | null = null;
    for (const [partition, batches] of this.#batches) {
      const [first = newest] = batches;
      const last = first.at(-1)?.last ?? 0;
      if (first !== newest && (lowest === null || last < lowest.last)) {
        lowest = { partition, batches, last };
      }
    }
    if (lowest === null) return false;
    this.#dropFirst(lowest.batches);
    if (lowest.batches.length === 0) this.#batches.delete(lowest.partition);
    return true;
  }

  #dropFirst(batches: Batch[]): void {
    this.#runCount -= batches.shift()?.length ?? 0;
  }
}

/** Both as one, when the second goes on where the first ends: callers that send one by one fill no list. */
function joined(before: Batch | undefined, batch: Batch): Batch | null {
  const [one] = before ?? [];
  const [other] = batch;
  if (before?.length !== 1 || batch.length !== 1 || one === undefined || other === undefined) {
    return null;
  }
  const isNext = other.first === one.last + 1 && other.baseOffset === one.baseOffset + one.count;
  return isNext ? [{ ...one, last: other.last, count: one.count + other.count }] : null;
}

function placeIn(batch: Batch, sequence: number): RecordPlace | null {
  for (const { first, last, partition, baseOffset } of batch) {
    if (first <= sequence && sequence <= last) {
      return { partition, offset: baseOffset + sequence - first };
    }
  }
  return null;
}
