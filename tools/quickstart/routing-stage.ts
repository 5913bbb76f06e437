/**
 * The fourth part of the quickstart: all flights, published to an exchange, which queues get them from. The
 * store is closed in the middle, whatever was copied by then, and a queue is bound while the other half is
 * published, with what was before. At the end each queue has what a plain filter of the input gives.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { json, openStore, type Exchange, type Queue, type Store } from '../../src/index.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatDuration, formatPlural } from '../units.ts';
import { checkDeliveries, isExact, type DeliveryCheck } from './delivery-check.ts';
import {
  DELAYS,
  FLIGHTS,
  LATER_ROUTE,
  publishInput,
  routedFlights,
  ROUTES,
  type FlightRoute,
  type RoutedFlight,
} from './flight-routes.ts';
import { readFlights } from './flights.ts';
import { say } from './output.ts';

/** Calls of `publishBatch`, in each half. */
const PUBLISHES = 20;
const ACQUIRE_MAX = 1000;
/** Whatever is not there by then will not come. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 10;

export interface RoutingStageOptions {
  /** The store that the stage before has left. */
  readonly directory: string;
  readonly flightCount: number;
}

/** What the results of publishing said, by the number of the flight: which queues get it. */
type Answers = (readonly string[])[];

type FlightExchange = Exchange<RoutedFlight>;

interface RouteResult {
  readonly route: FlightRoute;
  readonly delivered: number;
  readonly wanted: number;
  readonly check: DeliveryCheck;
  /** Flights of which the answer to `publish` was wrong. */
  readonly misnamed: number;
}

/** @returns whether every check held */
export async function runRoutingStage(options: RoutingStageOptions): Promise<boolean> {
  const { directory, flightCount } = options;
  const flights = routedFlights(readFlights(flightCount));
  const half = Math.floor(flights.length / 2);
  const answers: Answers = [];
  await withStore(directory, (store) => publishFirst(store, flights.slice(0, half), answers));
  return withStore(directory, async (store) => {
    await publishRest(store, flights.slice(half), answers);
    const results: RouteResult[] = [];
    for (const route of [...ROUTES, LATER_ROUTE]) {
      results.push(await empty(store, { route, flights, answers }));
    }
    const isSettled = await settle(store);
    const isEmpty = await lookForMore(store, results);
    return report(results, flights.length) && isSettled && isEmpty;
  });
}

