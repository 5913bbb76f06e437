/** The end: with a disk that works, every queue is emptied, and then all is where it must be. */
import { configOf, isSideTopic, LETTERS_ID, QUEUE_TOPIC, SHARE_GROUP } from './queue-topics.ts';
import { endsOf, setPaused } from './queue-changes.ts';
import { takeUpQueue } from './queue-steps.ts';
import type { GroupHandle, QueueSession } from './queue-session.ts';
import type { End } from './record-fate.ts';
import { checkSideTopics, readSideTopics } from './side-topics.ts';

const ROUNDS_MAX = 60;
const BATCH = 25;
/** Longer than any delay, jumps back and lease of the program. */
const LONG_MS = 3 * 3_600_000;
/** Until somebody looks at delays, and at leases. */
const LOOK_MS = 1100;

/** Acknowledges all there is, and compares every record's fate with what the group says. */
export async function drain(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  await queues.quiet();
  world.narrate('drain');
  for (const handle of queues.handles.slice()) await queues.close(handle);
  if (queues.session.queueTopic === null) await findQueue(queues);
  await syncAll(queues);
  for (const { topic, name } of session.store.shareGroups()) {
    const id = `${topic}/${name}`;
    const ledger = oracles.ledgers.get(id);
    if (ledger === undefined) world.fault('share groups', `nobody made ${id}`);
    else await drainOne(queues, await open(queues, id));
  }
  const side = await readSideTopics(session.store);
  const ends = session.queueTopic?.logs.map(({ visibleOffset }) => visibleOffset) ?? [];
  checkSideTopics(world.sideContext(ends, true), side);
  for (const handle of queues.handles) {
    if (handle.ledger.id !== LETTERS_ID) await account(queues, handle);
  }
  for (const handle of queues.handles.slice()) await queues.close(handle);
  world.tally.add('drains');
}

async function findQueue(queues: QueueSession): Promise<void> {
  const { store } = queues.session;
  if (store.topics().some(({ name }) => name === QUEUE_TOPIC)) await takeUpQueue(queues);
}

/** Nothing becomes visible any more: what is appended at a lower level than its topic's does later. */
async function syncAll({ session }: QueueSession): Promise<void> {
  const topics = [...session.topics.values(), ...(session.queueTopic ? [session.queueTopic] : [])];
  for (const log of topics.flatMap(({ logs }) => logs)) {
    await session.follow(log.sync(), () => undefined);
  }
}

async function open(queues: QueueSession, id: string): Promise<GroupHandle> {
  const { session, oracles } = queues;
  const topic = id.slice(0, id.indexOf('/'));
  const isQueue = topic === QUEUE_TOPIC || isSideTopic(topic);
  const group = isQueue
    ? await session.store.queue(topic, { create: false })
    : await (await session.store.topic(topic, { create: false })).shareGroup(SHARE_GROUP);
  const ledger = oracles.ledgers.get(id) ?? oracles.begin(topic, SHARE_GROUP, []);
  const handle = { ledger, group, config: configOf(id), prefetch: null, isClosing: false };
  queues.handles.push(handle);
  return handle;
}

async function drainOne(queues: QueueSession, handle: GroupHandle): Promise<void> {
  const { world, session } = queues;
  const { clock } = world;
  const { group, ledger, config } = handle;
  if (ledger.isPaused !== false) await setPaused(queues, handle, false);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const deliveries = await group.acquire({ max: BATCH });
    const leases = queues.handedOut(handle, deliveries, config.leaseMs);
    if (leases.length > 0) {
      const isSynced = world.isSynced(ledger.topic);
      const run = () => group.ackAll(deliveries);
      await queues.settle(leases, { what: 'ack', end: 'acked', isSynced, run });
      queues.observe();
      continue;
    }
    const { unsettledCount } = await group.stats();
    if (unsettledCount === 0 && !session.isOver) return;
    clock.jumpTo(clock.now() + LONG_MS);
    clock.advance(LOOK_MS);
    await queues.quiet();
  }
  const stats = JSON.stringify(await group.stats());
  world.fault('A8', `${ledger.id} is not empty: ${stats}`);
}

/** Every record is acknowledged, dead, cancelled or purged, and as many as the group says. */
async function account(queues: QueueSession, handle: GroupHandle): Promise<void> {
  const { world } = queues;
  const { ledger, group, config } = handle;
  const ends = endsOf(queues, handle);
  const dead = new Set<string>();
  if (config.deadLetter === null) {
    for await (const { partition, offset } of group.browse({ states: ['dead'] })) {
      dead.add(`${partition}/${offset}`);
    }
    ledger.each(ends, (fate, partition, offset) => {
      if (dead.has(`${partition}/${offset}`)) fate.found('dead');
      // It is dead still when its record is gone, and nobody can show it.
      else if (fate.may('dead') && !fate.isLost) fate.notFound('dead');
    });
  }
  ledger.each(ends, (fate, partition, offset) => {
    if (fate.is('there')) world.fault('A8', `${ledger.id} ${partition}/${offset} never came`);
    world.tally.add('accountedRecords');
  });
  const { settled } = await group.stats();
  const counts = ledger.counts(ends);
  const check = (end: End, count: number): void => {
    const { min = 0, max = 0 } = counts.get(end) ?? {};
    if (count < min || count > max) {
      world.fault('counters', `${ledger.id}: ${count} are ${end}, not ${min} to ${max}`);
    }
  };
  const { failures, crash, rejected, cancelled, acked, purged, trimmed, missing, revived } =
    settled;
  const died = failures + crash + rejected + settled['lease-expired'] - revived;
  check('acked', acked);
  check('cancelled', cancelled);
  check('purged', purged);
  check('dead', died);
  check('missing', missing);
  if (trimmed > 0) world.fault('A7', `${ledger.id}: ${trimmed} records went unsettled`);
  const all = ends.reduce((sum, end, at) => sum + Math.max(0, end - (ledger.starts[at] ?? 0)), 0);
  const { max: lostMax = 0 } = counts.get('missing') ?? {};
  const total = acked + died + cancelled + purged + missing;
  if (total > all || total < all - lostMax) {
    world.fault('counters', `${ledger.id}: ${total} of ${all} ended`);
  }
}
