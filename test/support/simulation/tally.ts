/** What a run exercised: a simulation that does nothing finds nothing, and must not pass. */
export type TallyKey =
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
  | 'checkedRecords';

export class Tally {
  readonly counts = new Map<TallyKey, number>();

  add(key: TallyKey, count = 1): void {
    this.counts.set(key, this.of(key) + count);
  }

  of(key: TallyKey): number {
    return this.counts.get(key) ?? 0;
  }

  /** One line for the end of a run. */
  toString(): string {
    return [...this.counts].map(([key, count]) => `${key} ${count}`).join(', ');
  }
}
