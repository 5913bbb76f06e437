/** The program of one life of the simulation of ids: sends, and all that may come between. */
import { randomBelow } from '../../../../src/core/random.ts';
import { turns } from '../../log-fixture.ts';
import { chance, pick } from '../plan.ts';
import { drawLikeness, identityOf, sendOne, sendSome } from './dedup-sends.ts';
import { numberIn, type DedupSession } from './dedup-session.ts';
import { QUEUE } from './dedup-world.ts';

type Step = (session: DedupSession) => void | Promise<void>;

const PROBES = 8;

const STEPS: readonly (readonly [number, Step])[] = [
  [14, sendSome],
  [4, acquire],
  [4, ack],
  [3, (session) => session.settle()],
  [3, advance],
  [1, snapshot],
  [1, resize],
];
const TOTAL = STEPS.reduce((sum, [weight]) => sum + weight, 0);

/** @param isBrokenOff  what is on its way then has no answer yet */
export async function runDedupProgram(session: DedupSession, isBrokenOff: boolean): Promise<void> {
  const { world } = session;
  const { random, plan } = world;
  for (let left = 10 + randomBelow(random, 5 * plan.stepCount); left > 0; left--) {
    if (session.isOver) return;
    await pickStep(session)(session);
    if (chance(random, 0.4)) await turns(1 + randomBelow(random, 4));
    session.observe();
  }
  if (isBrokenOff) return;
  session.resizeDisk(null);
  await session.settle();
  session.observe();
}

/** Sends what may be there already, one by one: what counts, and nothing else, is a duplicate. */
export async function probe(session: DedupSession): Promise<void> {
  const { world } = session;
  const { tally } = world;
  for (let left = PROBES; left > 0 && !session.isOver; left--) {
    const to = pick(world.random, session.topics);
    const likeness = drawLikeness(session);
    const identity = identityOf(to, likeness);
    if (identity === null) continue;
    const calledMs = world.clock.now();
    const before = to.oracle.counting(identity, { calledMs, nowMs: calledMs });
    const duplicate = await sendOne(session, to, likeness);
    if (session.isOver || duplicate === null) return;
    const isLater = world.clock.now() > calledMs;
    tally.add(duplicate ? 'probedDuplicates' : 'probedNew');
    if (duplicate && before.max === 0) world.fault('A9', `${to.name}: ${identity} is free`);
    if (!duplicate && before.min > 0 && !isLater) {
      world.fault('A9', `${to.name}: ${identity} is stored, and was stored again`);
    }
    if (!duplicate && before.known > 0) tally.add('again');
  }
}

function pickStep({ world }: DedupSession): Step {
  let left = randomBelow(world.random, TOTAL);
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  throw new Error('weights add up');
}

async function acquire(session: DedupSession): Promise<void> {
  const { world, queue } = session;
  const max = 1 + randomBelow(world.random, 5);
  await session.follow(queue.acquire({ max }), (deliveries) => {
    session.held.push(...deliveries);
    world.tally.add('deliveries', deliveries.length);
  });
}

/** What is settled is free. */
function ack(session: DedupSession): void {
  const { world } = session;
  const oracle = world.oracle(QUEUE);
  for (const delivery of session.held.splice(0, 1 + randomBelow(world.random, 4))) {
    const number = numberIn(delivery.headers);
    world.narrate(`ack #${number}`);
    oracle.ackCalled(number);
    void session.follow(delivery.ack(), () => {
      oracle.ackAnswered(number);
      world.tally.add('acks');
    });
  }
}

/** Windows end, and retention looks at what it may take. */
async function advance({ world }: DedupSession): Promise<void> {
  const ms = pick(world.random, [10, 1000, 59_990, 60_001, 60_300, 310_000]);
  world.narrate(`advance ${ms}`);
  world.clock.advance(ms);
  await turns(1);
}

function snapshot(session: DedupSession): void {
  void session.follow(session.store.snapshot(), () => session.world.tally.add('runs'));
}

function resize(session: DedupSession): void {
  const { random } = session.world;
  const how = pick(random, ['cramp', 'cramp', 'limit', 'nothing'] as const);
  if (session.isDiskLimited) session.resizeDisk(null);
  else if (how === 'limit') session.resizeDisk(randomBelow(random, 6000));
  else if (how === 'cramp') session.cramp(/(topics|journal).*log$/, 1 + randomBelow(random, 4));
}
