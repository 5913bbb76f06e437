/** Steps of the program: groups and consumers come and go, records are sent and acquired. */
import { randomBelow } from '../../../../../src/core/random.ts';
import type { ShareGroup } from '../../../../../src/queue/share-group.ts';
import { appendTo, TOPIC_CONFIG } from '../store-appends.ts';
import { openPartitions, type OpenTopic } from '../store-session.ts';
import type { Topics } from '../store-world.ts';
import { chance, pick } from '../../plan.ts';
import { turns } from '../../../log-fixture.ts';
import { withGroup } from './queue-oracles.ts';
import {
  configOf,
  LETTERS_ID,
  LETTER_TOPIC,
  QUEUE_GROUP,
  QUEUE_ID,
  QUEUE_TOPIC,
  SHARE_GROUP,
} from './queue-topics.ts';
import type { GroupHandle, QueueSession } from './queue-session.ts';
import { advanceFar } from './queue-time.ts';
import type { Bounds } from './share-ledger.ts';

const HANDLES_MAX = 3;
const LEASE_MS_MIN = 100;
/** Times that records come for what is taken: with some luck, a segment and more. */
const FILLS = 4;
const TAKE_ROUNDS = 6;
const TAKE_MAX = 100;
/** How long those wait that are put off. */
const KEPT_MS = 600_000;
/** How often the store looks for settled segments, and how long before that they are settled here. */
const RETENTION_LOOK_MS = 30_000;
const TAKE_MS = 30;
/** In which settled segments are deleted, at most: one call of the file system takes one. */
const RETENTION_TURNS = 40;

/** A new consumer of some group, and the group when there is none. */
export async function openHandle(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const names = [...session.topics.keys()].map((name) => `${name}/${SHARE_GROUP}`);
  const hasLetters = session.store.queues().some(({ topic }) => topic === LETTER_TOPIC);
  const ids = [QUEUE_ID, QUEUE_ID, ...names, ...(hasLetters ? [LETTERS_ID] : [])];
  const id = pick(world.random, ids);
  if (queues.handles.filter(({ ledger }) => ledger.id === id).length >= HANDLES_MAX) return;
  if (id === LETTERS_ID) {
    await join(queues, id, session.store.queue(LETTER_TOPIC, { create: false }));
    return;
  }
  if (id === QUEUE_ID && queues.session.queueTopic === null) {
    await makeQueueTopic(queues);
    return;
  }
  const topic = queues.topicOf(id.slice(0, id.indexOf('/')));
  if (topic === undefined) return;
  if (oracles.ledgers.has(id)) await join(queues, id, openGroup(queues, topic, {}));
  else await makeGroup(queues, id, topic);
}

/** Opens a consumer of a group that may be there. */
function openGroup(
  { world, session }: QueueSession,
  { name, handle }: OpenTopic,
  options: object,
): Promise<Opened> {
  const prefetch = pick(world.random, [null, null, 1, 4]);
  const given = { prefetch, ...options };
  const group: Promise<ShareGroup<Uint8Array>> =
    name === QUEUE_TOPIC ? session.store.queue(name, given) : handle.shareGroup(SHARE_GROUP, given);
  return group.then((opened) => ({ group: opened, prefetch }));
}

interface Opened {
  readonly group: ShareGroup<Uint8Array>;
  readonly prefetch: number | null;
}

/** @param opening  a consumer of a group that the oracle knows */
async function join(
  queues: QueueSession,
  id: string,
  opening: Promise<Opened | ShareGroup<Uint8Array>>,
): Promise<void> {
  const { session, world, oracles } = queues;
  const ledger = oracles.ledgers.get(id);
  world.narrate(`open a consumer of ${id}`);
  await session.follow(opening, (opened) => {
    if (ledger === undefined) return;
    const { group, prefetch } = 'group' in opened ? opened : { group: opened, prefetch: null };
    const config = configOf(id);
    queues.handles.push({ ledger, group, config, prefetch, isClosing: false });
    world.tally.add('consumers');
  });
}

