/** The records of a call, sorted: what is new, what is stored, and what stands twice in the call. */
import { present } from '../core/assert.ts';
import { areEqual, identityAt, type DedupPart } from './dedup-call.ts';
import type { DedupSettings } from './dedup-options.ts';
import type { DedupPlace } from './dedup-table.ts';
import type { DuplicateRecord } from './topic-results.ts';

/** What is to be appended of a part, and what is there already: by a record of its own call, or a stored one. */
export interface Sorted {
  readonly part: DedupPart;
  readonly words: Uint32Array;
  /** By record: where it is stored; null = it is new. */
  readonly stored: (DedupPlace | null)[];
  /** By record: a place that the table has of it, where nothing counts any more. */
  readonly gone: (DedupPlace | null)[];
  /** By record: the new one of the same call that it equals. */
  readonly twins: (Twin | null)[];
}

/** A record of a call. */
interface Twin {
  readonly sorted: Sorted;
  readonly at: number;
}

export interface RunParts extends Pick<DedupPart, 'partition' | 'records' | 'ids'> {
  readonly words: Uint32Array;
  /** Of each: a place that the table has, and needs no more; null = none. */
  readonly gone: readonly (DedupPlace | null)[];
}

const U21 = 2 ** 21;
const LOW_SHIFT = 11;

export function allNew(part: DedupPart, words: Uint32Array): Sorted {
  const { length } = part.records;
  const nothing = () => Array.from({ length }, () => null);
  return { part, words, stored: nothing(), gone: nothing(), twins: nothing() };
}

export function isNew({ stored, twins }: Sorted, at: number): boolean {
  return stored[at] === null && twins[at] === null;
}

/** Numbers of the records of a part that are to be appended, ascending. */
export function freshIn(sorted: Sorted): number[] {
  return [...sorted.stored.keys()].filter((at) => isNew(sorted, at));
}

/** What is appended of a part. */
export function runOf({ part, words, gone }: Sorted, fresh: readonly number[]): RunParts {
  const { partition, records, ids } = part;
  if (fresh.length === records.length) return { partition, records, ids, words, gone };
  const own = new Uint32Array(2 * fresh.length);
  for (const [to, at] of fresh.entries()) own.set(words.subarray(2 * at, 2 * at + 2), 2 * to);
  return {
    partition,
    records: fresh.map((at) => present(records[at], 'below the length')),
    ids: fresh.map((at) => ids[at] ?? null),
    words: own,
    gone: fresh.map((at) => gone[at] ?? null),
  };
}

/** 53 bits of the fingerprint of a record; 0 = it has none, or one that nobody minds being left out. */
export function fingerprintKey(words: Uint32Array, at: number): number {
  const low = words[2 * at + 1] ?? 0;
  const high = words[2 * at] ?? 0;
  return high === 0 && low === 0 ? 0 : high * U21 + (low >>> LOW_SHIFT) + 1;
}

/** Whether two records of the call may be the same. */
export function mayHoldTwins(all: readonly Sorted[]): boolean {
  const count = all.reduce((sum, { part }) => sum + part.records.length, 0);
  if (count < 2) return false;
  const seen = new Set<number>();
  let expected = 0;
  for (const { words } of all) {
    for (let at = 0; 2 * at < words.length; at++) {
      const key = fingerprintKey(words, at);
      if (key === 0) continue;
      expected++;
      seen.add(key);
    }
  }
  return seen.size < expected;
}

/** Among records that are not stored, the first of those that are equal is new, in the order of the call. */
export function findTwins(all: readonly Sorted[], settings: DedupSettings): void {
  for (const { twins } of all) twins.fill(null);
  if (!mayHoldTwins(all)) return;
  const firsts = new Map<number, Twin[]>();
  for (const { sorted, at } of inOrderOfCall(all)) {
    const key = fingerprintKey(sorted.words, at);
    if (key === 0 || sorted.stored[at] !== null) continue;
    const known = firsts.get(key);
    const identity = identityAt(sorted.part, at);
    const twin = known?.find((one) =>
      areEqual(identity, identityAt(one.sorted.part, one.at), settings),
    );
    if (twin !== undefined) sorted.twins[at] = twin;
    else if (known === undefined) firsts.set(key, [{ sorted, at }]);
    else known.push({ sorted, at });
  }
}

function inOrderOfCall(all: readonly Sorted[]): readonly Twin[] {
  const records = all.flatMap((sorted) =>
    sorted.part.indexes.map((index, at) => ({ sorted, at, index })),
  );
  return all.length < 2 ? records : records.toSorted((one, other) => one.index - other.index);
}

/**
 * Those of a call that were not appended, by their index.
 *
 * @param bases  by part: the offset of the first record that was appended
 */
export function duplicatesOf(
  all: readonly Sorted[],
  bases: readonly number[],
): readonly DuplicateRecord[] {
  const offsets = new NewOffsets(all, bases);
  const duplicates: DuplicateRecord[] = [];
  for (const { part, stored, twins } of all) {
    for (const [at, index] of part.indexes.entries()) {
      const place = stored[at] ?? offsets.placeOf(twins[at] ?? null);
      if (place !== null) duplicates.push({ index, ...place });
    }
  }
  return duplicates.toSorted((one, other) => one.index - other.index);
}

/** Where new records of a call are. */
class NewOffsets {
  readonly #bases: ReadonlyMap<Sorted, number>;
  /** Of parts that were asked for, by record: how many new ones stand before. */
  readonly #ranks = new Map<Sorted, readonly number[]>();

  constructor(all: readonly Sorted[], bases: readonly number[]) {
    this.#bases = new Map(all.map((sorted, at) => [sorted, bases[at] ?? -1]));
  }

  placeOf(twin: Twin | null): DedupPlace | null {
    if (twin === null) return null;
    const { sorted, at } = twin;
    const base = present(this.#bases.get(sorted), 'each part has one');
    const rank = present(this.#ranksOf(sorted)[at], 'below the length');
    return { partition: sorted.part.partition, offset: base + rank };
  }

  #ranksOf(sorted: Sorted): readonly number[] {
    const known = this.#ranks.get(sorted);
    if (known !== undefined) return known;
    let rank = 0;
    const ranks = sorted.stored.map((_, at) => (isNew(sorted, at) ? rank++ : rank));
    this.#ranks.set(sorted, ranks);
    return ranks;
  }
}
