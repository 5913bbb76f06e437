/**
 * The last part of the quickstart: a topic that is compacted by key, the last flight to each airport. The
 * process that compacts it is killed in the middle, and the next one goes on; airports that are no longer flown
 * to are deleted. At the end the topic has the records that a plain walk through the file leaves, and its table
 * is the Map of the file.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { TOPICS_DIRECTORY } from '../../src/format/file-names.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { json, openStore, type Store, type Topic } from '../../src/index.ts';
import { formatTable } from '../table.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from '../units.ts';
import { readFlights, type Flight } from './flights.ts';
import { arrivals, lastOfEach, offsetsLeft, TABLE, type Arrivals } from './last-flights.ts';
import { say } from './output.ts';
import { COMPACTOR_AHEAD, runCompactor } from './processes.ts';

/** Small, so that there is a middle to be killed in. */
const SEGMENT_BYTES_MAX = 64 * 1024;
const APPEND_MAX = 100;

export interface TableStageOptions {
  readonly seed: number;
  /** The store that the stage before has left. */
  readonly directory: string;
  readonly flightCount: number;
  /** The process that is killed while it compacts. */
  readonly compactorScript: string;
}

/** Bytes of each segment file, by its name. */
type Sizes = ReadonlyMap<string, number>;

/** The segments before, when the process was killed, and when the next one was done. */
interface Killed {
  readonly before: Sizes;
  readonly after: Sizes;
}

type FlightTopic = Topic<Flight>;

