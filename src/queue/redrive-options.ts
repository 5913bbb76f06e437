/** What a redrive is asked for, and what it answers. */
import {
  checkArray,
  checkFunction,
  checkInteger,
  checkObject,
  argumentError,
} from '../core/assert.ts';
import { checkSignal } from '../core/abort.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import type { RecordInput } from '../log/record-input.ts';
import { checkName } from '../topic/topic-names.ts';
import { checkChosen } from '../topic/topic-options.ts';
import type { BrowsedRecord, RecordPlace, RecordRef } from './browse.ts';

/** What becomes of a record on its way back: what is left out stays as it is. */
export type RedriveEdit<Input> = Partial<RecordInput<Input>>;

/** Why a record was not moved. */
export const REDRIVE_SKIPS = [
  /** `filter` said no. */
  'filtered',
  /** Neither a dead letter nor dead. */
  'not-dead',
  /** A consumer has it. */
  'leased',
  /** It is settled. */
  'settled',
  /** There is none: it is gone, or not sent yet. */
  'missing',
  /** There is no topic of the name that it comes from. */
  'origin-gone',
  /** It would go to where it is. */
  'origin-is-here',
  /** Its destination takes no record that is so large. */
  'too-large',
] as const;

export type RedriveSkip = (typeof REDRIVE_SKIPS)[number];

export interface RedriveProgress {
  /** Moved and skipped together. */
  readonly examinedCount: number;
  readonly movedCount: number;
  readonly skippedCount: number;
}

/** What a redrive did; what a dry run would have done. */
export interface RedriveReport extends RedriveProgress {
  /** Records that were not moved, by reason. */
  readonly skips: Readonly<Record<RedriveSkip, number>>;
  /** Where they went, by name. */
  readonly destinations: readonly { readonly topic: string; readonly count: number }[];
  readonly isDryRun: boolean;
  /** Whether the signal ended it early. */
  readonly wasAborted: boolean;
  /** Behind the last record that was looked at, when `limit` ended it early: for `from`; else null. */
  readonly next: RecordPlace | null;
}

export interface RedriveOptions<T, Input = T> {
  /** Name of a topic; default: dead letters go where they came from, dead records that were kept stay. */
  readonly to?: string | undefined;
  /** Which ones; default all. */
  readonly filter?: ((record: BrowsedRecord<T>) => boolean | Promise<boolean>) | undefined;
  /**
   * Changes a record on its way: it gets the record with its decoded value, and returns what is to be
   * changed. A value is encoded by the codec of this handle.
   */
  readonly edit?:
    ((record: BrowsedRecord<T>) => RedriveEdit<Input> | Promise<RedriveEdit<Input>>) | undefined;
  /** These alone. With `to` they need not be dead. */
  readonly refs?: readonly RecordRef[] | undefined;
  /** Leaves alone what lies before: where another run has ended. Default: begins at the beginning. */
  readonly from?: RecordRef | undefined;
  /** Records that are moved at most; default all. */
  readonly limit?: number | undefined;
  /** Records a second at most; default as fast as it goes. */
  readonly ratePerSecond?: number | undefined;
  /** Only looks, and says what it would do; default true. */
  readonly dryRun?: boolean | undefined;
  /** Ends it early: the report says so, and what was moved stays moved. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each group of records. */
  readonly onProgress?: ((progress: RedriveProgress) => void) | undefined;
}

export interface RedrivePlan<T, Input> {
  readonly to: string | null;
  readonly filter: NonNullable<RedriveOptions<T>['filter']> | null;
  readonly edit: NonNullable<RedriveOptions<T, Input>['edit']> | null;
  /** By partition, ascending, each offset once; null = all records. */
  readonly refs: ReadonlyMap<number, readonly number[]> | null;
  readonly from: RecordPlace;
  readonly limit: number;
  readonly ratePerSecond: number | null;
  readonly isDryRun: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: RedriveProgress) => void;
}

const KNOWN: ReadonlySet<string> = new Set<keyof RedriveOptions<unknown>>([
  'to',
  'filter',
  'edit',
  'refs',
  'from',
  'limit',
  'ratePerSecond',
  'dryRun',
  'signal',
  'onProgress',
]);

/** With every default filled in. @throws TypeError, RangeError */
export function planRedrive<T, Input>(
  given: RedriveOptions<T, Input>,
  partitionCount: number,
): RedrivePlan<T, Input> {
  const options = plainOptions(given, KNOWN);
  const { to, filter, edit, refs, limit, ratePerSecond, dryRun = true, signal } = options;
  const { from, onProgress = () => undefined } = options;
  if (to !== undefined) checkName('to', to);
  if (filter !== undefined) checkFunction('filter', filter);
  if (edit !== undefined) checkFunction('edit', edit);
  if (limit !== undefined) checkInteger('limit', limit, { min: 1 });
  if (ratePerSecond !== undefined && !(ratePerSecond > 0 && Number.isFinite(ratePerSecond))) {
    throw argumentError(RangeError, 'ratePerSecond', 'a number above 0', ratePerSecond);
  }
  checkSignal('signal', signal);
  checkFunction('onProgress', onProgress);
  if (from !== undefined && refs !== undefined) {
    throw argumentError(TypeError, 'from', 'left out with refs', from);
  }
  return {
    to: to ?? null,
    filter: filter ?? null,
    edit: edit ?? null,
    refs: refs === undefined ? null : refsByPartition(refs, partitionCount),
    from: from === undefined ? { partition: 0, offset: 0 } : checkRef('from', from, partitionCount),
    limit: limit ?? Number.POSITIVE_INFINITY,
    ratePerSecond: ratePerSecond ?? null,
    isDryRun: checkBoolean('dryRun', dryRun),
    signal,
    onProgress,
  };
}

function checkRef(name: string, ref: RecordRef, partitionCount: number): RecordPlace {
  const { partition = 0, offset } = checkObject(name, ref);
  checkChosen(partition, partitionCount);
  checkInteger('offset', offset, { min: 0 });
  return { partition, offset };
}

function refsByPartition(
  refs: readonly RecordRef[],
  partitionCount: number,
): ReadonlyMap<number, readonly number[]> {
  checkArray('refs', refs);
  const offsets = new Map<number, Set<number>>();
  for (const ref of refs) {
    const { partition, offset } = checkRef('refs', ref, partitionCount);
    const own = offsets.get(partition);
    if (own === undefined) offsets.set(partition, new Set([offset]));
    else own.add(offset);
  }
  const partitions = [...offsets].toSorted(([one], [two]) => one - two);
  return new Map(
    partitions.map(([partition, own]) => [partition, [...own].toSorted((one, two) => one - two)]),
  );
}
