/**
 * The work of the quickstart's consumer groups: a total per airport. What a member has added up in
 * a partition is committed with its position there, so that after a crash the two agree.
 */
import type { ConsumerGroup, RecordBatch } from '../../src/index.ts';
import { flightOf, type Flight, type FlightRecord } from './flights.ts';

export const TOPIC = 'flights';
export const PARTITION_COUNT = 4;
/** Coprime to the partitions, so that each has its turn: members take batches from them in turn. */
const BATCHES_PER_COMMIT = 3;

/** Airports that are printed, with their totals. */
const LARGEST_COUNT = 3;

/** Airport -> total. */
export type Totals = Map<string, number>;

/** What a group adds up for each flight. */
export const MEASURES = {
  departures: () => 1,
  delays: ({ delay }: Flight) => delay,
} satisfies Record<string, (flight: Flight) => number>;

export type GroupName = keyof typeof MEASURES;

export function isGroupName(name: string): name is GroupName {
  return Object.hasOwn(MEASURES, name);
}

/** Told of what a member does, when it has done it. */
export interface MemberWatcher {
  /** Waited for before each batch. */
  readonly turn: () => Promise<void>;
  /** The offsets from `first` up to but not including `next` are added up. */
  readonly onRead: (partition: number, first: number, next: number) => void;
  /** Everything below `offset` is committed. */
  readonly onCommit: (partition: number, offset: number) => void;
}

export const NO_WATCHER: MemberWatcher = {
  turn: () => Promise.resolve(),
  onRead: () => undefined,
  onCommit: () => undefined,
};

/** A member of a group at its work, from the group's positions to the end of the topic. */
export class Member {
  readonly #group: ConsumerGroup<Flight>;
  readonly #measure: (flight: Flight) => number;
  readonly #watcher: MemberWatcher;
  readonly #totals: readonly Totals[];
  /** Offsets up to which partitions were added up since they were committed. */
  readonly #uncommitted = new Map<number, number>();

  constructor(group: ConsumerGroup<Flight>, name: GroupName, watcher: MemberWatcher) {
    this.#group = group;
    this.#measure = MEASURES[name];
    this.#watcher = watcher;
    this.#totals = partitions().map((at) => totalsFrom(group.committed(at)?.metadata ?? ''));
  }

  /** Until the group has read so many records, those from before it began included. */
  async readUpTo(recordCount: number): Promise<void> {
    let left = recordCount;
    for (const partition of partitions()) left -= this.#group.committed(partition)?.offset ?? 0;
    if (left === 0) return;
    let batchCount = 0;
    for await (const batch of this.#group.batches()) {
      await this.#watcher.turn();
      this.#add(batch);
      batchCount += 1;
      left -= batch.recordCount;
      if (batchCount % BATCHES_PER_COMMIT === 0) await this.#commit(batch.partition);
      if (left <= 0) break;
    }
    for (const partition of this.#uncommitted.keys()) await this.#commit(partition);
  }

  #add(batch: RecordBatch<Flight>): void {
    const { partition, baseOffset: first } = batch;
    const totals = this.#totals[partition];
    if (totals === undefined) throw new Error(`partition ${partition} is none of the topic's`);
    let next = first;
    for (const { offset, value } of batch) {
      if (offset !== next || value === null) throw new Error(`${partition}/${next} is missing`);
      totals.set(value.origin, (totals.get(value.origin) ?? 0) + this.#measure(value));
      next += 1;
    }
    this.#uncommitted.set(partition, next);
    this.#watcher.onRead(partition, first, next);
  }

  async #commit(partition: number): Promise<void> {
    const offset = this.#uncommitted.get(partition);
    if (offset === undefined) return;
    const metadata = JSON.stringify(Object.fromEntries(this.#totals[partition] ?? []));
    await this.#group.commit({ partition, offset }, { metadata });
    this.#uncommitted.delete(partition);
    this.#watcher.onCommit(partition, offset);
  }
}

/** What was committed with a position. */
export function totalsFrom(metadata: string): Totals {
  const totals: Record<string, number> = metadata === '' ? {} : JSON.parse(metadata);
  return new Map(Object.entries(totals));
}

/** What a group has added up, beside what the input adds up to. */
export interface TotalsCheck {
  readonly sum: number;
  readonly largest: readonly (readonly [airport: string, total: number])[];
  /** In the input. */
  readonly airportCount: number;
  readonly rightCount: number;
  /** All are right, none is in two partitions, none is made up. */
  readonly isExact: boolean;
}

/** @param metadata  of the group's position in each partition */
export function checkTotals(
  metadata: readonly string[],
  name: GroupName,
  records: readonly FlightRecord[],
): TotalsCheck {
  const parts = metadata.flatMap((text) => [...totalsFrom(text)]);
  const expected: Totals = new Map();
  for (const record of records) {
    const sum = expected.get(record.key) ?? 0;
    expected.set(record.key, sum + MEASURES[name](flightOf(record)));
  }
  const airportCount = expected.size;
  const rightCount = parts.filter(([key, total]) => expected.get(key) === total).length;
  return {
    sum: parts.reduce((sum, [, total]) => sum + total, 0),
    largest: parts.toSorted(([, one], [, two]) => two - one).slice(0, LARGEST_COUNT),
    airportCount,
    rightCount,
    isExact: rightCount === airportCount && parts.length === airportCount,
  };
}

/** Numbers of the topic's partitions. */
export function partitions(): number[] {
  return Array.from({ length: PARTITION_COUNT }, (_, at) => at);
}
