/** The program of one life: a random script over a session. */
import { randomBelow, type Random } from '../../../src/core/random.ts';
import { OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import type { ReadOptions } from '../../../src/log/read-options.ts';
import { chance, pick } from './plan.ts';
import { foundRecord } from './records.ts';
import { causeOf, type Session } from './session.ts';

type Step = (session: Session, random: Random) => void | Promise<void>;

const STEPS: readonly (readonly [number, Step])[] = [
  [10, (session, random) => repeat(1 + randomBelow(random, 6), () => session.append())],
  [4, (session) => session.appendBatch()],
  [3, (session) => session.appendNoWait()],
  [2, (session) => session.sync()],
  [4, (session) => session.settle()],
  [3, advance],
  [3, read],
  [1, trim],
  [1, resize],
];

/** Runs the script, and waits for all answers at its end. */
export async function runProgram(session: Session): Promise<void> {
  const { world } = session;
  const { random, plan } = world;
  for (let left = 1 + randomBelow(random, plan.stepCount); left > 0; left--) {
    if (session.isOver) return;
    await pickStep(random)(session, random);
    if (chance(random, 0.3)) await turns(1 + randomBelow(random, 4));
    session.observe();
  }
  session.resizeDisk(null);
  await session.settle();
  session.observe();
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
  world.clock.advance(pick(random, [1, 10, 60, 250, 1500]));
  if (world.plan.jumpsClock && chance(random, 0.3)) {
    world.clock.jumpTo(Math.max(0, world.clock.now() + pick(random, [-3_600_000, -1000, 1000, 3_600_000])));
  }
}

function trim(session: Session, random: Random): void {
  if (!session.world.plan.trims) return;
  if (chance(random, 0.5)) session.deleteBefore();
  else session.retain();
}

function resize(session: Session): void {
  const { fullDiskBytes } = session.world.plan;
  if (fullDiskBytes !== null) session.resizeDisk(session.isDiskLimited ? null : fullDiskBytes);
}

/** Reads a part, which must be exactly what the oracle expects there. */
async function read(session: Session, random: Random): Promise<void> {
  const { world, log } = session;
  const { oracle, tally, plan } = world;
  const { startOffset, visibleOffset } = log;
  const from = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
  const options: ReadOptions = { from, limit: 1 + randomBelow(random, 50) };
  let expected = from;
  try {
    for await (const record of log.records(options)) {
      if (session.isOver) return;
      while (expected < record.offset && oracle.isGap(expected)) expected++;
      if (record.offset !== expected) oracle.fault('A3', `read ${record.offset}, not ${expected}`);
      oracle.seen(foundRecord(record), {
        visibleOffset: log.visibleOffset,
        isDurable: plan.durability === 'sync',
      });
      expected = record.offset + 1;
    }
  } catch (error) {
    if (session.isOver) return;
    const isPassed = error instanceof OffsetOutOfRangeError && log.startOffset > from;
    if (!isPassed && (error instanceof OffsetOutOfRangeError || !session.isExplained(error))) {
      oracle.fault('read', `${String(error)}${causeOf(error)}`);
    }
  }
  tally.add('reads');
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
