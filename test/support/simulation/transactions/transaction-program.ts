/** The program of one life: transactions, and all that may come between. */
import { LeaseLostError } from '../../../../src/core/ownership-errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import type { Delivery } from '../../../../src/queue/delivery.ts';
import { turns } from '../../log-fixture.ts';
import { chance, pick } from '../plan.ts';
import { GroupMember } from './group-member.ts';
import { beginTransaction } from './transaction-actor.ts';
import { lookAround } from './transaction-reader.ts';
import {
  GROUP,
  placeOf,
  SCRAP,
  scrapName,
  type TransactionSession,
} from './transaction-session.ts';
import { idOf } from './transaction-world.ts';

type Step = (session: TransactionSession) => void | Promise<void>;

const PARTITIONS_MAX = 4;
const MEMBERS_MAX = 2;
const POLL_MS = 300;

const STEPS: readonly (readonly [number, Step])[] = [
  [14, beginTransaction],
  [6, send],
  [4, append],
  [7, acquire],
  [2, settleOne],
  [5, read],
  [2, changeMembers],
  [3, settle],
  [2, advance],
  [4, loseMembers],
  [1, snapshot],
  [2, lookAround],
  [1, resize],
  [1, grow],
  [1, changeScrap],
];
const TOTAL = STEPS.reduce((sum, [weight]) => sum + weight, 0);

/** @param isBrokenOff  what is on its way then has no answer yet */
export async function runTransactionProgram(
  session: TransactionSession,
  isBrokenOff: boolean,
): Promise<void> {
  const { world } = session;
  const { random, plan } = world;
  for (let left = 10 + randomBelow(random, 5 * plan.stepCount); left > 0; left--) {
    if (session.isOver) return;
    const step = pickStep(session);
    world.narrate(`step ${step.name}`);
    await step(session);
    if (chance(random, 0.4)) await turns(1 + randomBelow(random, 4));
    session.look();
  }
  if (isBrokenOff) return;
  session.resizeDisk(null);
  await session.settle();
  session.look();
}

function pickStep({ world }: TransactionSession): Step {
  let left = randomBelow(world.random, TOTAL);
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  throw new Error('weights add up');
}

/** Records for consumers, some at a time. */
function send(session: TransactionSession): void {
  const { world, handles } = session;
  const { random, oracle } = world;
  for (let left = 1 + randomBelow(random, 4); left > 0; left--) {
    const queue = pick(random, handles.queues);
    const partition = randomBelow(random, queue.topic.partitionCount);
    const id = world.nextId();
    const deed = oracle.begin();
    const record = oracle.brings(deed, id, placeOf(queue.topic, partition));
    void followPlain(session, deed, queue.send(world.textOf(id), { partition }), ({ offset }) => {
      record.offset = offset;
    });
  }
}

function append(session: TransactionSession): void {
  const { world, handles } = session;
  const { random, oracle } = world;
  const topic = pick(random, [handles.orders, handles.orders, handles.audit]);
  const partition = randomBelow(random, topic.partitionCount);
  const id = world.nextId();
  const deed = oracle.begin(topic === handles.audit);
  const record = oracle.brings(deed, id, placeOf(topic, partition));
  const answer = topic.append({ value: world.textOf(id) }, { partition });
  void followPlain(session, deed, answer, ({ offset }) => (record.offset = offset));
}

/** Of a plain call nobody knows what became of it when it fails. */
function followPlain<T>(
  session: TransactionSession,
  deed: ReturnType<TransactionSession['world']['oracle']['begin']>,
  answer: Promise<T>,
  done: (value: T) => void = () => undefined,
): Promise<void> {
  return session.follow(answer, (value) => {
    done(value);
    session.world.oracle.answered(deed);
    session.world.tally.add('plain');
  });
}

function settle(session: TransactionSession): Promise<void> {
  return session.settle();
}

async function acquire(session: TransactionSession): Promise<void> {
  const { world, handles, held } = session;
  const { random, oracle } = world;
  for (const [id, { signal, isSettled }] of held) if (signal.aborted || isSettled) held.delete(id);
  const queue = pick(random, handles.queues);
  await session.follow(queue.acquire({ max: 1 + randomBelow(random, 4) }), (deliveries) => {
    for (const delivery of deliveries) {
      const id = idOf(delivery.value) ?? -1;
      oracle.delivered(id);
      held.set(id, delivery);
    }
    world.tally.add('deliveries', deliveries.length);
  });
}

