/**
 * The second half of the quickstart: the same flights in a store. Two consumer groups read a topic
 * of four partitions; a member of one is killed at its work and resumed; a day is replayed.
 */
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { json, openStore, type StoreOptions, type Topic } from '../../src/index.ts';
import { formatCount, formatDuration, formatPlural } from '../units.ts';
import { busiestDay, isThatDay, replayDay } from './day-replay.ts';
import { flightOf, readFlights, type Flight, type FlightRecord } from './flights.ts';
import {
  checkTotals,
  Member,
  NO_WATCHER,
  PARTITION_COUNT,
  partitions,
  TOPIC,
  totalsFrom,
  type GroupName,
} from './group-work.ts';
import { freshDirectory, say, shown } from './output.ts';
import { runReader, scriptPath, type ReaderOutcome } from './processes.ts';
import { checkResume, isPassed, type Positions, type ResumeCheck } from './reading-ledger.ts';

const READER = 'group-reader.js';
/** Calls of `appendBatch`; each brings a batch to each partition. */
const APPENDS = 40;

export interface StoreStageOptions {
  readonly seed: number;
  readonly flightCount: number;
  /** The process that is killed while it reads. */
  readonly readerScript: string;
}

/** Where the store is, and whether every check held. */
export interface StoreStageResult {
  readonly directory: string;
  readonly isPassed: boolean;
}

type FlightTopic = Topic<Flight>;

export async function runStoreStage(options: StoreStageOptions): Promise<StoreStageResult> {
  const records = readFlights(options.flightCount);
  const directory = freshDirectory(`store-${options.seed}`);
  say(`\nwriting to ${shown(directory)}, a store: ${PARTITION_COUNT} partitions, keyed by airport`);
  const endOffsets = await withTopic(directory, (topic) => append(topic, records));
  const isCounted = await withTopic(directory, (topic) => countDepartures(topic, records));
  const isResumed = await killAndResume({ ...options, directory }, endOffsets);
  const isSummed = await withTopic(directory, (topic) => check(topic, 'delays', records));
  const isReplayed = await withTopic(directory, (topic) => replay(topic, records));
  return { directory, isPassed: isCounted && isResumed && isSummed && isReplayed };
}

/** The topic in this process. The store is closed behind it, so that another process may open it. */
async function withTopic<R>(
  directory: string,
  use: (topic: FlightTopic) => Promise<R>,
  options: StoreOptions = {},
): Promise<R> {
  const store = await openStore(directory, options);
  try {
    const codec = json<Flight>();
    return await use(await store.topic(TOPIC, { codec, partitions: PARTITION_COUNT }));
  } finally {
    await store.close();
  }
}

/** Returns where each partition ends. */
async function append(topic: FlightTopic, records: readonly FlightRecord[]): Promise<Positions> {
  const startMs = performance.now();
  const ends = new Map(partitions().map((partition) => [partition, 0]));
  const step = Math.ceil(records.length / APPENDS);
  for (let first = 0; first < records.length; first += step) {
    const some = records.slice(first, first + step);
    const { placements } = await topic.appendBatch(
      some.map((record) => ({ ...record, value: flightOf(record) })),
    );
    for (const { partition, baseOffset, recordCount } of placements) {
      ends.set(partition, baseOffset + recordCount);
    }
  }
  const sizes = [...ends.values()].map(formatCount).join(' + ');
  const duration = formatDuration(performance.now() - startMs);
  say(`${formatPlural(records.length, 'flight')} appended in ${duration}: ${sizes}`);
  return ends;
}

/** The first group, in this process: nobody disturbs it. */
async function countDepartures(
  topic: FlightTopic,
  records: readonly FlightRecord[],
): Promise<boolean> {
  say('\ngroup departures counts the flights of each airport, undisturbed ...');
  const group = await topic.consumerGroup('departures');
  await new Member(group, 'departures', NO_WATCHER).readUpTo(records.length);
  await group.close();
  return check(topic, 'departures', records);
}

interface KillTask extends StoreStageOptions {
  readonly directory: string;
}

