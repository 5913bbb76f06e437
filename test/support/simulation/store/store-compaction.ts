/** What the program does with topics that are compacted by key, in the seeds that have any. */
import { ConflictError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { turns } from '../../log-fixture.ts';
import { readLog } from '../found-log.ts';
import { chance, pick } from '../plan.ts';
import { SHARE_GROUP } from './queues/queue-topics.ts';
import { appendTo } from './store-appends.ts';
import { openPartition, type OpenTopic, type StoreSession } from './store-session.ts';

type Step = (session: StoreSession, topic: OpenTopic) => void | Promise<void>;

const STEPS: readonly (readonly [number, Step])[] = [
  [4, fill],
  [4, compact],
  [
    2,
    (session, topic) =>
      void ask(session, topic, randomBelow(session.world.random, topic.logs.length)),
  ],
  [2, letItCompact],
  [1, deleteBefore],
  [2, closeIdle],
];
const TOTAL = STEPS.reduce((sum, [weight]) => sum + weight, 0);
/** Times that some records come: enough for a segment, and more. */
const FILLS = 6;
/** How often a store looks for what is due. */
const COMPACTION_LOOK_MS = 60_000;
/** In which it is compacted then, mostly. */
const COMPACTION_TURNS = 60;

/** One step with a topic that is compacted now or at times. */
export async function runCompactionStep(session: StoreSession): Promise<void> {
  const { world, topics } = session;
  const keyed = [...topics.values()].filter(({ name }) => world.isKeyed(name));
  if (keyed.length === 0) return;
  const topic = pick(world.random, keyed);
  let left = world.random.next() * TOTAL;
  for (const [weight, step] of STEPS) {
    if (left < weight) return step(session, topic);
    left -= weight;
  }
}

async function fill(session: StoreSession, topic: OpenTopic): Promise<void> {
  for (let left = FILLS; left > 0; left--) appendTo(session, topic);
  if (chance(session.world.random, 0.5)) await session.settle();
}

/** What is there is looked at right before and right after. */
async function compact(session: StoreSession, topic: OpenTopic): Promise<void> {
  await session.settle();
  const partition = randomBelow(session.world.random, topic.logs.length);
  for (let left = 1 + randomBelow(session.world.random, 2); left > 0 && !session.isOver; left--) {
    await look(session, topic, partition);
    await ask(session, topic, partition);
    await look(session, topic, partition);
  }
}

/** Has a partition compacted, unless nobody wants that now. */
async function ask(session: StoreSession, topic: OpenTopic, partition: number): Promise<void> {
  const { world, store, isOver } = session;
  const { name, handle } = topic;
  const isOff = () => store.describeTopic(name).options.compaction === 'off';
  if (isOver || isOff()) return;
  const { isChanging } = session;
  world.narrate(`compact ${name}/${partition}`);
  const answer = handle.compact({ partition }).catch((error: unknown) => {
    // Switched off since.
    if (error instanceof ConflictError && (isChanging || session.isChanging || isOff())) return [];
    throw error;
  });
  await session.follow(answer, (results) => {
    for (const { rewrittenSegmentCount, supersededCount, droppedTombstoneCount } of results) {
      world.tally.add('compactions');
      world.tally.add('rewrittenSegments', rewrittenSegmentCount);
      world.tally.add('superseded', supersededCount);
      world.tally.add('droppedTombstones', droppedTombstoneCount);
    }
  });
}

/** It is time for the store to look for what is due. */
async function letItCompact(session: StoreSession): Promise<void> {
  const { world } = session;
  world.narrate('a minute passes');
  world.clock.advance(COMPACTION_LOOK_MS);
  const { compactedCount } = session;
  for (let left = COMPACTION_TURNS; left > 0; left--) {
    if (session.isOver || session.compactedCount > compactedCount) return;
    await turns(1);
  }
}

/** All of a partition, to which nobody appends meanwhile: nothing is gone but what may be. */
async function look(session: StoreSession, topic: OpenTopic, partition: number): Promise<void> {
  const { world } = session;
  const log = topic.logs[partition];
  // While commits wait for room less is shown than was answered.
  if (session.isOver || log === undefined || showsLess(session)) return;
  world.beginReading();
  const oracle = world.logOracle(topic.name, partition);
  await session.follow(readLog(log), (found) => {
    if (showsLess(session)) return;
    oracle.compare('power', found);
    world.tally.add('looks');
  });
}

/** Whether somebody failed, or a commit waits for room: its records are answered, and not in sight. */
function showsLess({ topics, isWhole }: StoreSession): boolean {
  const logs = [...topics.values()].flatMap((topic) => topic.logs);
  return !isWhole || logs.some((log) => log.stats().pendingApplyBytes > 0);
}

/** Deletes the beginning of a partition that no share group has records of. */
async function deleteBefore(session: StoreSession, topic: OpenTopic): Promise<void> {
  const { world } = session;
  await session.settle();
  const { name, handle, logs } = topic;
  if (session.isOver || world.queues.ledgers.has(`${name}/${SHARE_GROUP}`)) return;
  const partition = randomBelow(world.random, logs.length);
  const log = logs[partition];
  if (log === undefined) return;
  const { startOffset, visibleOffset } = log;
  const offset = startOffset + randomBelow(world.random, visibleOffset - startOffset + 1);
  const oracle = world.logOracle(name, partition);
  world.narrate(`delete ${name}/${partition} before ${offset}`);
  oracle.startMax = Math.max(oracle.startMax, offset);
  await session.follow(handle.deleteBefore({ partition, offset }), () => {
    oracle.startMin = Math.max(oracle.startMin, offset);
    world.tally.add('trims');
  });
}

/** Closes a partition for a while, as it happens when many are open. */
async function closeIdle(session: StoreSession, topic: OpenTopic): Promise<void> {
  await session.settle();
  const { world, topics } = session;
  const { name, handle, logs, member } = topic;
  const at = randomBelow(world.random, logs.length);
  const before = logs[at];
  const place = handle.partitions.at(at);
  if (session.isOver || before === undefined || member !== null) return;
  if (before.stats().state === 'failed') return;
  world.narrate(`close ${name}/${at} for a while`);
  await session.follow(place.closeIdle(), () => undefined);
  topics.delete(name); // A fault may keep it from being opened: it is taken up again later.
  await session.follow(openPartition(topic, at), (log) => {
    logs[at] = log;
    topics.set(name, topic);
    if (log !== before) world.tally.add('idleClosures');
  });
}
