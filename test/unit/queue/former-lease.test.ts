/** A record came back, and is leased again, before whoever had it knows that this is durable. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { turns } from '../../support/log-fixture.ts';

const LEASE_MS = 400;

test('the lease that ends by time is the one that runs', async () => {
  const disk = await StoreDisk.make();
  const syncs = new HeldSyncs(disk.fileSystem, 'journal');
  const store = await disk.open();
  const queue = await store.queue('q', { codec: utf8, leaseMs: LEASE_MS, leasedMax: 2 });
  await queue.sendBatch([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
  const former = present((await queue.acquire())[0], 'it was sent');
  const { signal: formerSignal } = former;
  syncs.hold();
  const released = former.release();
  await turns(20); // The entry is applied.
  const again = present((await queue.acquire({ waitMs: 100 }))[0], 'it came back');
  const { signal } = again;
  expect(again).toMatchObject({ value: 'a', attempt: 2 });
  for (let passed = 0; passed < 2 * LEASE_MS; passed += 50) {
    disk.clock.advance(50);
    await turns(2);
  }
  expect(signal.reason).toMatchObject({
    code: 'ERR_VARVE_LEASE_LOST',
    details: { reason: 'expired' },
  });
  expect(formerSignal.aborted).toBe(false);
  syncs.release();
  await released;
  // Nothing is leased any more, and as many as ever may be.
  expect(await queue.acquire({ max: 3 })).toMatchObject([{ value: 'a' }, { value: 'b' }]);
  await store.close();
});
