/** The program of one life: a random script over a session. */
import { randomBelow, type Random } from '../../../src/core/random.ts';
import { readAside } from './aside.ts';
import { append, appendBatch, appendNoWait, flush } from './appends.ts';
import { chance, pick } from './plan.ts';
import { readOne, readPosition, readRange, startFollower } from './reads.ts';
import type { Session } from './session.ts';

type Step = (session: Session, random: Random) => void | Promise<void>;

const STEPS: readonly (readonly [number, Step])[] = [
  [10, (session, random) => repeat(1 + randomBelow(random, 6), () => append(session))],
  [4, appendBatch],
  [3, appendNoWait],
  [2, (session) => flush(session, 'sync')],
  [4, (session) => session.settle()],
  [3, advance],
  [3, readRange],
  [1, readOne],
  [1, readPosition],
  [1, startFollower],
  [1, readAside],
  [2, trim],
  [2, compact],
  [1, resize],
];

/** Runs the script, and waits for all answers at its end. */
export async function runProgram(session: Session): Promise<void> {
  const { random, plan } = session.world;
  for (let left = 1 + randomBelow(random, plan.stepCount); left > 0; left--) {
    if (session.isOver) return;
    await pickStep(random)(session, random);
    if (chance(random, 0.3)) await turns(1 + randomBelow(random, 4));
    session.observe();
  }
  session.resizeDisk(null);
  await session.settle();
  await finishFollowers(session);
  session.observe();
}

/** Each follower that nothing stopped gets all there is. */
async function finishFollowers(session: Session): Promise<void> {
  const { log, followers, ending, background } = session;
  const isBehind = () => followers.some((one) => !one.isDone && one.nextOffset < log.visibleOffset);
  while (isBehind() && !session.isOver) await turns(1);
  ending.abort(new Error('the program ends'));
  await Promise.all(background);
}

function pickStep(random: Random): Step {
  const total = STEPS.reduce((sum, [weight]) => sum + weight, 0);
  let left = randomBelow(random, total);
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  throw new Error('weights add up');
}

function advance({ world }: Session, random: Random): void {
  const { clock, plan } = world;
  clock.advance(pick(random, [1, 10, 60, 250, 1500]));
  world.noteTime();
  if (!plan.jumpsClock || chance(random, 0.7)) return;
  clock.jumpTo(Math.max(0, clock.now() + pick(random, [-3_600_000, -1000, 1000, 3_600_000])));
  world.noteTime();
}

function trim(session: Session, random: Random): void {
  const { log, world } = session;
  const { oracle, plan, tally } = world;
  if (!plan.trims) return;
  if (chance(random, 0.5)) {
    void session.follow(log.retain(), ({ startOffset }) => {
      oracle.startMin = Math.max(oracle.startMin, startOffset);
    });
    return;
  }
  const { startOffset, visibleOffset } = log;
  const offset = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
  world.narrate(`deleteBefore(${offset})`);
  oracle.startMax = Math.max(oracle.startMax, offset);
  session.deletedMax = Math.max(session.deletedMax, offset);
  void session.follow(log.deleteBefore(offset), () => {
    oracle.startMin = Math.max(oracle.startMin, offset);
    if (log.startOffset < offset) oracle.fault('start', `${offset} was deleted in vain`);
    tally.add('trims');
  });
}

function compact(session: Session): void {
  const { log, world } = session;
  const { plan, tally } = world;
  if (!plan.compacts) return;
  world.narrate('compact');
  void session.follow(log.compact(), ({ rewrittenSegmentCount, supersededCount }) => {
    tally.add('compactions');
    tally.add('rewrittenSegments', rewrittenSegmentCount);
    tally.add('superseded', supersededCount);
  });
}

function resize(session: Session): void {
  const { fullDiskBytes } = session.world.plan;
  if (fullDiskBytes !== null) session.resizeDisk(session.isDiskLimited ? null : fullDiskBytes);
}

function repeat(count: number, action: () => void): void {
  for (let left = count; left > 0; left--) action();
}

/** Lets the event loop go on a little. */
async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
