/** What a store that was just opened holds, and what its files must be: A5, A12, A13, A16. */
import { basename, join } from 'node:path';

import { OffsetOutOfRangeError } from '../../../../src/core/errors.ts';
import {
  CHECKPOINT_FILE,
  JOURNAL_DIRECTORY,
  LOCK_FILE,
  RESERVE_FILE,
  TEMPORARY_SUFFIX,
  TOPICS_DIRECTORY,
} from '../../../../src/format/file-names.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { Store } from '../../../../src/store/store.ts';
import { referenceLogEnd } from '../../reference/log-end.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import {
  checkIndexBatches,
  checkLoadedIndexes,
  checkNoLeftovers,
  differenceOf,
  quietly,
} from '../disk-checks.ts';
import { filesUnder } from '../disk-reader.ts';
import { readLog, type FoundLog } from '../found-log.ts';
import { chance } from '../plan.ts';
import { recordIdOf } from '../records.ts';
import type { CommitPart } from './commit-oracle.ts';
import { hashOfEntries } from './journal-hash.ts';
import { isSideTopic } from './queues/queue-topics.ts';
import { readSideTopics, type SideRecords } from './queues/side-topics.ts';
import { GROUP, markIdOf, openPartitions, type OpenTopic } from './store-session.ts';
import {
  knownOptions,
  showMap,
  type KnownTopic,
  type Positions,
  type StoreWorld,
} from './store-world.ts';

export interface FoundPartition {
  readonly topic: string;
  readonly partition: number;
  readonly path: string;
  readonly log: Log<Uint8Array>;
  readonly found: FoundLog;
  /** Where its data ended before it was opened, as anyone can see who reads the files. */
  readonly expectedEnd: number;
  readonly problem: string | null;
  readonly isReadOnly: boolean;
}

export interface FoundStore {
  readonly store: Store;
  readonly open: Map<string, OpenTopic>;
  readonly topics: Map<string, KnownTopic>;
  readonly positions: Map<string, Positions>;
  readonly partitions: FoundPartition[];
  /** What commits left in the state. */
  readonly marks: readonly CommitPart[];
  /** Partitions that only the engine, and transactions, write to. */
  readonly sidePartitions: FoundPartition[];
  side: SideRecords;
  readonly groups: Map<string, 'running' | 'paused'>;
}

/** Opens everything in a store; closes it when that fails. */
export async function lookAt(store: Store, files: StoreWorld['fileSystem']): Promise<FoundStore> {
  const found: FoundStore = {
    store,
    open: new Map(),
    topics: new Map(),
    positions: new Map(),
    partitions: [],
    marks: marksIn(store),
    sidePartitions: [],
    side: { letters: [], moved: [], results: [] },
    groups: new Map(),
  };
  try {
    for (const { name, partitionCount, options } of store.topics()) {
      const partitions = isSideTopic(name) ? found.sidePartitions : found.partitions;
      const handle = await store.topic(name, { create: false });
      const topic: OpenTopic = { name, handle, logs: [], member: null };
      for (let at = 0; at < partitionCount; at++) {
        partitions.push(await lookAtPartition(topic, at, files));
      }
      if (isSideTopic(name)) continue;
      found.topics.set(name, { partitionCount, ...knownOptions(options) });
      await openPartitions(topic);
      found.open.set(name, topic);
      found.positions.set(name, await positionsIn(store, topic));
    }
    found.side = await readSideTopics(store);
    for (const { topic, name } of store.shareGroups()) {
      if (isSideTopic(topic)) continue;
      const handle = await store.topic(topic, { create: false });
      const { stats } = await handle.describeShareGroup(name);
      found.groups.set(`${topic}/${name}`, stats.isPaused ? 'paused' : 'running');
    }
    return found;
  } catch (error) {
    await store.close().catch(() => undefined); // The first failure is the one to hear of.
    throw error;
  }
}

async function lookAtPartition(
  { name, handle }: OpenTopic,
  partition: number,
  files: StoreWorld['fileSystem'],
): Promise<FoundPartition> {
  const place = handle.partitions.at(partition);
  const { path } = place;
  const expectedEnd = referenceLogEnd(filesUnder(files, path), path);
  const log = await place.log();
  const { damage, gaps } = log.recovery;
  const problem = damage === null && gaps.length === 0 ? null : JSON.stringify(log.recovery);
  const found = await readBesideRetention(log);
  const isReadOnly = log.readOnly;
  return { topic: name, partition, path, log, found, expectedEnd, problem, isReadOnly };
}

