/**
 * Looking at the records that a share group has not settled, without leasing any: in the order of their
 * offsets, each with the state that it has when it is passed.
 *
 * What is unread at the start, and what was acquired or is dead, is known as ranges and offsets; they
 * are walked through the log batch by batch, so a backlog of any length costs the memory of a batch.
 */
import { checkArray, checkChoice, checkInteger } from '../core/assert.ts';
import { nextTurn, type Clock } from '../core/clock.ts';
import { checkSignal } from '../core/abort.ts';
import { plainOptions } from '../core/options.ts';
import type { Codec } from '../codec/codec.ts';
import type { Log } from '../log/log.ts';
import type { LogRecord, RecordBatch } from '../log/record.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { checkChosen } from '../topic/topic-options.ts';
import { SlotState } from './record-state.ts';
import type { DeathReason } from './share-entries.ts';
import { spansOf } from './offset-spans.ts';
import { isTrimmed } from './share-feed.ts';
import type { SharePartition, Trials, Trouble } from './share-partition.ts';
import type { ShareState } from './share-state.ts';
import type { OffsetRange } from './unread-ranges.ts';

/**
 * What a record that is not settled may be. `condemned`: over a limit, dead as soon as that is written,
 * and nobody gets it.
 */
export const BROWSED_STATES = ['ready', 'leased', 'delayed', 'condemned', 'dead'] as const;

export type BrowsedState = (typeof BROWSED_STATES)[number];

/** A record as `browse` passes it, with what is known of it at that moment. */
export interface BrowsedRecord<T> extends Trials {
  readonly record: LogRecord<T>;
  readonly partition: number;
  readonly offset: number;
  readonly state: BrowsedState;
  /** Wall time before which a delayed record is not handed out; null = it is not delayed. */
  readonly dueMs: number | null;
  /** Why it is dead or condemned; null = it is neither. */
  readonly reason: DeathReason | null;
  /** What holders said of it, first and last; null = nothing. */
  readonly trouble: Trouble | null;
}