async function withStore<R>(directory: string, use: (store: Store) => Promise<R>): Promise<R> {
  const store = await openStore(directory);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

async function publishFirst(
  store: Store,
  flights: readonly RoutedFlight[],
  answers: Answers,
): Promise<void> {
  say(`\nexchange ${FLIGHTS} takes all flights as flight.<origin>.<destination>; bound to it are`);
  say(`queues, and exchange ${DELAYS}, which sends on by headers`);
  const exchange = await store.exchange(FLIGHTS, { type: 'topic', codec: json<RoutedFlight>() });
  await store.exchange(DELAYS, { type: 'headers' });
  await exchange.bind({ exchange: DELAYS }, { pattern: 'flight.#' });
  for (const route of ROUTES) await bind(store, route);
  const startMs = performance.now();
  await publish(exchange, flights, answers);
  const duration = formatDuration(performance.now() - startMs);
  const count = formatPlural(flights.length, 'flight');
  say(`${count} published in ${duration}; closing the store, whatever is copied by now ...`);
}

async function publishRest(
  store: Store,
  flights: readonly RoutedFlight[],
  answers: Answers,
): Promise<void> {
  const exchange = await store.exchange(FLIGHTS, { codec: json<RoutedFlight>() });
  await queueOf(store, LATER_ROUTE);
  const startMs = performance.now();
  await Promise.all([publish(exchange, flights, answers), bind(store, LATER_ROUTE, 'earliest')]);
  const duration = formatDuration(performance.now() - startMs);
  const count = formatPlural(flights.length, 'flight');
  const past = formatCount(pastCount(answers));
  say(`opened again: ${count} more published in ${duration}, and meanwhile`);
  say(
    `queue ${LATER_ROUTE.queue} bound from earliest, so that it gets those before flight ${past}, too`,
  );
}

async function bind(store: Store, route: FlightRoute, from?: 'earliest'): Promise<void> {
  await queueOf(store, route);
  const exchange = await store.exchange(route.exchange, { create: false });
  await exchange.bind(route.queue, route.binding, { from });
}

function queueOf(store: Store, { queue }: FlightRoute): Promise<Queue<RoutedFlight>> {
  return store.queue(queue, { codec: json<RoutedFlight>() });
}

async function publish(
  exchange: FlightExchange,
  flights: readonly RoutedFlight[],
  answers: Answers,
): Promise<void> {
  const step = Math.max(1, Math.ceil(flights.length / PUBLISHES));
  for (let first = 0; first < flights.length; first += step) {
    const some = flights.slice(first, first + step);
    const { destinations } = await exchange.publishBatch(some.map(publishInput));
    answers.push(...destinations);
  }
}

/** Number of the first flight of which the answer named the queue that was bound later, or could have. */
function pastCount(answers: Answers): number {
  const first = answers.findIndex((names) => names.includes(LATER_ROUTE.queue));
  return first < 0 ? answers.length : first;
}

/** Waits until nothing is on its way any more. @returns whether it came to that */
async function settle(store: Store): Promise<boolean> {
  const exchange = await store.exchange(FLIGHTS, { create: false });
  const startMs = performance.now();
  while (performance.now() - startMs < PATIENCE_MS) {
    const { position, endOffset, destinations, backfills } = await exchange.stats();
    const isBehind = destinations.some((one) => one.position < endOffset);
    if (position === endOffset && backfills.length === 0 && !isBehind) return true;
    await pause(LOOK_MS);
  }
  say(`NOT done: exchange ${FLIGHTS} still sends`);
  return false;
}

/** When all that was wanted has come, there is no more. */
async function lookForMore(store: Store, results: readonly RouteResult[]): Promise<boolean> {
  let isEmpty = true;
  for (const { route, delivered } of results) {
    const { settled, unsettledCount } = await (await queueOf(store, route)).stats();
    if (unsettledCount === 0 && settled.acked === delivered) continue;
    say(`NOT empty: ${route.queue} has ${formatCount(unsettledCount)} more`);
    isEmpty = false;
  }
  return isEmpty;
}

interface RouteTask {
  readonly route: FlightRoute;
  readonly flights: readonly RoutedFlight[];
  readonly answers: Answers;
}

/** Empties a queue, and compares what was in it with the input. */
async function empty(store: Store, task: RouteTask): Promise<RouteResult> {
  const { route, flights, answers } = task;
  const queue = await queueOf(store, route);
  const wanted = flights.filter(route.isWanted).map(({ number }) => number);
  const delivered: number[] = [];
  for (;;) {
    const waitMs = delivered.length < wanted.length ? PATIENCE_MS : 0;
    const deliveries = await queue.acquire({ max: ACQUIRE_MAX, waitMs });
    if (deliveries.length === 0) break;
    delivered.push(...deliveries.map(({ value }) => value?.number ?? -1));
    await queue.ackAll(deliveries);
  }
  const pastBelow = route === LATER_ROUTE ? pastCount(answers) : 0;
  return {
    route,
    delivered: delivered.length,
    wanted: wanted.length,
    check: checkDeliveries({ delivered, wanted, pastBelow }),
    misnamed: misnamedCount(task, pastBelow),
  };
}

/** Flights of which the answer to `publish` names the queue and should not, or the other way round. */
function misnamedCount({ route, flights, answers }: RouteTask, pastBelow: number): number {
  return flights.filter((flight) => {
    const isNamed = answers[flight.number]?.includes(route.queue) ?? false;
    return isNamed !== (flight.number >= pastBelow && route.isWanted(flight));
  }).length;
}

const COLUMNS = [
  { title: 'queue' },
  { title: 'bound by' },
  { title: 'flights', align: 'right' },
  { title: 'as the file has it', align: 'right' },
  { title: 'missing', align: 'right' },
  { title: 'wrong', align: 'right' },
  { title: 'twice', align: 'right' },
  { title: 'out of order', align: 'right' },
] as const;

function report(results: readonly RouteResult[], flightCount: number): boolean {
  const rows = results.map(({ route, delivered, wanted, check }) => [
    route.queue,
    boundBy(route),
    ...[delivered, wanted, check.missing, check.wrong, check.again, check.outOfOrder].map(
      formatCount,
    ),
  ]);
  say(`\n${formatTable(COLUMNS, rows).trimEnd()}`);
  const wrong = results.filter(({ check, misnamed }) => !isExact(check) || misnamed > 0);
  const copyCount = results.reduce((sum, { delivered }) => sum + delivered, 0);
  const copies = `${formatCount(flightCount)} flights published, ${formatCount(copyCount)} copies`;
  const names = wrong.map(({ route }) => route.queue).join(', ');
  say(wrong.length === 0 ? `${copies} in ${results.length} queues: exact` : `NOT exact: ${names}`);
  return wrong.length === 0;
}

function boundBy({ binding: { pattern, headers } }: FlightRoute): string {
  const conditions = Object.entries(headers ?? {}).filter(([name]) => name !== 'x-match');
  return pattern ?? conditions.map(([name, value]) => `${name}=${String(value)}`).join(', ');
}
