/** The queue of the quickstart: flights that came in late, and what its handler makes of each. */
import { json, type Queue, type Store } from '../../src/index.ts';
import { flightOf, type Flight, type FlightRecord } from './flights.ts';

export const QUEUE = 'late';
export const DEAD_LETTERS = 'late.dead';
export const WORKER_COUNT = 8;
export const FAILURES_MAX = 3;
/** From so many minutes on a flight goes into the queue. */
export const LATE_MINUTES = 30;
/** From so many on the handler fails, until it is mended. */
const HOPELESS_MINUTES = 180;
/** It fails the first time for flights of so many miles and their multiples. */
const SHAKY_MILES = 5;

export interface LateFlight extends Flight {
  /** From 0, in the queue. */
  readonly number: number;
}

export function lateFlights(records: readonly FlightRecord[]): LateFlight[] {
  return records
    .map(flightOf)
    .filter(({ delay }) => delay > LATE_MINUTES)
    .map((flight, number) => ({ number, ...flight }));
}

/** The one with the longest delay: its handler ends with the process. */
export function deadliest(flights: readonly LateFlight[]): LateFlight | undefined {
  return flights.toSorted((one, two) => two.delay - one.delay)[0];
}

export function lateQueue(store: Store): Promise<Queue<LateFlight>> {
  const limits = { failuresMax: FAILURES_MAX, deadLetter: DEAD_LETTERS };
  return store.queue(QUEUE, { codec: json<LateFlight>(), ...limits });
}

export function deadLetterQueue(store: Store): Promise<Queue<LateFlight>> {
  return store.queue(DEAD_LETTERS, { codec: json<LateFlight>() });
}

export interface HandlerState {
  /** Of the record: attempts that failed before. */
  readonly failures: number;
  readonly isMended: boolean;
}

/** What the handler fails with; null = it does not. */
export function troubleWith(flight: LateFlight, state: HandlerState): string | null {
  if (isHopeless(flight) && !state.isMended) {
    return `more than ${HOPELESS_MINUTES} minutes late: nobody to ask`;
  }
  const isShaky = flight.distance % SHAKY_MILES === 0 && state.failures === 0;
  return isShaky ? 'no seat to be had, perhaps later' : null;
}

/** Whether the handler fails every time, as long as it is not mended. */
export function isHopeless({ delay }: LateFlight): boolean {
  return delay > HOPELESS_MINUTES;
}
