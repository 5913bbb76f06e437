/** A second opener, read-only, as another process would be, beside a writer that goes on. */
import { IoError, OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import type { Log } from '../../../src/log/log.ts';
import { describeError } from './describe-error.ts';
import { difference, foundRecord } from './records.ts';
import type { Session } from './session.ts';

/**
 * Reads everything: records as they were sent, in order and without a hole, or an error that a
 * failing disk or a trim explains. Never damage, and never a write.
 */
export async function readAside(session: Session): Promise<void> {
  const { world } = session;
  const { oracle, injector, tally } = world;
  let log: Log<Uint8Array> | null = null;
  world.narrate('read aside');
  try {
    log = await world.open({ readOnly: true, onCorruption: 'fail' });
    let expected = log.startOffset;
    for await (const record of log.records()) {
      if (session.isOver) return;
      while (expected < record.offset && oracle.isGap(expected)) expected++;
      if (record.offset !== expected) oracle.fault('aside', `${record.offset}, not ${expected}`);
      const sent = oracle.expected(record.offset);
      const problem = sent === null ? 'nobody sent it' : difference(sent, foundRecord(record));
      if (problem !== null) oracle.fault('aside', `offset ${record.offset}: ${problem}`);
      expected++;
    }
    tally.add('asides');
  } catch (error) {
    if (session.isOver) return;
    const isTrimmed = session.log.startOffset > (log?.startOffset ?? 0);
    const isPassed = error instanceof OffsetOutOfRangeError && isTrimmed;
    const isFailing = error instanceof IoError && (injector.firedCount > 0 || isTrimmed);
    if (!isPassed && !isFailing) oracle.fault('aside', describeError(error));
  } finally {
    if (!session.isOver) await log?.close().catch((error: unknown) => session.explain(error));
  }
}
