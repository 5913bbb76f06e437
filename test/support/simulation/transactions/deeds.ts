/**
 * What a program did to a store, each as one deed: a transaction, or a plain call, which has one part.
 * Of a deed the store holds all or nothing, whatever it has in it.
 */

/** A record that a deed brings. */
export interface BroughtRecord {
  readonly id: number;
  /** Its log: topic and partition. */
  readonly place: string;
  /** Null = nobody was told. */
  offset: number | null;
}

/** A position that a deed commits behind a batch. */
export interface HandledRange {
  readonly partition: number;
  /** First offset of the batch. */
  readonly from: number;
  /** The position. */
  readonly to: number;
}

export class Deed {
  readonly number: number;
  /** Counts what the program was told: of two deeds one may have ended before the other began. */
  readonly begunAt: number;
  readonly records: BroughtRecord[] = [];
  /** Of queues, by number. */
  readonly acks = new Set<number>();
  readonly ranges: HandledRange[] = [];
  /** It may be gone after a power cut, though it was answered: a plain append that is not synced. */
  readonly isLossy: boolean;
  status: 'open' | 'answered' | 'refused' = 'open';
  answeredAt: number | null = null;

  constructor(number: number, begunAt: number, isLossy: boolean) {
    this.number = number;
    this.begunAt = begunAt;
    this.isLossy = isLossy;
  }

  get name(): string {
    const ids = this.records.map(({ id, place }) => `#${id} in ${place}`);
    const acks = [...this.acks].map((id) => `ack #${id}`);
    const ranges = this.ranges.map(({ partition, from, to }) => `${partition}: ${from} to ${to}`);
    return `deed ${this.number} (${[...ids, ...acks, ...ranges].join(', ')})`;
  }
}

/** Whether one was committed behind the other, for certain. */
export function isBehind(later: Deed, earlier: Deed): boolean {
  if (later === earlier) return false;
  if (earlier.answeredAt !== null && later.begunAt > earlier.answeredAt) return true;
  return later.records.some(({ place, offset }) => {
    const other = earlier.records.find((record) => record.place === place)?.offset ?? null;
    return offset !== null && other !== null && offset > other;
  });
}
