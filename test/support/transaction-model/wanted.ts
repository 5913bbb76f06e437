/** What a transaction of the model test wants, and what it is to be told. */

/** A record, by its log. */
export interface Spot {
  readonly place: string;
  readonly offset: number;
}

/** Whether records have ids: new ones, those that were given last, or such as are stored. */
export const ID_KINDS = ['none', 'new', 'again', 'stored'] as const;

export type IdKind = (typeof ID_KINDS)[number];

/** Records of one call, all for one log. */
export interface ModelCall {
  readonly place: string;
  readonly values: readonly string[];
  /** Of each; null = it may be stored any number of times. */
  readonly ids: readonly string[] | null;
  /** Of the first, where a producer sends them. */
  readonly sequence: number | null;
}

/** What a call is answered. */
export interface Answer {
  /** Of the first that was appended; null = none was. */
  readonly baseOffset: number | null;
  readonly recordCount: number;
  /** Each as text: producers do not tell of all where they are. */
  readonly duplicates: readonly string[];
}

export interface ModelLease {
  readonly untilMs: number;
  isOver: boolean;
}

export interface ModelTransaction {
  readonly number: number;
  /** It is told when what it published is in its destinations. */
  readonly isRouted: boolean;
  /** Monotonic; it is over then. */
  readonly deadlineMs: number;
  /** In order. */
  readonly calls: ModelCall[];
  /** In queues. */
  readonly acks: Set<string>;
  /** Under which they were taken: one of them more than once, perhaps. */
  readonly leases: Set<ModelLease>;
  /** By partition: the last one counts. */
  readonly positions: Map<number, number>;
  /** By partition: the member of its last position. */
  readonly claims: Map<number, number>;
  /** Those that commit positions, also such as do not count; and those that send. */
  readonly members: Set<number>;
  readonly producers: Set<number>;
}

/** One that has collected nothing yet. */
export function newTransaction(
  how: Pick<ModelTransaction, 'number' | 'isRouted' | 'deadlineMs'>,
): ModelTransaction {
  return {
    ...how,
    calls: [],
    acks: new Set(),
    leases: new Set(),
    positions: new Map(),
    claims: new Map(),
    members: new Set(),
    producers: new Set(),
  };
}

/** A call whose records are stored whatever was stored before. */
export function plainCall(place: string, values: readonly string[]): ModelCall {
  return { place, values, ids: null, sequence: null };
}

/** Behind all that its producer sends; 0 = it sends nothing. */
export function nextSequence({ calls }: ModelTransaction): number {
  const ends = calls.map(({ sequence, values }) =>
    sequence === null ? 0 : sequence + values.length,
  );
  return Math.max(0, ...ends);
}
