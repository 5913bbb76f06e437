/** Callers who are answered in several turns of the event loop: see `AckQueue.completeInTurns`. */
import { expect, test } from 'vitest';

import { FailedError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/limits.ts';
import type { AppendResult } from '../../../src/log/append-result.ts';
import type { Log } from '../../../src/log/log.ts';
import { faultyDisk, openTextLog, rejectionOf } from '../../support/log-fixture.ts';

/** Less than what is written before the end of the turn: one write, and one sync. */
const COUNT = 3500;

/** So many appends are synced, the first callers are answered, and the others are not yet. */
async function manyWaiting(log: Log<string>) {
  const progress = { answered: 0 };
  const answer = (result: AppendResult) => {
    progress.answered++;
    return result;
  };
  const appends = Array.from({ length: COUNT }, () => log.append({ value: '' }).then(answer));
  // This disk completes everything without the event loop, which has to wait.
  for (let n = 0; log.syncedOffset < COUNT && n < 10_000; n++) {
    await new Promise((resolve) => process.nextTick(resolve));
  }
  expect(log.syncedOffset).toBe(COUNT);
  expect(progress.answered).toBeGreaterThan(0);
  expect(progress.answered).toBeLessThan(COUNT);
  return { appends, progress };
}

test('all are answered, in order, before close resolves', async () => {
  const log = await openTextLog(await faultyDisk(), { segmentBytesMax: MIB });
  const { appends, progress } = await manyWaiting(log);
  await log.close();
  expect(progress.answered).toBe(COUNT);
  const results = await Promise.all(appends);
  expect(results.map(({ offset }) => offset)).toEqual(Array.from({ length: COUNT }, (_, n) => n));
});

test('whose records are synced is told so, also when the writer fails before it was his turn', async () => {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { segmentBytesMax: MIB });
  const { appends } = await manyWaiting(log);
  fileSystem.addFault({ errno: 'EIO', operations: ['write'], path: '.log' });
  expect(await rejectionOf(log.append({ value: 'x'.repeat(40_000) }))).toBeInstanceOf(FailedError);
  expect(await Promise.all(appends)).toHaveLength(COUNT);
  await rejectionOf(log.close());
});