/** @returns whether every check held */
export async function runTableStage(options: TableStageOptions): Promise<boolean> {
  const { directory, flightCount } = options;
  const input = arrivals(readFlights(flightCount));
  await withStore(directory, (store) => fill(store, input));
  const before = segmentSizes(directory);
  const killAtMax = before.size - 1 - COMPACTOR_AHEAD - 1;
  if (killAtMax < 1) {
    say(`${formatPlural(before.size, 'segment')}: too few to be killed in the middle`);
    return true;
  }
  const killed = { before, after: await killOne(options, before, killAtMax) };
  return withStore(directory, async (store) => {
    const topic = await store.topic(TABLE, { codec: json<Flight>(), create: false });
    const isDone = await goOn(topic, { input, directory, killed });
    const areGone = await dropDeletions(topic, input);
    const after = segmentSizes(directory);
    say(`\n${sizeTable([before, killed.after, after])}`);
    const isSmaller = bytesOf(after) < bytesOf(before);
    return (await compareTable(topic, input)) && isDone && areGone && isSmaller;
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

/** Everything first, as it was in the days before anybody thought of compaction. */
async function fill(store: Store, { records, closed }: Arrivals): Promise<void> {
  say(`\ntopic ${TABLE} has each flight by its destination; airports that have none in the last`);
  say('week are deleted before that (value: null)');
  const codec = json<Flight>();
  const topic = await store.topic(TABLE, { codec, segmentBytesMax: SEGMENT_BYTES_MAX });
  const startMs = performance.now();
  for (let first = 0; first < records.length; first += APPEND_MAX) {
    await topic.appendBatch(records.slice(first, first + APPEND_MAX));
  }
  const duration = formatDuration(performance.now() - startMs);
  const flights = formatPlural(records.length - closed.size, 'flight');
  say(`${flights} and ${formatPlural(closed.size, 'deletion')} appended in ${duration}`);
  // Of itself a tombstone stays a day, for those who read slowly. Here nobody does.
  await store.alterTopic(TABLE, { compaction: 'key', tombstoneRetentionMs: 0 });
}

/** Compacts in a process that is killed. @returns what that left */
async function killOne(
  { seed, directory, compactorScript: script }: TableStageOptions,
  before: Sizes,
  killAtMax: number,
): Promise<Sizes> {
  const killAt = 1 + randomBelow(new SeededRandom(seed), killAtMax);
  say(`\ncompaction: 'key', in a process of its own: ${formatPlural(before.size, 'segment')}`);
  say(`kill -9 after ${formatPlural(killAt, 'segment')} ...`);
  const { doneCount, durationMs } = await runCompactor({ script, directory, killAt });
  const after = segmentSizes(directory);
  const done = formatCount(changedNames(before, after).length);
  say(`killed after ${formatDuration(durationMs)}: said ${formatCount(doneCount)}, done ${done}`);
  return after;
}

interface GoingOn {
  readonly input: Arrivals;
  readonly directory: string;
  readonly killed: Killed;
}

/** Ends what the killed one began. @returns whether it did not begin anew, and left what it should */
async function goOn(topic: FlightTopic, { input, directory, killed }: GoingOn): Promise<boolean> {
  const { before, after } = killed;
  const [result] = await topic.compact();
  if (result === undefined) throw new Error(`${TABLE} has no partition`);
  const doneNames = changedNames(before, after);
  const ownNames = changedNames(after, segmentSizes(directory));
  const anewCount = ownNames.filter((name) => doneNames.includes(name)).length;
  const { limitOffset: limit, segmentCount, rewrittenSegmentCount, durationMs } = result;
  say(
    `the next one went on: ${formatCount(rewrittenSegmentCount)} of ` +
      `${formatPlural(segmentCount, 'segment')} in ${formatDuration(durationMs)}, ` +
      `again ${formatCount(anewCount)}`,
  );
  const isOnce = doneNames.length + rewrittenSegmentCount === segmentCount;
  const isMiddle = doneNames.length > 0 && rewrittenSegmentCount > 0;
  const isRight = await checkLeft(topic, offsetsLeft(input, { limit, keepsDeletions: true }));
  return isOnce && isMiddle && anewCount === 0 && segmentCount === before.size - 1 && isRight;
}

/** Nothing older of their keys is left by now, and their time is none. */
async function dropDeletions(topic: FlightTopic, input: Arrivals): Promise<boolean> {
  const [result] = await topic.compact();
  if (result === undefined) throw new Error(`${TABLE} has no partition`);
  const { droppedTombstoneCount, limitOffset: limit } = result;
  const wanted = input.records.slice(0, limit).filter(({ value }) => value === null).length;
  const dropped = formatCount(droppedTombstoneCount);
  say(`once more, for the deletions: ${dropped} of ${formatCount(input.closed.size)} went`);
  const isRight = await checkLeft(topic, offsetsLeft(input, { limit, keepsDeletions: false }));
  return droppedTombstoneCount === wanted && isRight;
}

/** @returns whether the records of the topic are those at `offsets` */
async function checkLeft(topic: FlightTopic, offsets: readonly number[]): Promise<boolean> {
  const found: number[] = [];
  for await (const { offset } of topic.records()) found.push(offset);
  const isRight = isDeepStrictEqual(found, offsets);
  const left = formatPlural(found.length, 'record');
  say(`${left} left, ${isRight ? 'each' : 'NOT each'} where it was, as the file has it`);
  return isRight;
}

/** @returns whether the table is the Map of the file */
async function compareTable(topic: FlightTopic, input: Arrivals): Promise<boolean> {
  const wanted = lastOfEach(input);
  const startMs = performance.now();
  const table = await topic.table();
  const duration = formatDuration(performance.now() - startMs);
  const found = new Map<string, Flight | null>();
  for await (const { key, value } of table.entries()) {
    found.set(Buffer.from(key ?? []).toString('utf8'), value);
  }
  await table.close();
  const rightCount = [...wanted].filter(([key, flight]) =>
    isDeepStrictEqual(found.get(key), flight),
  ).length;
  const deletedCount = [...input.closed].filter((key) => !found.has(key)).length;
  const isExact = rightCount === wanted.size && found.size === wanted.size;
  const areGone = deletedCount === input.closed.size;
  say(
    `read as a table in ${duration}: ${formatPlural(found.size, 'airport')}, ` +
      `right ${formatCount(rightCount)} of ${formatCount(wanted.size)}, ` +
      `deleted ${formatCount(deletedCount)}: ${isExact && areGone ? 'exact' : 'NOT exact'}`,
  );
  return isExact && areGone;
}

function segmentSizes(directory: string): Sizes {
  const topics = join(directory, TOPICS_DIRECTORY);
  const own = readdirSync(topics).find((name) => name.startsWith(`${TABLE}-`)); // And a hash.
  if (own === undefined) throw new Error(`${topics} has no directory of ${TABLE}`);
  const path = join(topics, own, '0');
  const names = readdirSync(path).filter((name) => name.endsWith('.log'));
  return new Map(names.map((name) => [name, statSync(join(path, name)).size]));
}

function changedNames(before: Sizes, after: Sizes): string[] {
  return [...before.keys()].filter((name) => before.get(name) !== after.get(name));
}

function bytesOf(sizes: Sizes): number {
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

const SIZE_COLUMNS = [
  { title: `topic ${TABLE}` },
  { title: 'segments', align: 'right' },
  { title: 'bytes', align: 'right' },
] as const;

function sizeTable(all: readonly Sizes[]): string {
  const titles = ['before', 'killed', 'after'];
  const rows = all.map((sizes, at) => [
    titles[at] ?? '',
    formatCount(sizes.size),
    formatBytes(bytesOf(sizes)),
  ]);
  return formatTable(SIZE_COLUMNS, rows).trimEnd();
}
