/** The records of a call, sorted: what is new, what is stored, and what stands twice in the call. */
import { present } from '../core/assert.ts';
import { areEqual, type DedupIdentity, type DedupPart } from './dedup-call.ts';
import type { DedupSettings } from './dedup-options.ts';
import type { DedupPlace } from './dedup-table.ts';
import type { DuplicateRecord } from './topic-results.ts';

/** What is to be appended of a part, and what is there already: by a record of its own call, or a stored one. */
export interface Sorted {
  readonly part: DedupPart;
  readonly words: Uint32Array;
  /** By record: where it is stored; null = it is new. */
  readonly stored: (DedupPlace | null)[];
  /** By record: the new one of the same call that it equals. */
  readonly twins: (Twin | null)[];
}

interface Twin {
  readonly sorted: Sorted;
  readonly at: number;
}

export interface RunParts {
  readonly partition: number;
  readonly identities: readonly DedupIdentity[];
  readonly words: Uint32Array;
}

export function allNew(part: DedupPart, words: Uint32Array): Sorted {
  const { length } = part.identities;
  const nothing = () => Array.from({ length }, () => null);
  return { part, words, stored: nothing(), twins: nothing() };
}

export function isNew({ stored, twins }: Sorted, at: number): boolean {
  return stored[at] === null && twins[at] === null;
}

/** What is appended of a part. */
export function runOf({ part, words }: Sorted, fresh: readonly number[]): RunParts {
  const { partition, identities } = part;
  if (fresh.length === identities.length) return { partition, identities, words };
  const own = new Uint32Array(2 * fresh.length);
  for (const [to, at] of fresh.entries()) own.set(words.subarray(2 * at, 2 * at + 2), 2 * to);
  const kept = fresh.map((at) => present(identities[at], 'below the length'));
  return { partition, identities: kept, words: own };
}

/** Whether two records of the call may be the same. */
export function mayHoldTwins(all: readonly Sorted[]): boolean {
  const count = all.reduce((sum, { part }) => sum + part.identities.length, 0);
  if (count < 2) return false;
  const seen = new Set<number>();
  let expected = 0;
  for (const { words } of all) {
    for (let at = 0; at < words.length; at += 2) {
      const low = words[at + 1] ?? 0;
      const high = words[at] ?? 0;
      if (low === 0 && high === 0) continue;
      expected++;
      seen.add(high * 2 ** 21 + (low >>> 11));
    }
  }
  return seen.size < expected;
}

/** The first record of the call that equals another: in the order in which the caller gave them. */
export function twinOf(
  own: Sorted,
  at: number,
  all: readonly Sorted[],
  settings: DedupSettings,
): Twin | null {
  const identity = present(own.part.identities[at], 'below the length');
  for (const sorted of all) {
    for (const [other, before] of sorted.part.identities.entries()) {
      if (sorted === own && other >= at) return null;
      if (
        isNew(sorted, other) &&
        hasSame(sorted, other, own, at) &&
        areEqual(identity, before, settings)
      ) {
        return { sorted, at: other };
      }
    }
  }
  return null;
}

function hasSame(one: Sorted, at: number, other: Sorted, otherAt: number): boolean {
  const isSame = one.words[2 * at] === other.words[2 * otherAt];
  return isSame && one.words[2 * at + 1] === other.words[2 * otherAt + 1];
}

/** @param bases  by part: the offset of the first record that was appended */
export function duplicatesOf(
  all: readonly Sorted[],
  bases: readonly number[],
): readonly DuplicateRecord[] {
  const duplicates: DuplicateRecord[] = [];
  for (const { part, stored, twins } of all) {
    for (const [at, index] of part.indexes.entries()) {
      const place = stored[at] ?? placeOf(twins[at] ?? null, all, bases);
      if (place !== null) duplicates.push({ index, ...place });
    }
  }
  return duplicates.toSorted((one, other) => one.index - other.index);
}

function placeOf(
  twin: Twin | null,
  all: readonly Sorted[],
  bases: readonly number[],
): DedupPlace | null {
  if (twin === null) return null;
  const { sorted, at } = twin;
  const before = sorted.stored.slice(0, at).filter((_, other) => isNew(sorted, other)).length;
  const base = present(bases[all.indexOf(sorted)], 'each part has one');
  return { partition: sorted.part.partition, offset: base + before };
}
