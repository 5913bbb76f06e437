/** The program of one life of a store: a random script over a session. */
import { randomBelow } from '../../../../src/core/random.ts';
import type { GroupListing } from '../../../../src/store/group-listings.ts';
import { turns } from '../../log-fixture.ts';
import { chance, pick } from '../plan.ts';
import { foundRecord } from '../records.ts';
import { endQueueSteps, runQueueSteps } from './queues/queue-program.ts';
import type { QueueSession } from './queues/queue-session.ts';
import { PLAIN_TOPICS } from './queues/queue-topics.ts';
import { appendTo, TOPIC_CONFIG } from './store-appends.ts';
import { StoreCommits } from './store-commits.ts';
import { compactionOf, KEYED_PARTITIONS_MAX } from './keyed-topics.ts';
import { runCompactionStep } from './store-compaction.ts';
import { GROUP, openPartitions, type OpenTopic, type StoreSession } from './store-session.ts';
import type { KnownTopic, Topics } from './store-world.ts';

type Step = (session: StoreSession, commits: StoreCommits) => void | Promise<void>;

const PARTITIONS_MAX = 4;
/** Far above what is written: retention must not get in the way. */
const RETENTION_BYTES = 1e9;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A new kind of change goes in here; what it does to the state is what its oracle is told. */
const STEPS: readonly (readonly [number, Step])[] = [
  [10, append],
  [8, commit],
  [6, (_session, commits) => commits.send()],
  [4, snapshot],
  [4, changeTopic],
  [3, reset],
  [2, forgetGroup],
  [3, read],
  [3, (session) => session.settle()],
  [2, advance],
  [1, resize],
];

/**
 * Runs the script, and waits for all answers at its end.
 *
 * @returns whether there is to be a power cut at once
 */
export async function runStoreProgram(
  session: StoreSession,
  queues: QueueSession,
): Promise<boolean> {
  const { random, plan } = session.world;
  const commits = new StoreCommits(session);
  for (let left = 3 + randomBelow(random, plan.stepCount); left > 0; left--) {
    if (session.isOver) return false;
    await pickStep(session)(session, commits);
    if (chance(random, 0.3)) await turns(1 + randomBelow(random, 4));
    session.observe();
    if (plan.compacts) await runCompactionStep(session);
    await runQueueSteps(queues);
  }
  session.resizeDisk(null);
  await session.settle();
  const isPowerCut = await endQueueSteps(queues);
  session.observe();
  queues.observe();
  commits.observe();
  session.world.onCall = null;
  return isPowerCut;
}

function pickStep({ world, topics }: StoreSession): Step {
  if (topics.size === 0) return changeTopic;
  const total = STEPS.reduce((sum, [weight]) => sum + weight, 0);
  let left = randomBelow(world.random, total);
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  throw new Error('weights add up');
}

function pickTopic({ world, topics }: StoreSession): OpenTopic {
  return pick(world.random, [...topics.values()]);
}

function append(session: StoreSession): void {
  appendTo(session, pickTopic(session));
}

async function commit(session: StoreSession): Promise<void> {
  const { world } = session;
  const { random } = world;
  const topic = pickTopic(session);
  topic.member ??= await topic.handle.consumerGroup(GROUP, { pollMsMax: DAY_MS });
  for (let left = 1 + randomBelow(random, 3); left > 0; left--) {
    const metadata = world.nextTag();
    const first = randomBelow(random, topic.logs.length);
    const positions = topic.logs.flatMap(({ visibleOffset }, partition) => {
      if (partition !== first && chance(random, 0.5)) return [];
      const offset = Math.max(0, visibleOffset - randomBelow(random, 3));
      return [{ partition, offset }];
    });
    world.narrate(`commit ${JSON.stringify(positions)} ${metadata} of ${topic.name}`);
    const entries = positions.map((at) => [at.partition, `${at.offset} ${metadata}`] as const);
    const oracle = world.groupOracle(topic.name);
    const change = oracle.sent((state) => new Map([...state, ...entries]));
    void session.change(topic.member.commit(positions, { metadata }), change, () =>
      world.tally.add('commits'),
    );
  }
}

/** A snapshot run, beside whatever else goes on. */
function snapshot(session: StoreSession): void {
  const { world, store } = session;
  world.narrate('snapshot');
  void session.follow(store.snapshot(), () => world.tally.add('runs'));
}

/** Sets the group to one offset in all partitions; it has no members then. */
async function reset(session: StoreSession): Promise<void> {
  const { world } = session;
  const topic = pickTopic(session);
  if (session.isChanging) return; // Partitions may come meanwhile.
  await leave(session, topic);
  // Of partitions that a fault kept from being taken up the end is not known.
  if (session.isOver || topic.logs.length !== topic.handle.partitionCount) return;
  // Not beyond any end, which may still move: by records that are not synced yet.
  const end = Math.min(...topic.logs.map(({ visibleOffset }) => visibleOffset));
  const start = Math.max(...topic.logs.map(({ startOffset }) => startOffset));
  if (start > end) return;
  const offset = start + randomBelow(world.random, end - start + 1);
  const entries = topic.logs.map((_, at) => [at, `${offset} `] as const);
  const oracle = world.groupOracle(topic.name);
  world.narrate(`reset ${topic.name} to ${offset}`);
  const change = oracle.sent((state) => new Map([...state, ...entries]));
  const answer = topic.handle.resetGroup(GROUP, { offset }, { dryRun: false });
  await session.change(answer, change, () => world.tally.add('resets'));
}

