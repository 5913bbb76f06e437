/**
 * The third part of the quickstart: the flights that came in late, in a queue with 8 workers. Their
 * handler throws sometimes, and one flight kills the process; what is given up is looked at and, with
 * the handler mended, driven back. At the end every counter is what the input says.
 */
import { openStore, type BrowsedRecord, type Queue, type Store } from '../../src/index.ts';
import { DEATH_HEADERS } from '../../src/format/header-names.ts';
import { SUSPECT_CRASHES } from '../../src/queue/ready-kind.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatDuration, formatPlural } from '../units.ts';
import { readFlights } from './flights.ts';
import {
  DEAD_LETTERS,
  deadLetterQueue,
  deadliest,
  FAILURES_MAX,
  isHopeless,
  LATE_MINUTES,
  lateFlights,
  lateQueue,
  QUEUE,
  WORKER_COUNT,
  type LateFlight,
} from './late-flights.ts';
import { say } from './output.ts';
import { runWorkers, type WorkersOutcome } from './processes.ts';

/** A flight that kills the process is given up after so many times. */
const KILLS_EXPECTED = FAILURES_MAX + SUSPECT_CRASHES;
/** What a worker has handled before it waits for acknowledgements: so much of it may come again. */
const AHEAD_PER_WORKER = 16;

export interface QueueStageOptions {
  /** The store that the stage before has left. */
  readonly directory: string;
  readonly flightCount: number;
  /** The process that one flight kills. */
  readonly workersScript: string;
}

/** What the input says of the queue. */
interface Expected {
  readonly flights: readonly LateFlight[];
  readonly deadly: LateFlight;
  /** Numbers of those that are handled, at the latest when they come back. */
  readonly handled: ReadonlySet<number>;
  /** Numbers of those that fail too often. */
  readonly hopeless: ReadonlySet<number>;
}

interface DeadLetter {
  /** Of the flight. */
  readonly number: number;
  readonly reason: string;
  readonly attempts: number;
  readonly lastError: string;
}

type LateQueue = Queue<LateFlight>;

/** @returns whether every check held */
export async function runQueueStage(options: QueueStageOptions): Promise<boolean> {
  const { directory, workersScript: script } = options;
  const flights = lateFlights(readFlights(options.flightCount));
  const deadly = deadliest(flights);
  if (deadly === undefined) {
    say(`\nno flight is more than ${LATE_MINUTES} minutes late: no work for a queue`);
    return true;
  }
  const expected = expectationsOf(flights, deadly);
  const workers = { script, directory, deadlyNumber: deadly.number, livesMax: 2 * KILLS_EXPECTED };
  await withStore(directory, (store) => send(store, expected));
  const killed = await runWorkers({ ...workers, isMended: false });
  const isHandled = checkHandled(killed, expected);
  const isBuried = await withStore(directory, (store) => lookAtDead(store, expected));
  const isRedriven = await withStore(directory, (store) => redrive(store, expected));
  const mended = await runWorkers({ ...workers, isMended: true });
  const isMended = checkMended(mended, expected);
  const isExact = await withStore(directory, (store) => checkCounters(store, expected));
  return isHandled && isBuried && isRedriven && isMended && isExact;
}

