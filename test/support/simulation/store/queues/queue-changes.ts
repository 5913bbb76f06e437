/** Steps of the program: changes of a whole group, and its end. */
import { randomBelow } from '../../../../../src/core/random.ts';
import { pick } from '../../plan.ts';
import { openPartitions } from '../store-session.ts';
import type { Topics } from '../store-world.ts';
import { changedGroup, withoutGroup } from './queue-oracles.ts';
import { LETTER_TOPIC, LETTERS_ID, MOVED_TOPIC, QUEUE_ID, QUEUE_TOPIC } from './queue-topics.ts';
import { pickHandle } from './queue-steps.ts';
import type { GroupHandle, QueueSession } from './queue-session.ts';
import type { Bounds } from './share-ledger.ts';

const LETTERS_MEANWHILE = 100;

/** A consumer of a group whose partitions are all open, when nothing else is under way. */
async function quietHandle(queues: QueueSession): Promise<GroupHandle | null> {
  const { session } = queues;
  const handle = pickHandle(queues);
  await queues.quiet();
  if (handle === null || session.isOver || handle.isClosing) return null;
  if (handle.ledger.id === LETTERS_ID) return handle;
  const topic = queues.topicOf(handle.ledger.topic);
  return topic?.logs.length === topic?.handle.partitionCount ? handle : null;
}

/** Up to where records are visible; of the engine's own topics nothing is known. */
export function endsOf(queues: QueueSession, { ledger }: GroupHandle): Bounds {
  const topic = queues.topicOf(ledger.topic);
  return topic?.logs.map(({ visibleOffset }) => visibleOffset) ?? [];
}

export async function cancel(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const handle = await quietHandle(queues);
  if (handle === null || handle.ledger.id === LETTERS_ID) return;
  const { ledger, group } = handle;
  const ends = endsOf(queues, handle);
  const partition = randomBelow(world.random, ends.length);
  const first = ledger.starts[partition] ?? 0;
  const end = ends[partition] ?? 0;
  if (end <= first) return;
  const offset = first + randomBelow(world.random, end - first);
  const fate = ledger.fate(partition, offset);
  // Of one that is dead, and kept, what counted its death stays.
  if (fate.may('dead')) return;
  const isSure = fate.is('there') && fate.isQuiet && !ledger.isHeld(fate);
  const { order } = oracles;
  const calledAt = order.last;
  const pending = fate.may('there') ? fate.ending('cancelled') : null;
  world.narrate(`cancel ${ledger.id} ${partition}/${offset}`);
  await session.follow(
    group.cancel({ partition, offset }),
    (isDone) => {
      if (isSure && !isDone) world.fault('cancel', `${ledger.id} ${partition}/${offset}: no`);
      if (isDone && pending === null) world.fault('A7', `cancelled, though ${fate.toString()}`);
      if (isDone) {
        order.synced(calledAt);
        pending?.answered(true);
        world.tally.add('cancelledRecords');
      } else pending?.refused();
    },
    (error) => {
      if (session.isRefusal(error)) pending?.refused();
    },
  );
}

export async function purge(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const handle = await quietHandle(queues);
  if (handle === null || handle.ledger.id === LETTERS_ID) return;
  const { ledger, group } = handle;
  const calledAt = oracles.order.last;
  const limits = queues.topicOf(ledger.topic)?.logs.map(({ endOffset }) => endOffset) ?? [];
  const pending = ledger.purging(endsOf(queues, handle), limits);
  world.narrate(`purge ${ledger.id}`);
  await session.follow(
    group.purge(),
    (count) => {
      oracles.order.synced(calledAt);
      pending.answered(count);
      world.tally.add('purges');
    },
    (error) => {
      if (session.isRefusal(error)) pending.refused();
    },
  );
}

export async function undoPurge(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const handle = await quietHandle(queues);
  if (handle === null || handle.ledger.id === LETTERS_ID) return;
  const { ledger, group } = handle;
  const calledAt = oracles.order.last;
  const pending = ledger.undoing();
  world.narrate(`undo the purge of ${ledger.id}`);
  await session.follow(group.undoPurge(), (count) => {
    if (count > 0) oracles.order.synced(calledAt);
    const logs = queues.topicOf(ledger.topic)?.logs ?? [];
    pending.answered((partition, offset) => offset >= (logs[partition]?.startOffset ?? 0));
    world.tally.add('undonePurges');
  });
}

export async function pauseOrResume(queues: QueueSession): Promise<void> {
  const { session, world } = queues;
  const handle = await quietHandle(queues);
  if (handle !== null) await setPaused(queues, handle, handle.ledger.isPaused !== true);
  else if (!session.isOver) world.narrate('nothing to pause');
}