/** A reserve that was made again may have its first name back, too, after a power cut. */
const CHANGING = [LOCK_FILE, CHECKPOINT_FILE, RESERVE_FILE + TEMPORARY_SUFFIX];

/** What is there when retention, in the background, has not taken its beginning meanwhile. */
async function readBesideRetention(log: Log<Uint8Array>): Promise<FoundLog> {
  for (;;) {
    try {
      return await readLog(log);
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
    }
  }
}

function marksIn(store: Store): readonly CommitPart[] {
  return store.groups().flatMap(({ topic, name }) => {
    const id = markIdOf(name);
    return id === null ? [] : [{ place: topic, id }];
  });
}

async function positionsIn(store: Store, { name, handle }: OpenTopic): Promise<Positions> {
  if (!store.groups().some((one) => one.topic === name && one.name === GROUP)) return new Map();
  const { partitions } = await handle.describeGroup(GROUP);
  const known = partitions.filter(({ committedOffset }) => committedOffset !== null);
  return new Map(known.map((at) => [at.partition, `${at.committedOffset} ${at.metadata}`]));
}

/** A12 and A16 for every log. */
export async function checkFiles(world: StoreWorld, found: FoundStore): Promise<void> {
  const { seed, fileSystem, injector, tally, random } = world;
  const oracle = { fault: world.fault };
  const all = [...found.partitions, ...found.sidePartitions];
  const paths = [join(STORE_PATH, JOURNAL_DIRECTORY), ...all.map(({ path }) => path)];
  for (const path of paths) {
    const disk = { seed, fileSystem, injector, tally, oracle, plan: { path } };
    checkNoLeftovers(disk);
    checkIndexBatches(disk);
    if (chance(random, 0.2)) await checkLoadedIndexes(disk);
  }
}

/** A13: killed or cut off right after, and opened again, nothing changes any more. */
export async function checkSecondOpening(world: StoreWorld, first: FoundStore): Promise<void> {
  const isPowerCut = chance(world.random, 0.5);
  const before = filesUnder(world.fileSystem, STORE_PATH);
  const next = quietly(world.seed);
  const image = isPowerCut
    ? world.fileSystem.crashImage({ data: 'none', names: 'none' }, next)
    : world.fileSystem.killImage({ inFlight: 'none' }, next);
  const second = await lookAt(await world.openCopy(image), image);
  const after = filesUnder(image, STORE_PATH);
  // What the journal gave back need not be synced: then it is given back once more, as of an epoch
  // of its own. The records are the same, see below.
  const all = [...first.partitions, ...first.sidePartitions];
  const placed = all.filter(({ found, expectedEnd }) => found.endOffset > expectedEnd);
  for (const file of new Set([...before.keys(), ...after.keys()])) {
    if (CHANGING.includes(basename(file))) continue;
    // What a creation left that nobody was told of: nothing needs it, and it may go.
    const isOfTopic = file.startsWith(join(STORE_PATH, TOPICS_DIRECTORY));
    if (isOfTopic && !all.some(({ path }) => file.startsWith(`${path}/`))) continue;
    if (placed.some(({ path }) => file.startsWith(`${path}/`))) continue;
    const problem = differenceOf(before.get(file), after.get(file));
    if (problem !== null) world.fault('A13', `${file} ${problem} after a second opening`);
  }
  const shown = ({ topics, positions, partitions, sidePartitions, groups }: FoundStore) =>
    [
      showMap(groups),
      showMap(topics),
      ...[...positions].map(([name, state]) => `${name} ${showMap(state)}`),
      ...[...partitions, ...sidePartitions].map(
        ({ path, found }) => `${path} ${showRecords(found)}`,
      ),
    ].join();
  checkHash(world, second.store, first.store.stateHash(), 'after a second opening');
  if (shown(first) !== shown(second)) {
    world.fault('A13', `${shown(second)} the second time, ${shown(first)} the first`);
  }
  // It takes as long as all the rest.
  const entries = world.seed % 2 === 0 ? await hashOfEntries(image) : null;
  if (entries !== null) checkHash(world, second.store, entries, 'to the entries alone');
  await second.store.close();
  world.tally.add('secondOpenings');
}

function showRecords({ records }: FoundLog): string {
  const shown = records.map((one) => `#${recordIdOf(one)} at ${one.offset}, ${one.appendTimeMs}`);
  return shown.join('; ');
}

/** The state is `expected`: complains when it is another. */
export function checkHash(
  { fault, tally }: StoreWorld,
  store: Store,
  expected: string,
  when: string,
): void {
  const found = store.stateHash();
  if (found !== expected) fault('hash', `the state is ${found}, ${when} ${expected}`);
  tally.add('hashes');
}
