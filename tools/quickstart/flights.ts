/** The flights of the quickstart as records: what the writer appends and the checker expects. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../package-root.ts';

export interface Flight {
  /** Local time, `2001/01/01 00:47`. */
  readonly date: string;
  /** Minutes; negative: early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  /** Airports, as IATA codes. */
  readonly origin: string;
  readonly destination: string;
}

/** One flight as it is stored. */
export interface FlightRecord {
  /** Airport of origin. */
  readonly key: string;
  /** The flight as JSON. */
  readonly value: Uint8Array;
  /** When it flew. */
  readonly createTimeMs: number;
}

const HEADER = 'date,delay,distance,origin,destination';

/** The first `count` flights, in order of time; the same on every call. */
export function readFlights(count: number): FlightRecord[] {
  // From the package root: this file also runs from dist, and the data stays where it is.
  const path = join(packageRoot(), 'tools', 'quickstart', 'flights.csv.gz');
  const lines = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n');
  if (lines[0] !== HEADER) throw new Error(`${path}: expected the header ${HEADER}`);
  return lines.slice(1, count + 1).map(toRecord);
}

/** What the value of a record says. */
export function flightOf({ value }: Pick<FlightRecord, 'value'>): Flight {
  const flight: Flight = JSON.parse(Buffer.from(value).toString('utf8'));
  return flight;
}

function toRecord(line: string): FlightRecord {
  const [date = '', delay = '', distance = '', origin = '', destination = ''] = line.split(',');
  const flight = { date, delay: Number(delay), distance: Number(distance), origin, destination };
  return {
    key: origin,
    value: Buffer.from(JSON.stringify(flight)),
    createTimeMs: Date.parse(`${date.replaceAll('/', '-').replace(' ', 'T')}Z`),
  };
}