async function makeQueueTopic(queues: QueueSession): Promise<void> {
  const { session, world } = queues;
  const { random } = world;
  const { store } = session;
  // Of a creation that nobody knows the outcome of, the next opening tells.
  if (session.isChanging || store.stats().journal.state === 'failed') return;
  if (store.topics().some(({ name }) => name === QUEUE_TOPIC)) {
    await session.follow(takeUpQueue(queues), () => undefined);
    return;
  }
  const partitionCount = 1 + randomBelow(random, 2);
  world.narrate(`create ${QUEUE_TOPIC}`);
  const apply = (state: Topics): Topics =>
    new Map([...state, [QUEUE_TOPIC, { partitionCount, retentionBytes: null, compaction: 'off' }]]);
  const change = world.topics.sent(apply);
  const { durability } = world;
  const answer = store.topic(QUEUE_TOPIC, {
    partitions: partitionCount,
    ...TOPIC_CONFIG,
    durability,
  });
  await session.change(answer, change, () => takeUpQueue(queues));
}

/** Opens the topic of the queue. */
export async function takeUpQueue(queues: QueueSession): Promise<void> {
  const { store } = queues.session;
  const handle = await store.topic(QUEUE_TOPIC, { create: false });
  const topic: OpenTopic = { name: QUEUE_TOPIC, handle, logs: [], member: null };
  await openPartitions(topic);
  queues.session.queueTopic = topic;
}

/** The group begins: what it owes from now on depends on where. */
async function makeGroup(queues: QueueSession, id: string, topic: OpenTopic): Promise<void> {
  const { session, world, oracles } = queues;
  await queues.quiet(); // Where `latest` is must be known.
  const isWhole = topic.logs.length === topic.handle.partitionCount;
  if (session.isOver || !isWhole || session.isChanging || oracles.ledgers.has(id)) return;
  const isQueue = id === QUEUE_ID;
  const from = isQueue || chance(world.random, 0.7) ? 'earliest' : 'latest';
  if (from === 'latest') {
    // What was appended at a lower level than its topic's is seen only later.
    for (const log of topic.logs) await session.follow(log.sync(), () => undefined);
    if (session.isOver) return;
  }
  const starts: Bounds = topic.logs.map((log) =>
    from === 'latest' ? log.visibleOffset : log.startOffset,
  );
  const retention = isQueue ? 'settled' : 'keep';
  world.narrate(`create group ${id} from ${from}: ${starts.join()}`);
  const change = oracles.groups.sent(withGroup(id, 'running'));
  const ledger = oracles.begin(topic.name, isQueue ? QUEUE_GROUP : SHARE_GROUP, starts);
  for (const partition of topic.logs.keys()) {
    const oracle = world.logOracle(topic.name, partition);
    for (let offset = 0; offset < oracle.end; offset++) {
      if (oracle.isGap(offset))
        ledger.lost(partition, { firstOffset: offset, nextOffset: offset + 1 });
    }
    for (const offset of oracles.formerSettled.get(`${topic.name}/${partition}`) ?? []) {
      ledger.lost(partition, { firstOffset: offset, nextOffset: offset + 1 });
    }
  }
  const opening = openGroup(queues, topic, { ...configOf(id), retention, from });
  const wasThere = isThere(queues, id);
  await session.change(opening, change, (opened) => join(queues, id, Promise.resolve(opened)));
  if (!session.isOver && !wasThere && !isThere(queues, id)) forgetUnmade(queues, id);
}

function isThere({ session }: QueueSession, id: string): boolean {
  return session.store.shareGroups().some(({ topic, name }) => `${topic}/${name}` === id);
}

/** A group that could not be made is none, unless the journal failed on its way. */
function forgetUnmade({ session, oracles }: QueueSession, id: string): void {
  if (session.store.stats().journal.state !== 'failed') oracles.end(id);
}

/** Records for a queue, or for a topic with a group. */
export function send(queues: QueueSession): void {
  const { world, handles, session } = queues;
  const topics = handles.flatMap(({ ledger }) => queues.topicOf(ledger.topic) ?? []);
  if (topics.length > 0) appendTo(session, pick(world.random, topics));
}