/** The second group, whose member is killed. */
async function killAndResume(task: KillTask, endOffsets: Positions): Promise<boolean> {
  const { directory, seed, flightCount, readerScript: script } = task;
  const random = new SeededRandom(seed);
  const killAt = Math.ceil(flightCount / 4) + randomBelow(random, Math.ceil(flightCount / 2));
  const group: GroupName = 'delays';
  const reader = { script, directory, group, flightCount };
  say('\ngroup delays adds up the minutes of each airport, in a process of its own');
  say(`kill -9 after ${formatPlural(killAt, 'flight')} ...`);
  const killed = await runReader({ ...reader, killAt });
  if (!killed.wasKilled) throw new Error('the reader had finished before it was killed');
  // Read-only: what the kill left is for the resumed process to recover.
  const look = { readOnly: true };
  const committed = await withTopic(directory, (topic) => positions(topic, group), look);
  say(killedLine(killed, committed));
  say('\nopening the store in a new process, reading on from the commits ...');
  const resumed = await runReader({ ...reader, killAt: null, script: scriptPath(READER) });
  const { ledger } = resumed;
  const found = checkResume({ killed: killed.ledger, resumed: ledger, committed, endOffsets });
  say(resumedLine(resumed, found));
  return isPassed(found);
}

async function positions(topic: FlightTopic, group: GroupName): Promise<Positions> {
  const description = await topic.describeGroup(group);
  const pairs = description.partitions.map(
    ({ partition, committedOffset }) => [partition, committedOffset ?? 0] as const,
  );
  return new Map(pairs);
}

function killedLine({ ledger, durationMs }: ReaderOutcome, committed: Positions): string {
  const committedCount = [...committed.values()].reduce((sum, offset) => sum + offset, 0);
  return (
    `killed after ${formatDuration(durationMs)}: read ${formatCount(ledger.readCount)}, ` +
    `committed ${formatCount(committedCount)}`
  );
}

function resumedLine({ ledger }: ReaderOutcome, found: ResumeCheck): string {
  const { commitsLost, pastCommit, beforeCommit, readAgain, lost } = found;
  return (
    `read ${formatCount(ledger.readCount)}: before a commit ${formatCount(beforeCommit)}, ` +
    `again ${formatCount(readAgain)} of the ${formatCount(pastCommit)} past it, ` +
    `lost ${formatCount(lost)}, commits lost ${formatCount(commitsLost)}`
  );
}

/** Compares what a group committed with what the input adds up to. */
async function check(
  topic: FlightTopic,
  name: GroupName,
  records: readonly FlightRecord[],
): Promise<boolean> {
  const { partitions: parts } = await topic.describeGroup(name);
  const lag = parts.reduce((sum, one) => sum + one.lag, 0);
  const metadata = parts.map((one) => one.metadata);
  const { sum, largest, airportCount, rightCount, isExact } = checkTotals(metadata, name, records);
  const some = largest.map(([airport, total]) => `${airport} ${formatCount(total)}`).join(', ');
  const airports = formatPlural(airportCount, 'airport');
  const right = `right for ${formatCount(rightCount)} of ${airports}`;
  say(`${name}: ${formatCount(sum)} (${some}, ...), ${right}, lag ${formatCount(lag)}`);
  return isExact && lag === 0;
}

async function replay(topic: FlightTopic, records: readonly FlightRecord[]): Promise<boolean> {
  const day = busiestDay(records);
  const { partitions: parts } = await topic.describeGroup('departures');
  const home = parts.find(({ metadata }) => totalsFrom(metadata).has(day.airport));
  if (home === undefined) throw new Error(`no partition has ${day.airport}`);
  say(`\nreplaying ${day.airport} on ${day.date}, from { timestamp: ${Date.parse(day.date)} } ...`);
  const result = await replayDay(topic, home.partition, day);
  const isRight = isThatDay(result, day, records);
  const offset = formatCount(result.firstOffset ?? 0);
  say(
    `${formatPlural(result.flights.length, 'flight')}, ${isRight ? 'all' : 'NOT all'} as appended, ` +
      `among ${formatPlural(result.recordCount, 'record')} from offset ${offset} of partition ${home.partition}`,
  );
  return isRight;
}
