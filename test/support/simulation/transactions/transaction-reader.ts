/** A reader of a running store, who looks at one log after the other. */
import { ClosedError, OffsetOutOfRangeError } from '../../../../src/core/errors.ts';
import { shuffled } from './shuffled.ts';
import type { OpenLog, TransactionSession } from './transaction-session.ts';
import { idOf } from './transaction-world.ts';

/** Who saw a record of a deed in one log sees its records in all logs that he looks at later. */
export async function lookAround(session: TransactionSession): Promise<void> {
  const { world, logs } = session;
  const seen = new Set<number>();
  const looked: { readonly place: string; readonly open: OpenLog; readonly before: Set<number> }[] =
    [];
  for (const [place, open] of shuffled(world.random, [...logs])) {
    if (world.oracle.isGone(place)) continue;
    const before = new Set(seen);
    const found = await idsIn(session, open);
    if (found === null || session.isOver) return;
    for (const id of found) seen.add(id);
    looked.push({ place, open, before });
  }
  world.tally.add('looks');
  for (const { place, open, before } of looked) {
    if (world.oracle.isGone(place) || open.log.stats().state === 'failed') continue;
    for (const id of before) {
      const { records = [], name } = world.oracle.deedOf(id) ?? {};
      for (const other of records) {
        // Of queues what is acked may be trimmed.
        if (other.place !== place || seen.has(other.id) || isTrimmed(open, other.offset)) continue;
        world.fault('A4', `a reader saw #${id}, and then not #${other.id} of ${name}`);
      }
    }
  }
}

function isTrimmed({ log }: OpenLog, offset: number | null): boolean {
  return offset === null ? log.startOffset > 0 : offset < log.startOffset;
}

/** By number: where they are. @returns what is there when retention has not taken the beginning meanwhile */
export async function readLog({ topic, partition }: OpenLog): Promise<[id: number, at: number][]> {
  for (;;) {
    const found: [number, number][] = [];
    try {
      for await (const { value, offset } of topic.records({ partitions: partition })) {
        found.push([idOf(value) ?? -1, offset]);
      }
      return found;
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
    }
  }
}

/** Null = they cannot be read, for a reason that had to be expected. */
async function idsIn(session: TransactionSession, open: OpenLog): Promise<number[] | null> {
  try {
    return (await readLog(open)).map(([id]) => id);
  } catch (error) {
    if (session.isOver) return null;
    const isExpected = error instanceof ClosedError || session.hasMishap;
    if (!isExpected) session.explain(error);
    return null;
  }
}
