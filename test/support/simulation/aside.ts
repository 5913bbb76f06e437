/** A second opener, read-only, as another process would be, beside a writer that goes on. */
import { IoError, OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import type { Log } from '../../../src/log/log.ts';
import { describeError } from './describe-error.ts';
import { difference, foundRecord } from './records.ts';
import type { Session } from './session.ts';

/**
 * Reads everything, then what came meanwhile: records as they were sent, in order and without a
 * hole, none that the writer's own readers could not see, or an error that a failing disk or a trim
 * explains. Never damage, and never a write.
 */
export async function readAside(session: Session): Promise<void> {
  const { world } = session;
  const { oracle, injector, tally } = world;
  let log: Log<Uint8Array> | null = null;
  let { startOffset } = session.log;
  world.narrate('read aside');
  try {
    log = await world.open({ readOnly: true, onCorruption: 'fail' });
    startOffset = log.startOffset; // A trim that is under way may not be in the checkpoint yet.
    const end = await readFrom(session, log, startOffset);
    await log.refresh();
    await readFrom(session, log, Math.max(end, log.startOffset));
    if (!session.isOver) tally.add('asides');
  } catch (error) {
    if (session.isOver) return;
    const isTrimmed = session.log.startOffset > startOffset;
    const isPassed = error instanceof OffsetOutOfRangeError && isTrimmed;
    const isFailing = error instanceof IoError && injector.firedCount > 0;
    if (!isPassed && !isFailing) oracle.fault('aside', describeError(error));
  } finally {
    if (!session.isOver) await log?.close().catch((error: unknown) => session.explain(error));
  }
}

/** Reads from `from` to the end as the handle sees it, and returns where that is. */
async function readFrom(session: Session, log: Log<Uint8Array>, from: number): Promise<number> {
  const { oracle } = session.world;
  let expected = from;
  for await (const record of log.records({ from })) {
    if (session.isOver) break;
    while (expected < record.offset && oracle.isGap(expected)) expected++;
    const { offset } = record;
    if (offset !== expected) oracle.fault('aside', `${offset}, not ${expected}`);
    // A writer that failed between a sync and its answer shows less than it synced.
    const { visibleOffset, syncedOffset } = session.log;
    if (offset >= Math.max(visibleOffset, syncedOffset)) {
      oracle.fault('aside', `${offset} is not visible`);
    }
    const sent = oracle.expected(offset);
    const problem = sent === null ? 'nobody sent it' : difference(sent, foundRecord(record));
    if (problem !== null) oracle.fault('aside', `offset ${offset}: ${problem}`);
    expected++;
  }
  return expected;
}