export interface BrowseOptions {
  /** Default all. */
  readonly states?: readonly BrowsedState[] | undefined;
  /** From 0; default all, one after the other. */
  readonly partition?: number | undefined;
  /** Records at most; default all. */
  readonly limit?: number | undefined;
  /** Ends the read with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a record of a topic is. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

/** Names a record of a topic. */
export interface RecordRef {
  /** From 0; default 0. */
  readonly partition?: number | undefined;
  readonly offset: number;
}

export interface BrowseSource<T> {
  readonly topic: PartitionSet;
  readonly clock: Clock;
  readonly codec: Pick<Codec<T, never>, 'id' | 'decode'>;
  /** As the journal has it now; null = the group is gone. */
  readonly state: () => ShareState | null;
  /** Whether the group is used in this process: then the table knows what is ready. */
  readonly isLive: () => boolean;
  /** @throws when whoever asks was closed before the first step */
  readonly checkOpen?: () => void;
}

/** What is known of one offset. */
export type Known = Omit<BrowsedRecord<never>, 'record' | 'partition' | 'offset'>;

const KNOWN: ReadonlySet<string> = new Set<keyof BrowseOptions>([
  'states',
  'partition',
  'limit',
  'signal',
]);

const NO_TRIALS: Trials = { attempts: 0, failures: 0, expiries: 0, crashes: 0 };
const READY: Known = { ...NO_TRIALS, state: 'ready', dueMs: null, reason: null, trouble: null };

/** Offsets so near to each other mostly stand in one batch: what lies between is read and passed over. */
const SPAN_GAP = 16;
/** A turn of the event loop is given back after so many offsets: some milliseconds. */
const TURN_OFFSETS = 2048;

/** @throws TypeError, RangeError */
function checkBrowseOptions(given: BrowseOptions, partitionCount: number) {
  const options = plainOptions(given, KNOWN);
  const { states = BROWSED_STATES, partition, limit = Number.POSITIVE_INFINITY, signal } = options;
  checkArray('states', states);
  for (const state of states) checkChoice('states', state, BROWSED_STATES);
  if (partition !== undefined) checkChosen(partition, partitionCount);
  if (limit !== Number.POSITIVE_INFINITY) checkInteger('limit', limit, { min: 0 });
  checkSignal('signal', signal);
  return { states, partition, limit, signal };
}

const BEGINNING: RecordPlace = { partition: 0, offset: 0 };

/**
 * Walks the records that are not settled. What comes while it runs is left out.
 *
 * @param start  what lies before is passed over
 * @throws ClosedError, TypeError, RangeError, at the first step; as `Log.batches`; the signal's reason
 */
export async function* browse<T>(
  source: BrowseSource<T>,
  options: BrowseOptions = {},
  start: RecordPlace = BEGINNING,
): AsyncGenerator<BrowsedRecord<T>, void, void> {
  const { topic } = source;
  topic.checkThere();
  source.checkOpen?.();
  const { states, partition, limit, signal } = checkBrowseOptions(options, topic.count);
  const wanted: ReadonlySet<BrowsedState> = new Set(states);
  const numbers =
    partition === undefined ? Array.from({ length: topic.count }).keys() : [partition];
  let left = limit;
  for (const number of numbers) {
    if (left <= 0) return;
    if (number < start.partition) continue;
    const from = number === start.partition ? start.offset : 0;
    const spans = (state: SharePartition | undefined, log: Log<Uint8Array>) => {
      const ranges = rangesOf(state, log, { wanted, from });
      return spansOf(ranges, knownOffsets(state, { wanted, from }), SPAN_GAP);
    };
    for await (const found of walk(source, { number, spans, signal })) {
      if (!wanted.has(found.state)) continue;
      yield found;
      if (--left <= 0) return;
    }
  }
}

/** Those of `offsets`, ascending, that are there and not settled. */
export async function* browseOffsets<T>(
  source: BrowseSource<T>,
  number: number,
  offsets: readonly number[],
): AsyncGenerator<BrowsedRecord<T>, void, void> {
  const wanted = new Set(offsets);
  const spans = () => spansOf([], offsets, SPAN_GAP);
  for await (const found of walk(source, { number, spans, signal: undefined })) {
    if (wanted.has(found.offset)) yield found;
  }
}

interface Walk {
  /** Of the partition. */
  readonly number: number;
  /** What to read, ascending. */
  readonly spans: (
    state: SharePartition | undefined,
    log: Log<Uint8Array>,
  ) => Iterable<OffsetRange>;
  readonly signal: AbortSignal | undefined;
}

async function* walk<T>(
  source: BrowseSource<T>,
  { number, spans, signal }: Walk,
): AsyncGenerator<BrowsedRecord<T>, void, void> {
  const used = source.topic.at(number);
  const release = used.hold();
  const pace = new Pace();
  try {
    const log = await used.log();
    for (const span of spans(partitionOf(source, number), log)) {
      for await (const batch of batchesIn(log, span, signal)) {
        yield* unsettled(source, number, batch);
        await pace.pass(batch.nextOffset - batch.baseOffset);
      }
    }
  } finally {
    release();
  }
}

/** Gives turns back: batches that are in memory are read in one, in which nothing else would run. */
class Pace {
  #passed = 0;

