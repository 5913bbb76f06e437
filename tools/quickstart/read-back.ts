/** Reads the finished log back: all of it, single records by offset, and from a time on. */
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { openLog } from '../../src/index.ts';
import type { Log, LogRecord } from '../../src/index.ts';
import { readFlights } from './flights.ts';
import type { FlightRecord } from './flights.ts';

export interface ReadBackResult {
  readonly recordCount: number;
  readonly segmentCount: number;
  readonly sizeBytes: number;
  readonly readMs: number;
  readonly randomReads: number;
  readonly randomReadMs: number;
  /** The time that was looked for, ISO 8601. */
  readonly time: string;
  readonly timeOffset: number;
}

const RANDOM_READS = 1000;

/** @throws Error when anything differs from the input */
export async function readBack(directory: string, flightCount: number): Promise<ReadBackResult> {
  const flights = readFlights(flightCount);
  const log = await openLog(directory, { readOnly: true });
  try {
    const readMs = await readAll(log, flights);
    const randomReadMs = await readSome(log, flights);
    const { segmentCount, sizeBytes } = log.stats();
    const recordCount = flights.length;
    const time = await findByTime(log, flights);
    const counts = { recordCount, segmentCount, sizeBytes };
    return { ...counts, readMs, randomReads: RANDOM_READS, randomReadMs, ...time };
  } finally {
    await log.close();
  }
}

async function readAll(log: Log<Uint8Array>, flights: readonly FlightRecord[]): Promise<number> {
  const startMs = performance.now();
  let nextOffset = 0;
  for await (const batch of log.batches()) {
    for (const record of batch) {
      check(record, flights, nextOffset);
      nextOffset += 1;
    }
  }
  if (nextOffset !== flights.length) throw new Error(`${nextOffset} of ${flights.length} records`);
  return performance.now() - startMs;
}

async function readSome(log: Log<Uint8Array>, flights: readonly FlightRecord[]): Promise<number> {
  const random = new SeededRandom(flights.length);
  const startMs = performance.now();
  for (let count = 0; count < RANDOM_READS; count++) {
    const offset = randomBelow(random, flights.length);
    check(await log.read(offset), flights, offset);
  }
  return performance.now() - startMs;
}

/** Looks for the first flight at or after the time of the one in the middle. */
async function findByTime(
  log: Log<Uint8Array>,
  flights: readonly FlightRecord[],
): Promise<{ time: string; timeOffset: number }> {
  const timestamp = flights[Math.floor(flights.length / 2)]?.createTimeMs ?? 0;
  const expected = flights.findIndex((flight) => flight.createTimeMs >= timestamp);
  const time = new Date(timestamp).toISOString();
  for await (const record of log.records({ from: { timestamp }, limit: 1 })) {
    check(record, flights, expected);
    return { time, timeOffset: record.offset };
  }
  throw new Error(`no record from ${time} on`);
}

function check(
  record: LogRecord<Uint8Array> | null,
  flights: readonly FlightRecord[],
  offset: number,
): void {
  const flight = flights[offset];
  const isSame =
    record !== null &&
    flight !== undefined &&
    record.offset === offset &&
    record.key === flight.key &&
    record.createTimeMs === flight.createTimeMs &&
    Buffer.compare(record.value ?? Buffer.alloc(0), flight.value) === 0;
  if (!isSame) throw new Error(`offset ${offset} is not the flight that was appended`);
}
