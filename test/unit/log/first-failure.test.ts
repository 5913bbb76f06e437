import { expect, test } from 'vitest';

import { FailedError, IoError } from '../../../src/core/errors.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { HeldWrites } from '../../support/held-writes.ts';
import { faultyDisk, openTextLog, rejectionOf, turns } from '../../support/log-fixture.ts';

/** Too large for the calling thread. */
const LARGE = 'x'.repeat(500_000);

/** Which operation stopped the writer. */
async function causeOf(rejected: Promise<unknown>): Promise<string> {
  const error = await rejectionOf(rejected);
  expect(error).toBeInstanceOf(FailedError);
  const cause: unknown = error instanceof FailedError ? error.cause : null;
  return cause instanceof IoError ? cause.details.operation : String(cause);
}

test.each(['sync first', 'write first'])(
  'the first failure is the one to hear of: %s',
  async (how) => {
    const fileSystem = await faultyDisk();
    const syncs = new HeldSyncs(fileSystem, '.log');
    const writes = new HeldWrites(fileSystem, '.log');
    const log = await openTextLog(fileSystem, { durability: 'os' });
    syncs.hold();
    const synced = causeOf(log.append({ value: 'a' }, { durability: 'sync' }));
    await turns(5);
    writes.hold();
    const written = causeOf(log.append({ value: LARGE }));
    const trimmed = rejectionOf(log.deleteBefore(1)); // Waits for the sync.
    await turns(5);
    expect([syncs.waiting.length, writes.waiting.length]).toEqual([1, 1]);
    for (const operation of ['datasync', 'write'] as const) {
      fileSystem.addFault({
        errno: 'EIO',
        operations: [operation],
        path: /\.log$/,
        times: Infinity,
      });
    }
    const [one, other] = how === 'sync first' ? [syncs, writes] : [writes, syncs];
    one.release();
    await turns(10);
    other.release();
    await turns(10);
    const first = how === 'sync first' ? 'datasync' : 'write';
    expect(await Promise.all([synced, written])).toEqual([first, first]);
    expect(await trimmed).toMatchObject({ details: { operation: first } });
    expect(await causeOf(log.append({ value: 'later' }))).toBe(first);
    expect(await causeOf(log.append({ value: 'later' }, { durability: 'sync' }))).toBe(first);
    expect(await causeOf(log.sync())).toBe(first);
    await log.close().catch(() => undefined);
  },
);
