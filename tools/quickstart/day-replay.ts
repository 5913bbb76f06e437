/** Replays one day of one airport out of the topic, by time, and compares it with the input. */
import type { Topic } from '../../src/index.ts';
import { flightOf, type Flight, type FlightRecord } from './flights.ts';

export interface Day {
  /** Airport of origin. */
  readonly airport: string;
  /** `2001-03-09` */
  readonly date: string;
}

export interface DayReplay {
  readonly flights: readonly Flight[];
  /** What was read for them: those of other airports in the same partition, too. */
  readonly recordCount: number;
  /** Offset of the first that was read; null = there was none. */
  readonly firstOffset: number | null;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** The airport and day with the most flights. */
export function busiestDay(records: readonly FlightRecord[]): Day {
  const counts = new Map<string, number>();
  let busiest = '';
  for (const record of records) {
    const day = `${record.key} ${dateOf(record)}`;
    const count = (counts.get(day) ?? 0) + 1;
    counts.set(day, count);
    if (count > (counts.get(busiest) ?? 0)) busiest = day;
  }
  const [airport = '', date = ''] = busiest.split(' ');
  return { airport, date };
}

/** Reads from the first record at or after the day's midnight to the last before the next. */
export async function replayDay(
  topic: Topic<Flight>,
  partition: number,
  { airport, date }: Day,
): Promise<DayReplay> {
  const timestamp = Date.parse(date);
  const flights: Flight[] = [];
  let recordCount = 0;
  let firstOffset: number | null = null;
  for await (const record of topic.records({ partitions: partition, from: { timestamp } })) {
    if (record.createTimeMs >= timestamp + DAY_MS) break;
    firstOffset ??= record.offset;
    recordCount += 1;
    if (record.key === airport && record.value !== null) flights.push(record.value);
  }
  return { flights, recordCount, firstOffset };
}

/** Whether a replay is what the input has of that day. */
export function isThatDay(
  replay: DayReplay,
  { airport, date }: Day,
  records: readonly FlightRecord[],
): boolean {
  const expected = records
    .filter((record) => record.key === airport && dateOf(record) === date)
    .map(flightOf);
  return JSON.stringify(replay.flights) === JSON.stringify(expected);
}

function dateOf({ createTimeMs }: FlightRecord): string {
  return new Date(createTimeMs).toISOString().slice(0, 10);
}
