/** How far an exchange is projected, in figures: in memory, no I/O. */
import type { DestinationLogs } from './destination-logs.ts';
import type { Projection } from './projection.ts';
import { COMMON_STREAM, markedPosition, type ProjectionState } from './projection-state.ts';

/** One log that an exchange, or the backfill of a binding, projects into. */
export interface DestinationLag {
  /** Name of the queue or topic. */
  readonly destination: string;
  /** From 0. */
  readonly partition: number;
  /** The binding that is being backfilled; null = what is published from now on. */
  readonly bindingId: number | null;
  /** Everything of the source below this offset is synced there, as far as it belongs there. */
  readonly position: number;
  /** Offsets of the source that it is behind; not all of them need belong there. */
  readonly lagCount: number;
  /**
   * How long the oldest record waits that is not synced there yet, ms; 0 = none does. What waited before
   * the store was opened is counted from then on, as long as nothing more is known of it.
   */
  readonly lagMs: number;
  /** Left behind by the others: slow, full or failed. It is tried again by itself. */
  readonly isBehind: boolean;
  /** Why it was refused the last time, in words; null = it was not. */
  readonly error: string | null;
  /** Records that were copied there since the store was opened. */
  readonly recordCount: number;
}

/** A binding that asked for the past and has not got all of it. */
export interface BackfillLag {
  readonly bindingId: number;
  /** Everything of the source below was handed to its destination, or belongs to others. */
  readonly position: number;
  /** Why the source cannot be read, in words; null = it can. */
  readonly error: string | null;
}

export interface ExchangeStats {
  /** Of the source log: the first record that it still has, and the offset of the next. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** Everything of the source below was handed to all destinations that are not behind. */
  readonly position: number;
  /** How long the oldest record waits that is not synced in all of its destinations, ms; 0 = none. */
  readonly lagMs: number;
  /** Why the source cannot be read, in words; null = it can. */
  readonly error: string | null;
  /** Records that destinations were let off by `detach`. */
  readonly skippedCount: number;
  /**
   * By name, partition and binding: those that have got something, or are to. Right after the store was
   * opened they are where the journal has them, which may be less than what they have.
   */
  readonly destinations: readonly DestinationLag[];
  /** Bindings that are being given what was published here before them, by id. */
  readonly backfills: readonly BackfillLag[];
}

/** A stream of an exchange that has not ended. */
export interface StreamStats {
  /** As the journal has it. */
  readonly state: ProjectionState;
  /** Null where nothing is projected: in a store that is only read. */
  readonly projection: Projection | null;
}

export interface StatsParts {
  /** The common stream first. */
  readonly streams: readonly StreamStats[];
  readonly destinations: DestinationLogs;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly nowMs: number;
}

export function describeExchange(parts: StatsParts): ExchangeStats {
  const { streams, startOffset, endOffset } = parts;
  const destinations = streams
    .flatMap((stream) => [...lagsOf(stream, parts), ...markedLagsOf(stream, parts)])
    .sort(byPlace);
  const [common] = streams;
  const unread = common === undefined ? 0 : unreadMs(common, parts);
  return {
    startOffset,
    endOffset,
    position: common === undefined ? endOffset : positionOf(common),
    lagMs: Math.max(unread, ...destinations.map(({ lagMs }) => lagMs)),
    error: common?.projection?.failure?.message ?? null,
    skippedCount: streams.reduce((sum, { state }) => sum + state.skippedCount, 0),
    destinations,
    backfills: streams.flatMap(backfillOf).sort((one, two) => one.bindingId - two.bindingId),
  };
}

function backfillOf(stream: StreamStats): BackfillLag[] {
  const bindingId = bindingOf(stream);
  const error = stream.projection?.failure?.message ?? null;
  return bindingId === null ? [] : [{ bindingId, position: positionOf(stream), error }];
}

/** Of logs that somebody projects into. */
function lagsOf(stream: StreamStats, parts: StatsParts): DestinationLag[] {
  const { projection } = stream;
  if (projection === null) return [];
  const { destinations, endOffset, nowMs } = parts;
  const unread = unreadMs(stream, parts);
  const lags: DestinationLag[] = [];
  for (const outlet of projection.outlets) {
    const destination = destinations.nameOf(outlet.topicId);
    if (destination === null) continue; // It is on its way out.
    const { partition, syncedPosition: position, waitingSinceMs, lastError, recordCount } = outlet;
    const lagCount = Math.max(0, endOffset - position);
    const copyMs = waitingSinceMs === null ? 0 : nowMs - waitingSinceMs;
    lags.push({
      destination,
      partition,
      bindingId: bindingOf(stream),
      position,
      lagCount,
      lagMs: lagCount === 0 ? 0 : Math.max(unread, copyMs),
      isBehind: projection.isBehind(outlet),
      error: lastError?.message ?? null,
      recordCount,
    });
  }
  return lags;
}

/** Of logs of which only the journal says how far they are: nobody has asked them. */
function markedLagsOf(stream: StreamStats, parts: StatsParts): DestinationLag[] {
  const { state, projection } = stream;
  if ((projection?.position ?? null) !== null) return []; // They were asked.
  const { destinations, endOffset, nowMs } = parts;
  const lags: DestinationLag[] = [];
  for (const [logId, mark] of state.logs) {
    const { topicId, partition, isBehind } = mark;
    const isMet = (projection?.outlets.find(topicId, partition) ?? null) !== null;
    if (isMet || destinations.find(topicId, partition)?.logId !== logId) continue;
    const position = markedPosition(state.position, mark);
    const lagCount = Math.max(0, endOffset - position);
    lags.push({
      destination: destinations.nameOf(topicId) ?? '',
      partition,
      bindingId: bindingOf(stream),
      position,
      lagCount,
      lagMs: lagCount === 0 ? 0 : waitingMs(stream, nowMs),
      isBehind,
      error: null,
      recordCount: 0,
    });
  }
  return lags;
}

function bindingOf({ state: { stream } }: StreamStats): number | null {
  return stream === COMMON_STREAM ? null : stream;
}

function positionOf({ state, projection }: StreamStats): number {
  return projection?.knownPosition ?? state.position;
}

/** How long the oldest record of the source waits that was not looked at. */
function unreadMs(stream: StreamStats, { endOffset, nowMs }: StatsParts): number {
  return positionOf(stream) >= endOffset ? 0 : waitingMs(stream, nowMs);
}

/** How long nobody has seen that nothing is left; 0 where nobody looks. */
function waitingMs({ projection }: StreamStats, nowMs: number): number {
  return Math.max(0, nowMs - (projection?.caughtUpMs ?? nowMs));
}

function byPlace(one: DestinationLag, two: DestinationLag): number {
  if (one.destination !== two.destination) return one.destination < two.destination ? -1 : 1;
  return one.partition - two.partition || (one.bindingId ?? 0) - (two.bindingId ?? 0);
}