async function withStore<R>(directory: string, use: (store: Store) => Promise<R>): Promise<R> {
  const store = await openStore(directory);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function expectationsOf(flights: readonly LateFlight[], deadly: LateFlight): Expected {
  const others = flights.filter((flight) => flight !== deadly);
  return {
    flights,
    deadly,
    handled: numbersOf(others.filter((flight) => !isHopeless(flight))),
    hopeless: numbersOf(others.filter(isHopeless)),
  };
}

function numbersOf(some: readonly { readonly number: number }[]): ReadonlySet<number> {
  return new Set(some.map(({ number }) => number));
}

async function send(store: Store, { flights, deadly }: Expected): Promise<void> {
  const queue = await lateQueue(store);
  const startMs = performance.now();
  await queue.sendBatch(flights.map((flight) => ({ key: flight.origin, value: flight })));
  const duration = formatDuration(performance.now() - startMs);
  const { delay, origin, destination } = deadly;
  const count = formatPlural(flights.length, 'flight');
  say(`\n${count} more than ${LATE_MINUTES} minutes late sent to queue ${QUEUE} in ${duration}`);
  say(
    `${WORKER_COUNT} workers in a process of their own; their handler throws now and then, and the`,
  );
  say(`flight from ${origin} to ${destination}, ${delay} minutes late, kills the process ...`);
}

function checkHandled(outcome: WorkersOutcome, { handled }: Expected): boolean {
  const { killedCount, ledger, durationMs } = outcome;
  const again = ledger.handledCount - ledger.handled.size;
  const lostCount = missingFrom(ledger.handled, handled);
  say(
    `killed ${formatPlural(killedCount, 'time')}, done after ${formatDuration(durationMs)}: ` +
      `threw ${formatPlural(ledger.threwCount, 'time')}, handled ${formatCount(ledger.handled.size)}, ` +
      `again after a kill ${formatCount(again)}, lost ${formatCount(lostCount)}`,
  );
  say(`handled by each worker: ${ledger.byWorker.map(formatCount).join(' + ')}`);
  const isSame = lostCount === 0 && ledger.handled.size === handled.size;
  const againMax = killedCount * WORKER_COUNT * AHEAD_PER_WORKER;
  return isSame && again <= againMax && killedCount === KILLS_EXPECTED;
}

/** How many of `expected` are not there. */
function missingFrom(there: ReadonlySet<number>, expected: ReadonlySet<number>): number {
  return [...expected].filter((number) => !there.has(number)).length;
}

async function lookAtDead(store: Store, { deadly, hopeless }: Expected): Promise<boolean> {
  const letters: DeadLetter[] = [];
  for await (const found of (await deadLetterQueue(store)).browse()) letters.push(letterOf(found));
  say(`\ndead letters in ${DEAD_LETTERS}, one commit each with their end in ${QUEUE}:`);
  const failed = letters.filter(({ reason }) => reason === 'failures');
  const crashed = letters.filter(({ reason }) => reason === 'crash');
  const rows = [letterRow('failures', failed), letterRow('crash', crashed)];
  say(formatTable(LETTER_COLUMNS, rows).trimEnd());
  const areAll = letters.length === hopeless.size + 1;
  const areThose = missingFrom(numbersOf(failed), hopeless) === 0;
  return areAll && areThose && numbersOf(crashed).has(deadly.number);
}

const LETTER_COLUMNS = [
  { title: 'reason' },
  { title: 'flights', align: 'right' },
  { title: 'attempts, at most', align: 'right' },
  { title: 'last error' },
] as const;

function letterRow(reason: string, letters: readonly DeadLetter[]): string[] {
  const attemptsMax = Math.max(0, ...letters.map(({ attempts }) => attempts));
  const lastError = letters.at(-1)?.lastError ?? '';
  return [reason, formatCount(letters.length), formatCount(attemptsMax), lastError];
}

function letterOf({ record }: BrowsedRecord<LateFlight>): DeadLetter {
  const header = (name: string) => Buffer.from(record.headers.get(name) ?? []).toString('utf8');
  return {
    number: record.value?.number ?? -1,
    reason: header(DEATH_HEADERS.reason),
    attempts: Number(header(DEATH_HEADERS.attempts)),
    lastError: header(DEATH_HEADERS.lastError),
  };
}

/** What failed goes back, what kills does not. */
async function redrive(store: Store, { deadly, hopeless }: Expected): Promise<boolean> {
  await lateQueue(store);
  const letters = await deadLetterQueue(store);
  const filter = ({ record }: BrowsedRecord<LateFlight>) => record.value?.number !== deadly.number;
  const planned = await letters.redrive({ filter });
  say(
    `\nredrive, as a dry run: ${formatCount(planned.movedCount)} would go back, ` +
      `${formatCount(planned.skippedCount)} would stay`,
  );
  const { movedCount, destinations } = await letters.redrive({ filter, dryRun: false });
  const where = destinations.map(({ topic, count }) => `${formatCount(count)} to ${topic}`);
  say(`redriven: ${where.join(', ') || 'none'}; the handler is mended, the workers go on ...`);
  return planned.movedCount === hopeless.size && movedCount === hopeless.size;
}

function checkMended({ killedCount, ledger, durationMs }: WorkersOutcome, expected: Expected) {
  const { hopeless } = expected;
  const handled = formatCount(ledger.handledCount);
  say(`handled ${handled} of ${formatCount(hopeless.size)} in ${formatDuration(durationMs)}`);
  const isEach = missingFrom(ledger.handled, hopeless) === 0;
  return isEach && ledger.handledCount === hopeless.size && killedCount === 0;
}

/** The queue's counters beside what the input says. */
async function checkCounters(store: Store, { flights, hopeless }: Expected): Promise<boolean> {
  const { settled, unsettledCount } = await (await lateQueue(store)).stats();
  const dead = await countersOf(await deadLetterQueue(store));
  const { acked, failures, crash, ...others } = settled;
  const other = Object.values(others).reduce((sum, count) => sum + count, unsettledCount);
  const sent = flights.length;
  const rows: readonly (readonly [name: string, is: number, shallBe: number])[] = [
    ['acknowledged', acked, sent - 1],
    ['dead, of failures', failures, hopeless.size],
    ['dead, of crashes', crash, 1],
    ['anything else', other, 0],
    ['sent and redriven', acked + failures + crash + other, sent + hopeless.size],
    [`redriven from ${DEAD_LETTERS}`, dead.redriven, hopeless.size],
    [`left in ${DEAD_LETTERS}`, dead.left, 1],
  ];
  const lines = rows.map(([name, is, shallBe]) => [name, formatCount(is), formatCount(shallBe)]);
  say(`\n${formatTable(COUNTER_COLUMNS, lines).trimEnd()}`);
  const wrong = rows.filter(([, is, shallBe]) => is !== shallBe);
  say(
    wrong.length === 0
      ? `${formatCount(sent)} flights in, ${formatCount(acked)} handled + ${dead.left} dead: exact`
      : `NOT exact: ${wrong.map(([name]) => name).join(', ')}`,
  );
  return wrong.length === 0;
}

const COUNTER_COLUMNS = [
  { title: `queue ${QUEUE}` },
  { title: 'counted', align: 'right' },
  { title: 'as the file has it', align: 'right' },
] as const;

async function countersOf(queue: LateQueue): Promise<{ redriven: number; left: number }> {
  const { settled, unsettledCount } = await queue.stats();
  return { redriven: settled.redriven, left: unsettledCount };
}
