/** The operations of a program that read, each compared with what the oracle expects there. */
import { OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { randomBelow } from '../../../src/core/random.ts';
import type { ReadFrom } from '../../../src/log/read-options.ts';
import { describeError } from './describe-error.ts';
import { pick } from './plan.ts';
import { difference, foundRecord } from './records.ts';
import type { Session } from './session.ts';

/** Epochs after which a log may have forgotten where one ended, and refuses to be sure. */
const EPOCHS_REMEMBERED = 14;

/** Where a read must begin, given the marks when it was called; null when more is allowed. */
interface Expectation {
  readonly from: ReadFrom;
  readonly offset: number;
  /** The offset is exact; otherwise the first record may be any from there on. */
  readonly isExact: boolean;
  /** Nothing was there to be read: it begins with what comes later. */
  readonly isEnd: boolean;
  /** Of a read by time: what is older is passed over; else 0. */
  readonly sinceMs: number;
}

/** Reads a range: from an offset, a time, or the last few. */
export async function readRange(session: Session): Promise<void> {
  const { world, log } = session;
  const { random, oracle } = world;
  const { startOffset, visibleOffset } = log;
  const wanted = drawFrom(session);
  const limit = 1 + randomBelow(random, 50);
  world.narrate(`read from ${JSON.stringify(wanted.from)} (${wanted.offset}), limit ${limit}`);
  let expected = wanted.isExact ? wanted.offset : -1;
  let count = 0;
  try {
    for await (const record of log.records({ from: wanted.from, limit })) {
      if (session.isOver) return;
      if (expected < 0) expected = checkFirst(session, wanted, record.offset);
      while (expected < record.offset && oracle.isGap(expected)) expected++;
      if (record.offset !== expected) oracle.fault('A3', `read ${record.offset}, not ${expected}`);
      see(session, record);
      expected = record.offset + 1;
      count++;
    }
  } catch (error) {
    if (session.isOver || session.isPassed(error, wanted.offset)) return;
    if (expected >= 0 && session.isPassed(error, expected)) return;
    session.explain(error);
    return;
  }
  if (session.isOver || log.startOffset > startOffset) return;
  for (; expected >= 0 && oracle.isGap(expected); expected++);
  const isShort = count < limit && expected < visibleOffset;
  if (isShort && wanted.offset < visibleOffset && wanted.offset >= 0) {
    oracle.fault('A3', `a read from ${wanted.offset} ended at ${expected} of ${visibleOffset}`);
  }
  world.tally.add('reads');
}

/** One record by its offset. */
export async function readOne(session: Session): Promise<void> {
  const { world, log } = session;
  const { random, oracle, tally } = world;
  const { startOffset, visibleOffset } = log;
  if (startOffset === visibleOffset) return;
  const offset = startOffset + randomBelow(random, visibleOffset - startOffset);
  try {
    const record = await log.read(offset);
    if (session.isOver) return;
    if (record !== null) see(session, record);
    else if (!oracle.isGap(offset)) oracle.fault('A3', `read(${offset}) found nothing`);
    tally.add('reads');
  } catch (error) {
    if (!session.isPassed(error, offset)) session.explain(error);
  }
}

/** A place that was read in this life or an earlier one: the same record, or a refusal. */
export async function readPosition(session: Session): Promise<void> {
  const { world, log } = session;
  const { random, oracle, tally } = world;
  if (oracle.positions.length === 0) return;
  const { offset, epoch, record } = pick(random, oracle.positions);
  const isThere = oracle.expected(offset)?.id === record.id && offset >= log.startOffset;
  try {
    const found = await log.read(offset, { epoch });
    if (session.isOver) return;
    const problem = found === null ? 'nothing' : difference(record, foundRecord(found));
    if (problem !== null && !oracle.isGap(offset)) {
      oracle.fault('epoch', `offset ${offset} of epoch ${epoch} now holds ${problem}`);
    }
    tally.add('positions');
  } catch (error) {
    const isForgotten = log.epoch - epoch >= EPOCHS_REMEMBERED;
    if (session.isOver || session.isPassed(error, offset)) return;
    if (!(error instanceof OffsetOutOfRangeError)) session.explain(error);
    else if (isThere && !isForgotten && offset < log.visibleOffset) {
      oracle.fault('epoch', `offset ${offset} of epoch ${epoch} is refused: ${String(error)}`);
    } else tally.add('positions');
  }
}

/** A reader that goes along with the log until the program ends. */
export function startFollower(session: Session): void {
  const { world, log } = session;
  const { random, oracle } = world;
  const { startOffset, visibleOffset } = log;
  const from = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
  const follower = { nextOffset: from, isDone: false };
  world.narrate(`follow from ${from}`);
  session.followers.push(follower);
  const run = async (): Promise<void> => {
    try {
      for await (const record of log.records({
        from,
        follow: true,
        signal: session.ending.signal,
      })) {
        if (session.isOver) return;
        while (follower.nextOffset < record.offset && oracle.isGap(follower.nextOffset)) {
          follower.nextOffset++;
        }
        if (record.offset !== follower.nextOffset) {
          oracle.fault('A3', `followed to ${record.offset}, not ${follower.nextOffset}`);
        }
        see(session, record);
        follower.nextOffset = record.offset + 1;
        world.tally.add('followed');
      }
    } catch (error) {
      const isEnd = error === session.ending.signal.reason;
      if (!isEnd && !session.isPassed(error, follower.nextOffset)) session.explain(error);
    } finally {
      follower.isDone = true;
    }
  };
  session.background.push(run());
}

function drawFrom({ world, log }: Session): Expectation {
  const { random, clock, oracle } = world;
  const { startOffset, visibleOffset } = log;
  const kind = randomBelow(random, 4);
  if (kind === 0) {
    const last = randomBelow(random, 12);
    const offset = Math.max(startOffset, visibleOffset - last);
    return { from: { last }, offset, isExact: true, isEnd: false, sinceMs: 0 };
  }
  if (kind === 1) {
    const timestamp = Math.max(0, clock.now() + randomBelow(random, 12_000) - 6000);
    let offset = startOffset;
    while (offset < visibleOffset && (oracle.expected(offset)?.createTimeMs ?? -1) < timestamp) {
      offset++;
    }
    return {
      from: { timestamp },
      offset,
      isExact: false,
      isEnd: offset === visibleOffset,
      sinceMs: timestamp,
    };
  }
  if (kind === 2)
    return { from: 'earliest', offset: startOffset, isExact: true, isEnd: false, sinceMs: 0 };
  const offset = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
  return { from: offset, offset, isExact: true, isEnd: false, sinceMs: 0 };
}

/** Where a read by time began; the log may have grown, or lost its beginning, meanwhile. */
function checkFirst(session: Session, wanted: Expectation, first: number): number {
  const isEarlier = first < wanted.offset;
  const { oracle } = session.world;
  const isPassed = (at: number) =>
    oracle.isGap(at) || (oracle.expected(at)?.createTimeMs ?? 0) < wanted.sinceMs;
  let { offset } = wanted;
  while (offset < first && isPassed(offset)) offset++;
  const isLater = first > offset && session.log.startOffset <= wanted.offset;
  if (isEarlier || (isLater && !wanted.isEnd)) {
    const from = JSON.stringify(wanted.from);
    session.world.oracle.fault(
      'time',
      `a read from ${from} began at ${first}, not ${wanted.offset}`,
    );
  }
  return first;
}

function see(session: Session, record: Parameters<typeof foundRecord>[0]): void {
  const { world, log } = session;
  const isDurable = world.plan.options.durability === 'sync';
  const { visibleOffset } = log;
  try {
    world.oracle.seen(foundRecord(record), { visibleOffset, isDurable });
  } catch (error) {
    world.oracle.fault('read', describeError(error));
  }
}