/** By itself: the transactions that want to ack it come to nothing. */
function settleOne(session: TransactionSession): void {
  const { world, held } = session;
  const { random, oracle } = world;
  if (held.size === 0) return;
  const [id, delivery] = pick(random, [...held]);
  session.use(delivery);
  held.delete(id);
  if (chance(random, 0.4)) {
    void session.follow(orLost(delivery.release()), () => world.tally.add('releases'));
    return;
  }
  const deed = oracle.begin();
  deed.acks.add(id);
  void session.follow(orLost(ackOf(delivery)), (isAcked) => {
    if (isAcked) oracle.answered(deed);
    else oracle.refused(deed);
  });
}

/** A second call is the first one: a transaction that is acking it, perhaps. */
function ackOf(delivery: Delivery<string>): Promise<void> {
  return delivery.ack();
}

async function orLost(answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer;
    return true;
  } catch (error) {
    if (error instanceof LeaseLostError) return false;
    throw error;
  }
}

function read({ members }: TransactionSession): void {
  for (const member of members) member.read();
}

async function changeMembers(session: TransactionSession): Promise<void> {
  const { world, members, handles } = session;
  const { random } = world;
  if (members.length > 0 && (members.length === MEMBERS_MAX || chance(random, 0.4))) {
    const member = pick(random, members);
    world.narrate('a member leaves');
    session.members = members.filter((one) => one !== member);
    void session.follow(member.handle.close(), () => undefined);
    return;
  }
  world.narrate('a member joins');
  const joined = handles.orders.consumerGroup(GROUP, { pollMsMax: POLL_MS });
  await session.follow(joined, (handle) => {
    const member = new GroupMember(handle, (error) => session.explain(error));
    session.members.push(member);
    member.read();
  });
}

/** Leases run out, members are taken for dead. */
async function advance({ world }: TransactionSession): Promise<void> {
  world.clock.advance(pick(world.random, [1, 50, 200, 450, 2000]));
  await turns(1);
}

/** They are taken for dead, and others go on with what they had, whatever is on its way. */
async function loseMembers(session: TransactionSession): Promise<void> {
  const { world, members } = session;
  const [first] = members;
  if (first === undefined) return;
  if (chance(world.random, 0.7)) beginTransaction(session);
  await turns(randomBelow(world.random, 3));
  world.clock.advance(POLL_MS);
  for (const member of members.toReversed()) member.read();
}

function snapshot(session: TransactionSession): void {
  void session.follow(session.store.snapshot(), () => session.world.tally.add('runs'));
}

function resize(session: TransactionSession): void {
  const { random } = session.world;
  const how = pick(random, ['cramp', 'cramp', 'limit', 'nothing'] as const);
  if (session.isDiskLimited) session.resizeDisk(null);
  else if (how === 'limit') session.resizeDisk(randomBelow(random, 6000));
  else if (how === 'cramp') session.cramp(/(topics|journal).*log$/, 1 + randomBelow(random, 4));
}

async function grow(session: TransactionSession): Promise<void> {
  const { store, handles, world } = session;
  const { orders } = handles;
  const total = orders.partitionCount + 1;
  if (session.isChanging || total > PARTITIONS_MAX) return;
  session.isChanging = true;
  world.narrate(`grow to ${total}`);
  await session.follow(store.addPartitions('orders', total), async () => {
    await session.openLog(orders, total - 1);
    world.tally.add('partitions');
  });
  session.isChanging = false;
}

/** Deletes a topic in the middle of whatever brings records there, or makes another one of its name. */
async function changeScrap(session: TransactionSession): Promise<void> {
  const { store, world } = session;
  if (session.isChanging) return;
  session.isChanging = true;
  const isThere = store.topics().some(({ name }) => name === SCRAP);
  if (isThere) {
    world.narrate('delete the scrap');
    world.oracle.isGoing(scrapName(store));
    session.scrap = null;
  }
  const answer = isThere ? store.deleteTopic(SCRAP) : session.createScrap();
  const changed = session
    .follow<unknown>(answer, async () => {
      if (isThere) world.tally.add('deletedTopics');
      else await session.openScrap();
    })
    .finally(() => (session.isChanging = false));
  if (chance(world.random, 0.5)) await changed;
}
