/** What must be true of an open log when its program has stopped and nothing fails any more. */
import { inputFor } from './records.ts';
import type { Session } from './session.ts';

/**
 * Lets everything in flight come to its end, and a flush interval pass, and then asks: did a failed
 * sync stop the writer, and does a writer that goes on keep its level and take more?
 */
export async function checkAtRest(session: Session): Promise<void> {
  const { world, log } = session;
  const { oracle, plan, clock, injector, fileSystem, tally } = world;
  fileSystem.clearFaults(); // A short write may have left one for the next.
  await fileSystem.runUntilIdle();
  clock.advance(plan.options.flushMs);
  await fileSystem.runUntilIdle();
  session.observe();
  const { state, syncedOffset, endOffset } = log.stats();
  if (state === 'failed') return;
  if (injector.failedSyncCount > 0) {
    oracle.fault('A17', `${injector.failedSyncCount} syncs failed, and the writer goes on`);
  }
  if (plan.options.durability !== 'os' && syncedOffset < endOffset) {
    oracle.fault(
      'level',
      `synced up to ${syncedOffset} of ${endOffset} after ${plan.options.flushMs} ms`,
    );
  }
  await checkGoesOn(session);
  tally.add('rests');
}

/** Whatever was refused before, there is room now: an append is taken, durable, and read back. */
async function checkGoesOn({ world, log }: Session): Promise<void> {
  const { oracle } = world;
  const record = world.nextRecord();
  const offset = log.endOffset;
  const answer = log.append(inputFor(record), { durability: 'sync' });
  if (log.endOffset > offset) oracle.sent(record, offset);
  const outcome = await world.drive(answer);
  if (outcome.status !== 'done') {
    const why = outcome.status === 'failed' ? String(outcome.error) : outcome.status;
    oracle.fault('A14', `an append was not taken: ${why}`);
    return;
  }
  oracle.acked(record, outcome.value.offset, outcome.value.durability);
  const read = await world.drive(log.read(offset));
  if (read.status !== 'done' || read.value === null) oracle.fault('A14', `no read of ${offset}`);
}