async function forgetGroup(session: StoreSession): Promise<void> {
  const { world, store } = session;
  const topic = pickTopic(session);
  await leave(session, topic);
  const isGroup = (one: GroupListing) => one.topic === topic.name && one.name === GROUP;
  if (session.isOver || !store.groups().some(isGroup)) return;
  world.narrate(`delete the group of ${topic.name}`);
  const change = world.groupOracle(topic.name).sent(() => new Map());
  await session.change(topic.handle.deleteGroup(GROUP), change, () =>
    world.tally.add('deletedGroups'),
  );
}

async function leave(session: StoreSession, topic: OpenTopic): Promise<void> {
  await session.settle();
  const { member } = topic;
  topic.member = null;
  if (member !== null) await session.follow(member.close(), () => undefined);
}

function changeTopic(session: StoreSession): void {
  const { world, store, topics } = session;
  const { random } = world;
  if (session.isChanging) return;
  const name = pick(random, PLAIN_TOPICS);
  const known = topics.get(name);
  if (known === undefined && store.topics().some((topic) => topic.name === name)) {
    void session.follow(takeUp(session), () => undefined); // A fault had kept it from that.
    return;
  }
  if (known === undefined) {
    const isKeyed = world.isKeyed(name);
    const partitionCount = 1 + randomBelow(random, isKeyed ? KEYED_PARTITIONS_MAX : 3);
    const compaction = isKeyed ? 'key' : 'off';
    const apply = created(name, { partitionCount, retentionBytes: null, compaction });
    const answer = store.topic(name, {
      partitions: partitionCount,
      ...TOPIC_CONFIG,
      ...(isKeyed ? { ...compactionOf(name), compaction } : {}),
    });
    begin(session, { what: `create ${name}`, answer, apply });
    return;
  }
  const { partitionCount } = known.handle;
  if (world.isKeyed(name) && chance(random, 0.6)) {
    const isOff = store.describeTopic(name).options.compaction === 'off';
    const compaction = isOff ? 'key' : 'off';
    const apply = changed(name, { compaction });
    const answer = store.alterTopic(name, { compaction });
    begin(session, { what: `alter ${name}: compaction ${compaction}`, answer, apply });
  } else if (mayGrow(session, known) && chance(random, 0.5)) {
    const apply = changed(name, { partitionCount: partitionCount + 1 });
    const answer = store.addPartitions(name, partitionCount + 1);
    begin(session, { what: `grow ${name}`, answer, apply });
  } else {
    const retentionBytes = RETENTION_BYTES + randomBelow(random, 1000);
    const apply = changed(name, { retentionBytes });
    const answer = store.alterTopic(name, { retentionBytes });
    begin(session, { what: `alter ${name}`, answer, apply });
  }
}

/** Keys of what is compacted stay where they are. */
function mayGrow({ world }: StoreSession, { name, handle }: OpenTopic): boolean {
  return handle.partitionCount < PARTITIONS_MAX && !world.isKeyed(name);
}

interface TopicChange {
  readonly what: string;
  readonly answer: Promise<unknown>;
  readonly apply: (state: Topics) => Topics;
}

function begin(session: StoreSession, { what, answer, apply }: TopicChange): void {
  const { world } = session;
  world.narrate(what);
  session.isChanging = true;
  const change = world.topics.sent(apply);
  void session
    .change(answer, change, () => {
      world.tally.add('topicChanges');
      return takeUp(session);
    })
    .finally(() => (session.isChanging = false));
}

/** Opens what came. */
async function takeUp({ store, topics }: StoreSession): Promise<void> {
  // A creation that nobody knows the outcome of is listed, and not there, until the next opening.
  if (store.stats().journal.state === 'failed') return;
  for (const { name } of store.topics()) {
    if (!PLAIN_TOPICS.includes(name)) continue;
    const handle = topics.get(name)?.handle ?? (await store.topic(name, { create: false }));
    const topic = topics.get(name) ?? { name, handle, logs: [], member: null };
    await openPartitions(topic);
    topics.set(name, topic);
  }
}

function created(name: string, topic: KnownTopic): (state: Topics) => Topics {
  return (state) => (state.has(name) ? state : new Map([...state, [name, topic]]));
}

function changed(name: string, changes: Partial<KnownTopic>): (state: Topics) => Topics {
  return (state) => {
    const topic = state.get(name);
    return topic === undefined ? state : new Map([...state, [name, { ...topic, ...changes }]]);
  };
}

/** Reads one partition from somewhere on: as it was sent, and nothing that is not visible. */
function read(session: StoreSession): void {
  const { world } = session;
  const { random } = world;
  const { name, handle, logs } = pickTopic(session);
  const partition = randomBelow(random, logs.length);
  const log = logs[partition];
  if (log === undefined) return;
  const oracle = world.logOracle(name, partition);
  const { startOffset, visibleOffset } = log;
  const from = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
  const run = async (): Promise<void> => {
    for await (const record of handle.records({ partitions: partition, from })) {
      if (session.isOver) return;
      oracle.seen(foundRecord(record), { visibleOffset: log.visibleOffset, isDurable: true });
    }
  };
  void session.follow(run(), () => world.tally.add('reads'));
}

function advance({ world }: StoreSession): void {
  world.clock.advance(pick(world.random, [1, 10, 60, 250, 1500]));
}

function resize(session: StoreSession): void {
  const { fullDiskBytes } = session.world.plan;
  if (fullDiskBytes !== null) session.resizeDisk(session.isDiskLimited ? null : fullDiskBytes);
}