  async pass(offsets: number): Promise<void> {
    this.#passed += offsets;
    if (this.#passed < TURN_OFFSETS) return;
    this.#passed = 0;
    await nextTurn();
  }
}

/** Each with what is known of it when it is asked for. */
function* unsettled<T>(
  source: BrowseSource<T>,
  number: number,
  batch: RecordBatch<Uint8Array>,
): Generator<BrowsedRecord<T>, void, void> {
  const origin = { codec: source.codec, partition: number };
  for (const record of batch) {
    const { offset } = record;
    const known = knownOf(partitionOf(source, number), offset, source);
    if (known !== null) {
      yield { record: record.as(origin), partition: number, offset, ...known };
    }
  }
}

function partitionOf<T>(source: BrowseSource<T>, number: number): SharePartition | undefined {
  return source.state()?.partitions.get(number);
}

/**
 * What the group knows of a record; null when it is settled.
 *
 * @param partition  undefined where the group has not begun
 */
export function knownOf(
  partition: SharePartition | undefined,
  offset: number,
  { isLive, clock }: Pick<BrowseSource<never>, 'isLive' | 'clock'>,
): Known | null {
  if (partition === undefined) return READY;
  const { table, unread, dead, troubles, condemned } = partition;
  const slot = table.find(offset);
  if (slot < 0) {
    const end = dead.get(offset);
    if (end === null) return unread.has(offset) ? READY : null;
    const { attempts, failures, expiries, crashes, reason, trouble } = end;
    const trials = { attempts, failures, expiries, crashes };
    return { state: 'dead', dueMs: null, reason, trouble, ...trials };
  }
  const trouble = troubles.get(offset) ?? null;
  const trials = partition.trialsAt(slot); // Last in all objects: names behind a spread are slow in Node 20.
  const known = { dueMs: null, reason: null, trouble };
  const state = table.stateAt(slot);
  if (state === SlotState.acquired) return { state: 'leased', ...known, ...trials };
  const reason = condemned.get(offset) ?? null;
  if (reason !== null) return { state: 'condemned', dueMs: null, reason, trouble, ...trials };
  if (state === SlotState.available) return { state: 'ready', ...known, ...trials };
  const dueMs = table.timeAt(slot);
  // Nobody has looked at what became ready since the group was used.
  if (!isLive() && dueMs <= clock.now()) return { state: 'ready', ...known, ...trials };
  return { state: 'delayed', dueMs, reason: null, trouble, ...trials };
}

interface Wanted {
  readonly wanted: ReadonlySet<BrowsedState>;
  /** First offset. */
  readonly from: number;
}

/** What was never looked at, as far as it may be read. */
function rangesOf(
  partition: SharePartition | undefined,
  { startOffset, visibleOffset }: Log<Uint8Array>,
  { wanted, from: firstOffset }: Wanted,
): readonly OffsetRange[] {
  // It may be leased by the time that it is passed, but then it was not asked for.
  if (!wanted.has('ready')) return [];
  const visible = { from: Math.max(startOffset, firstOffset), to: visibleOffset };
  if (partition === undefined) return [visible];
  const ranges: OffsetRange[] = [];
  partition.unread.eachIn(visible, (range) => ranges.push(range));
  return ranges;
}

/** Of those that were acquired or are dead, ascending. */
function knownOffsets(
  partition: SharePartition | undefined,
  { wanted, from }: Wanted,
): Iterable<number> {
  if (partition === undefined) return [];
  const { table, dead } = partition;
  const isSlotWanted = [...wanted].some((state) => state !== 'dead');
  const slots = isSlotWanted ? table.sortedSlots() : [];
  const offsets = new Float64Array(slots.length + (wanted.has('dead') ? dead.size : 0));
  let count = 0;
  const add = (offset: number): void => {
    if (offset >= from) offsets[count++] = offset;
  };
  for (const slot of slots) add(table.offsetAt(slot));
  if (wanted.has('dead')) for (const offset of dead.offsets()) add(offset);
  const found = offsets.subarray(0, count);
  return wanted.has('dead') ? found.sort() : found;
}

/** What retention takes meanwhile is left out. */
async function* batchesIn(
  log: Log<Uint8Array>,
  { from, to }: OffsetRange,
  signal: AbortSignal | undefined,
): AsyncGenerator<RecordBatch<Uint8Array>, void, void> {
  let next = from;
  for (;;) {
    next = Math.max(next, log.startOffset);
    if (next >= Math.min(to, log.visibleOffset)) return;
    try {
      for await (const batch of log.batches({ from: next, to, signal })) {
        next = batch.nextOffset;
        yield batch;
      }
      return;
    } catch (error) {
      if (!isTrimmed(error) || next >= log.startOffset) throw error;
    }
  }
}
