/**
 * The table of the quickstart: the last flight to each airport. What is appended, and what must be left of
 * it, in plain words of the file: nothing of compaction.
 */
import type { RecordInput } from '../../src/index.ts';
import { flightOf, type Flight, type FlightRecord } from './flights.ts';

export const TABLE = 'last-flight';
const WEEK_MS = 7 * 24 * 3_600_000;

/** A flight by its destination, or that an airport is no longer flown to: `value: null`. */
export type Arrival = RecordInput<Flight> & { readonly key: string };

export interface Arrivals {
  /** All of them, in the order in which they are appended: the index is the offset. */
  readonly records: readonly Arrival[];
  /** Airports with flights, but none in the last week. */
  readonly closed: ReadonlySet<string>;
}

/** All flights; before those of the last week, the airports are deleted that have none in it. */
export function arrivals(flights: readonly FlightRecord[]): Arrivals {
  const lastWeekMs = (flights.at(-1)?.createTimeMs ?? 0) - WEEK_MS;
  const all = flights.map(toArrival);
  const [before, after] = [all.filter(isBefore), all.filter((arrival) => !isBefore(arrival))];
  const open = new Set(after.map(({ key }) => key));
  const closed = new Set(before.map(({ key }) => key).filter((key) => !open.has(key)));
  const deletions = [...closed].map((key) => ({ key, value: null, createTimeMs: lastWeekMs }));
  return { records: [...before, ...deletions, ...after], closed };

  function isBefore({ createTimeMs = 0 }: Arrival): boolean {
    return createTimeMs < lastWeekMs;
  }
}

/** What a table of the records has. */
export function lastOfEach({ records }: Arrivals): ReadonlyMap<string, Flight> {
  const last = new Map<string, Flight>();
  for (const { key, value } of records) {
    if (value === null) last.delete(key);
    else last.set(key, value);
  }
  return last;
}

/**
 * Offsets that must be left when all below `limit` is compacted.
 *
 * @param keepsDeletions  whether the time of the tombstones has not come yet
 */
export function offsetsLeft(
  { records }: Arrivals,
  { limit, keepsDeletions }: { readonly limit: number; readonly keepsDeletions: boolean },
): number[] {
  const last = new Map(records.slice(0, limit).map(({ key }, offset) => [key, offset]));
  return records.flatMap(({ key, value }, offset) => {
    if (offset >= limit) return [offset];
    return last.get(key) === offset && (value !== null || keepsDeletions) ? [offset] : [];
  });
}

function toArrival(record: FlightRecord): Arrival {
  const flight = flightOf(record);
  return { key: flight.destination, value: flight, createTimeMs: record.createTimeMs };
}