export async function setPaused(
  queues: QueueSession,
  { ledger, group }: GroupHandle,
  isPaused: boolean,
): Promise<void> {
  const { session, world, oracles } = queues;
  const { id } = ledger;
  if (id === LETTERS_ID) return;
  world.narrate(`${isPaused ? 'pause' : 'resume'} ${id}`);
  const change = oracles.groups.sent(changedGroup(id, isPaused ? 'paused' : 'running'));
  ledger.isPaused = null;
  queues.pauseCount++;
  const answer = isPaused ? group.pause() : group.resume();
  // Not as a change: what is so already is not journaled.
  await session.follow(
    answer,
    () => {
      change.answered();
      ledger.isPaused = isPaused;
      world.tally.add('pauses');
    },
    (error) => {
      if (session.isRefusal(error)) change.refused();
    },
  );
}

/** The dead that were kept are ready again; dead letters are moved elsewhere. */
export async function redrive(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const handle = await quietHandle(queues);
  if (handle === null || handle.ledger.id === QUEUE_ID) return;
  const { ledger, group } = handle;
  world.narrate(`redrive ${ledger.id}`);
  const { order } = oracles;
  const calledAt = order.last;
  if (ledger.id !== LETTERS_ID) {
    const pending = ledger.reviving();
    await session.follow(group.redrive({ dryRun: false }), ({ movedCount }) => {
      if (movedCount > 0) order.synced(calledAt);
      pending.answered();
      world.tally.add('revivals', movedCount);
    });
    return;
  }
  if (!session.store.topics().some(({ name }) => name === MOVED_TOPIC)) {
    await session.follow(session.store.topic(MOVED_TOPIC), () => undefined);
    return;
  }
  // Which ones it gets is seen where they go; more may die meanwhile.
  const letters = await session.store.topic(LETTER_TOPIC, { create: false });
  const { visibleOffset } = await letters.partitions.at(0).log();
  if (session.isOver) return;
  ledger.each([visibleOffset + LETTERS_MEANWHILE], (fate) => {
    if (fate.may('there') && !ledger.isHeld(fate)) fate.mayHaveEnded('moved');
  });
  const limit = pick(world.random, [1, 3, 100]);
  const answer = group.redrive({ to: MOVED_TOPIC, limit, dryRun: false });
  await session.follow(answer, ({ movedCount }) => {
    if (movedCount > 0) order.synced(calledAt);
    world.tally.add('movedLetters', movedCount);
  });
}

/** Forgets a group: one of its name that is made later begins anew. */
export async function deleteGroup(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const handle = await quietHandle(queues);
  if (handle === null || handle.ledger.id === LETTERS_ID) return;
  const { ledger } = handle;
  const own = queues.handles.filter((each) => each.ledger === ledger);
  await Promise.all(own.map((each) => queues.close(each)));
  await queues.quiet();
  const topic = queues.topicOf(ledger.topic);
  if (session.isOver || topic === undefined) return;
  world.narrate(`delete group ${ledger.id}`);
  const change = oracles.groups.sent(withoutGroup(ledger.id));
  await session.change(topic.handle.deleteShareGroup(ledger.group), change, () => {
    world.allowTrims();
    oracles.end(ledger.id);
    world.tally.add('deletedShareGroups');
  });
}

/** Deletes the queue's topic with all that is in it, under the hands of its consumers. */
export async function deleteQueue(queues: QueueSession): Promise<void> {
  const { session, world, oracles } = queues;
  const isThere = () => session.store.topics().some(({ name }) => name === QUEUE_TOPIC);
  await queues.quiet();
  if (session.isOver || queues.session.queueTopic === null || session.isChanging) return;
  if (!isThere()) return; // A deletion that nobody knows the outcome of was before.
  world.narrate(`delete ${QUEUE_TOPIC}`);
  const own = queues.handles.filter(({ ledger }) => ledger.topic === QUEUE_TOPIC);
  for (const handle of own) handle.isClosing = true;
  for (const lease of queues.running) {
    if (lease.handle.isClosing) lease.isSettling = true;
  }
  const topic = world.topics.sent(
    (state): Topics => new Map([...state].filter(([name]) => name !== QUEUE_TOPIC)),
  );
  const group = oracles.groups.sent(withoutGroup(QUEUE_ID));
  const gone = (): void => {
    for (const handle of own) queues.handles.splice(queues.handles.indexOf(handle), 1);
    queues.session.queueTopic = null;
    oracles.end(QUEUE_ID);
    world.forgetTopic(QUEUE_TOPIC);
  };
  const hasFailed = () => session.store.stats().journal.state === 'failed';
  await session.follow(
    session.store.deleteTopic(QUEUE_TOPIC),
    () => {
      topic.answered();
      group.answered();
      gone();
      world.tally.add('deletedTopics');
    },
    () => {
      // What failed behind its end is gone all the same.
      if (!isThere() && !hasFailed()) gone();
    },
  );
  const { queueTopic } = session;
  if (!session.isOver && queueTopic !== null && isThere()) {
    await openPartitions(queueTopic).catch(() => undefined);
  }
}
