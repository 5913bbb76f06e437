/** Retention that skips and archives what groups need, and what must be true of every disk that it leaves. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { countText } from '../unfinished-bench.ts';

/** One in each segment; the last one always stays. */
const RECORDS = 5;
const LAST = RECORDS - 1;
/** Of the share group; the consumer group has passed one more. */
const ACKED = 1;
const HOUR_MS = 3_600_000;

const TOPICS = ['archived', 'skipped'] as const;
type Topic = (typeof TOPICS)[number];

const OPTIONS = { codec: utf8, segmentBytesMax: 4096, retentionMs: 1000 };

/** What is to be counted of a topic in the end. */
function finalCounts(topic: Topic): readonly string[] {
  const counts = [
    `consumer g age ${topic} ${LAST - ACKED - 1}`,
    `share s age ${topic} ${LAST - ACKED}`,
  ];
  return counts.toSorted();
}

/** `group offset` of each copy that there is in the end. */
const FINAL_COPIES = ['g 2', 'g 3', 's 1', 's 2', 's 3'];

/** An hour for each life. */
function openOn(fileSystem: FaultyFileSystem, life: number): Promise<Store> {
  const clock = new ManualClock(Date.UTC(2026, 0, 1) + life * HOUR_MS);
  const random = new SeededRandom(life);
  return openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
}

/** The store before the program: closed, everything on the disk. */
export async function prepareUnfinished(): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await openOn(fileSystem, 1);
  await store.topic('late');
  for (const name of TOPICS) {
    const policy =
      name === 'skipped'
        ? { unfinished: 'skip' as const }
        : { unfinished: 'archive' as const, archiveTo: 'late' };
    const topic = await store.topic(name, { ...OPTIONS, ...policy });
    for (let at = 0; at < RECORDS; at++) await topic.append({ value: 'x'.repeat(3000) });
    const positions = [{ partition: 0, offset: ACKED + 1 }];
    await topic.resetGroup('g', { positions }, { dryRun: false });
    const group = await topic.shareGroup('s');
    await group.ackAll(await group.acquire({ max: ACKED }));
    await group.close();
  }
  await store.close();
  return fileSystem;
}

/** @param opened  told when all is open: what follows is what retention does */
export async function runUnfinished(
  fileSystem: FaultyFileSystem,
  opened: () => void,
): Promise<void> {
  const store = await openOn(fileSystem, 2);
  for (const name of ['late', ...TOPICS]) await startOf(store, name);
  opened();
  await retainAll(store);
  await store.close();
}

async function retainAll(store: Store): Promise<void> {
  for (const name of TOPICS) {
    const { partitions } = await store.topic(name);
    await partitions.at(0).use((log) => log.retain());
    await store.archive.idle();
  }
}

/**
 * Opens what a crash left, looks, and has retention go on.
 *
 * @returns how far it had come
 * @throws AssertionError when it breaks the promise
 */
export async function checkUnfinished(fileSystem: FaultyFileSystem): Promise<string> {
  const store = await openOn(fileSystem, 3);
  const reached: string[] = [];
  for (const topic of TOPICS) reached.push(await checkLeft(store, topic));
  await retainAll(store);
  for (const topic of TOPICS) {
    deepStrictEqual(countsOf(store, topic), finalCounts(topic), `${topic} in the end`);
    deepStrictEqual(await startOf(store, topic), LAST);
  }
  deepStrictEqual(await copiesIn(store), FINAL_COPIES, 'copies in the end');
  await store.close();
  return reached.join(', ');
}

async function checkLeft(store: Store, topic: Topic): Promise<string> {
  const counts = countsOf(store, topic);
  const start = await startOf(store, topic);
  if (topic === 'skipped') {
    // In one entry, and in front of the start.
    if (counts.length > 0 || start > 0) deepStrictEqual(counts, finalCounts(topic));
  } else await checkCopies(store, start);
  if (start === LAST) return `${topic} gone`;
  return counts.length === 0 ? `${topic} there` : `${topic} counted`;
}

/** Each copy once, with a count, and its group is done with it; what went has one. */
async function checkCopies(store: Store, start: number): Promise<void> {
  const copies = await copiesIn(store);
  deepStrictEqual([...new Set(copies)], copies, 'each once');
  const countOf = (group: string) => copies.filter((copy) => copy.startsWith(group)).length;
  const wanted = [
    ...(countOf('g') > 0 ? [`consumer g age archived ${countOf('g')}`] : []),
    ...(countOf('s') > 0 ? [`share s age archived ${countOf('s')}`] : []),
  ];
  deepStrictEqual(countsOf(store, 'archived'), wanted, 'as many as are counted');
  const archived = await store.topic('archived');
  const { partitions } = await archived.describeGroup('g');
  deepStrictEqual(partitions[0]?.committedOffset, ACKED + 1 + countOf('g'));
  const left: number[] = [];
  for await (const { offset } of archived.browseShareGroup('s')) left.push(offset);
  const unsettled = FINAL_COPIES.filter((copy) => copy.startsWith('s') && !copies.includes(copy));
  const offsets = [...unsettled.map((copy) => Number(copy.slice(2))), LAST];
  deepStrictEqual(
    left,
    offsets.filter((offset) => offset >= start),
  );
  const gone = FINAL_COPIES.filter((copy) => Number(copy.slice(2)) < start);
  ok(
    gone.every((copy) => copies.includes(copy)),
    `below ${start} without a copy: ${gone.join()}`,
  );
}

function countsOf(store: Store, topic: string): readonly string[] {
  return store.describeTopic(topic).unfinishedCounts.map(countText).toSorted();
}

async function startOf(store: Store, name: string): Promise<number> {
  const { partitions } = await store.topic(name);
  return partitions.at(0).use((log) => Promise.resolve(log.startOffset));
}

async function copiesIn(store: Store): Promise<readonly string[]> {
  const copies: string[] = [];
  for await (const { headers } of (await store.topic('late')).records()) {
    const text = (name: string) => Buffer.from(headers.get(name) ?? []).toString();
    copies.push(`${text('varve-death-group')} ${text('varve-death-offset')}`);
  }
  return copies.toSorted();
}