/** Up to so many, now or when there are some. */
export function acquire(queues: QueueSession): void {
  const { world, session } = queues;
  const { random } = world;
  const handle = pickHandle(queues);
  if (handle === null) return;
  const { ledger, config } = handle;
  const wasPaused = ledger.isPaused === true;
  const { pauseCount } = queues;
  const max = pick(random, [1, 2, 5, 20]);
  const waitMs = pick(random, [0, 0, 30, 400]);
  const isShort = chance(random, 0.2);
  const leaseMs = isShort ? LEASE_MS_MIN : config.leaseMs;
  world.narrate(`acquire ${max} of ${ledger.id}`);
  const answer = handle.group.acquire({ max, waitMs, ...(isShort ? { leaseMs } : {}) });
  void session.follow(queues.unlessClosed(handle, answer), (deliveries) => {
    if (deliveries === null) return;
    if (deliveries.length > max) world.fault('bound', `${deliveries.length}, not ${max}`);
    if (wasPaused && queues.pauseCount === pauseCount && deliveries.length > 0) {
      world.fault('pause', `${ledger.id} hands out, and is paused`);
    }
    queues.handedOut(handle, deliveries, leaseMs);
  });
}

/**
 * All that is ready in the queue, but for some of it, is handled just before somebody looks for segments that may go: what
 * says so is not synced by then, unless who deletes or rewrites them sees to it.
 *
 * @param keptShare  how many of them are given back, and not due for long
 * @returns whether segments went or were rewritten
 */
export async function takeAll(queues: QueueSession, keptShare = 0): Promise<boolean> {
  const { session, world, handles } = queues;
  const { clock } = world;
  const handle = handles.find(({ ledger }) => ledger.id === QUEUE_ID);
  const { queueTopic } = session;
  if (handle === undefined || queueTopic === null || handle.ledger.isPaused !== false) return false;
  for (let left = FILLS; left > 0; left--) appendTo(session, queueTopic);
  await queues.quiet();
  if (session.isOver) return false;
  advanceFar(queues);
  // Time moves in idle turns: the next look is so long after this one, not after those.
  const dueMs = clock.monotonic() + RETENTION_LOOK_MS;
  await turns(RETENTION_TURNS);
  if (session.isOver) return false;
  clock.advance(Math.max(0, dueMs - TAKE_MS - clock.monotonic()));
  world.narrate('take all');
  for (let left = TAKE_ROUNDS; left > 0 && !session.isOver && !handle.isClosing; left--) {
    if (!(await takeSome(queues, handle, keptShare))) break;
  }
  if (session.isOver) return false;
  const starts = () => queueTopic.logs.map(({ startOffset }) => startOffset).join();
  const startsBefore = starts();
  const { compactedCount } = session;
  const haveGone = () => starts() !== startsBefore || session.compactedCount > compactedCount;
  clock.advance(Math.max(0, dueMs - clock.monotonic()) + 1);
  // No longer than that: the journal is synced soon in any case.
  for (let left = RETENTION_TURNS; left > 0 && !haveGone(); left--) await turns(1);
  if (session.isOver || !haveGone()) return false;
  world.tally.add('droppedSegments');
  return true;
}

/** @returns whether there was something */
async function takeSome(
  queues: QueueSession,
  handle: GroupHandle,
  keptShare: number,
): Promise<boolean> {
  const { session, world } = queues;
  const { group, config } = handle;
  await session.follow(
    queues.unlessClosed(handle, group.acquire({ max: TAKE_MAX })),
    (deliveries) => void queues.handedOut(handle, deliveries ?? [], config.leaseMs),
  );
  const held = queues.running.filter((lease) => lease.handle === handle);
  if (held.length === 0 || session.isOver) return false;
  const isSynced = world.isSynced(QUEUE_TOPIC);
  const kept = keptShare === 0 ? [] : held.filter(() => chance(world.random, keptShare));
  for (const lease of kept) {
    const run = () => lease.delivery.release({ delayMs: KEPT_MS });
    const dueMs = world.clock.now() + KEPT_MS;
    await queues.settle([lease], { what: 'put off', end: null, isSynced, dueMs, run });
  }
  const others = held.filter((lease) => !kept.includes(lease) && lease.isRunning);
  if (others.length === 0) return true;
  const run = () => group.ackAll(others.map(({ delivery }) => delivery));
  await queues.settle(others, { what: 'ack', end: 'acked', isSynced, run });
  return true;
}

export function pickHandle({ handles, world }: QueueSession): GroupHandle | null {
  return handles.length === 0 ? null : pick(world.random, handles);
}

export function closeHandle(queues: QueueSession): void {
  const handle = pickHandle(queues);
  if (handle !== null) void queues.close(handle);
}
