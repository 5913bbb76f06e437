/** What a run exercised: a simulation that does nothing finds nothing, and must not pass. */
export type LogTallyKey =
  | 'seeds'
  | 'opens'
  | 'acks'
  | 'refusals'
  | 'indeterminate'
  | 'crashes'
  | 'powerCuts'
  | 'kills'
  | 'recoveryCrashes'
  | 'closes'
  | 'rests'
  | 'faults'
  | 'failedWriters'
  | 'diskFull'
  | 'tornTails'
  | 'rolls'
  | 'reads'
  | 'followed'
  | 'asides'
  | 'trims'
  | 'positions'
  | 'secondRecoveries'
  | 'indexes'
  | 'batches'
  | 'compressedBatches'
  | 'damages'
  | 'alarms'
  | 'gaps'
  | 'compactions'
  | 'rewrittenSegments'
  | 'superseded'
  | 'checkedRecords';

/** @typeParam K  what is counted */
export class Tally<K extends string> {
  readonly #counts = new Map<K, number>();

  add(key: K, count = 1): void {
    this.#counts.set(key, this.of(key) + count);
  }

  of(key: K): number {
    return this.#counts.get(key) ?? 0;
  }

  /** One line for the end of a run. */
  toString(): string {
    return [...this.#counts].map(([key, count]) => `${key} ${count}`).join(', ');
  }
}

/** Of the simulation of one log. */
export type LogTally = Tally<LogTallyKey>;
