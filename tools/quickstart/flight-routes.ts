/** The exchanges of the quickstart: what each flight is published with, and which queue is to get it. */
import type { BindingInput, PublishInput } from '../../src/index.ts';
import { flightOf, type Flight, type FlightRecord } from './flights.ts';
import { LATE_MINUTES } from './late-flights.ts';

/** A topic exchange. */
export const FLIGHTS = 'flights';
/** A headers exchange, to which that one sends every flight. */
export const DELAYS = 'delays';
/** Miles from which on a flight is a long one. */
const LONG_MILES = 1000;

export interface RoutedFlight extends Flight {
  /** From 0, in the order of the file. */
  readonly number: number;
}

export interface FlightRoute {
  readonly queue: string;
  readonly exchange: string;
  readonly binding: BindingInput;
  /** The same in plain words of the file: nothing of exchanges. */
  readonly isWanted: (flight: Flight) => boolean;
}

/** Bound before anything is published. */
export const ROUTES: readonly FlightRoute[] = [
  {
    queue: 'every-flight',
    exchange: FLIGHTS,
    binding: { pattern: 'flight.#' },
    isWanted: () => true,
  },
  {
    queue: 'from-ORD',
    exchange: FLIGHTS,
    binding: { pattern: 'flight.ORD.*' },
    isWanted: ({ origin }) => origin === 'ORD',
  },
  {
    queue: 'to-LAX',
    exchange: FLIGHTS,
    binding: { pattern: 'flight.*.LAX' },
    isWanted: ({ destination }) => destination === 'LAX',
  },
  {
    queue: 'late-and-long',
    exchange: DELAYS,
    binding: { headers: { 'x-match': 'all', delay: 'late', haul: 'long' } },
    isWanted: ({ delay, distance }) => delay > LATE_MINUTES && distance > LONG_MILES,
  },
];

/** Bound while flights are published, and given those that were before. */
export const LATER_ROUTE: FlightRoute = {
  queue: 'to-DFW',
  exchange: FLIGHTS,
  binding: { pattern: 'flight.*.DFW' },
  isWanted: ({ destination }) => destination === 'DFW',
};

export function routedFlights(records: readonly FlightRecord[]): RoutedFlight[] {
  return records.map((record, number) => ({ number, ...flightOf(record) }));
}

/** How a flight is published. */
export function publishInput(flight: RoutedFlight): PublishInput<RoutedFlight> {
  const { origin, destination, delay, distance } = flight;
  const headers = {
    delay: delay > LATE_MINUTES ? 'late' : 'on-time',
    haul: distance > LONG_MILES ? 'long' : 'short',
  };
  return { routingKey: `flight.${origin}.${destination}`, key: origin, value: flight, headers };
}
