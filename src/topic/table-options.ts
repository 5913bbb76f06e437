/** What is asked of a table and told of it: options, places, figures, and their checks. */
import { checkSignal } from '../core/abort.ts';
import { argumentError, checkArray, checkChoice, checkInteger } from '../core/assert.ts';
import { plainOptions } from '../core/options.ts';
import { checkChosen } from './topic-options.ts';

export interface TableOptions {
  /**
   * Bytes of records to keep in memory: of what was asked for last. Other records are read again by their
   * offsets, by way of what each open partition caches (32 MiB at most), and of each key 45 to 90 bytes
   * stay in memory. 0 to 2^53 - 1; default null: all records are kept, and some 160 bytes a key.
   */
  readonly bytesMax?: number | null | undefined;
  /** Partitions that it is made of, from 0; default all, also those that are added later. */
  readonly partitions?: readonly number[] | undefined;
  /** Ends it, also while it is loaded: what is called then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a record is. */
export interface TablePlace {
  readonly partition: number;
  readonly offset: number;
}

export interface TableChangesOptions {
  /** `now` (default): behind what the table has at the call. `start`: all that the topic holds. */
  readonly from?: 'now' | 'start' | undefined;
  /** Ends it with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a table has come in one partition. */
export interface TablePosition {
  readonly partition: number;
  /** Everything below it counts in the table. */
  readonly offset: number;
  /** Offsets that readers see and the table does not have yet: at most so many records. */
  readonly lag: number;
}

export interface TableStats {
  /** Keys with a value. */
  readonly keyCount: number;
  /** Records without a key that were read since the table was made: they are no part of it. */
  readonly keylessCount: number;
  /** Memory of rows and records, about. */
  readonly memoryBytes: number;
  /** By partition, ascending. */
  readonly positions: readonly TablePosition[];
}

/** Checked. */
export interface TablePlan {
  readonly bytesMax: number | null;
  /** Ascending; null = all. */
  readonly chosen: readonly number[] | null;
  readonly signal: AbortSignal | undefined;
}

const TABLE_KNOWN: ReadonlySet<string> = new Set<keyof TableOptions>([
  'bytesMax',
  'partitions',
  'signal',
]);
const CHANGES_KNOWN: ReadonlySet<string> = new Set<keyof TableChangesOptions>(['from', 'signal']);
const REACHED_KNOWN: ReadonlySet<string> = new Set(['signal']);

/** @throws TypeError, RangeError */
export function checkTableOptions(given: TableOptions, partitionCount: number): TablePlan {
  const { bytesMax = null, partitions, signal } = plainOptions(given, TABLE_KNOWN);
  if (bytesMax !== null) checkInteger('bytesMax', bytesMax, { min: 0 });
  checkSignal('signal', signal);
  if (partitions === undefined) return { bytesMax, chosen: null, signal };
  checkArray('partitions', partitions);
  if (partitions.length === 0)
    throw argumentError(RangeError, 'partitions', 'not empty', partitions);
  for (const partition of partitions) checkChosen(partition, partitionCount);
  const chosen = [...new Set(partitions)].toSorted((one, other) => one - other);
  return { bytesMax, chosen, signal };
}

/** @throws TypeError */
export function checkChanges(given: TableChangesOptions): {
  readonly isFromStart: boolean;
  readonly signal: AbortSignal | undefined;
} {
  const { from = 'now', signal } = plainOptions(given, CHANGES_KNOWN);
  checkSignal('signal', signal);
  return { isFromStart: checkChoice('from', from, ['now', 'start']) === 'start', signal };
}

/** @throws TypeError */
export function checkReached(given: { readonly signal?: AbortSignal | undefined }) {
  const { signal } = plainOptions(given, REACHED_KNOWN);
  checkSignal('signal', signal);
  return signal;
}

/** @throws TypeError for what is no key */
export function checkTableKey(key: string | Uint8Array): string | Uint8Array {
  if (typeof key === 'string' || key instanceof Uint8Array) return key;
  throw argumentError(TypeError, 'key', 'a string or a Uint8Array', key);
}
