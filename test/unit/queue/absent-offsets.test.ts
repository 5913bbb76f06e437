/** Offsets that hold no record, as a share group comes past them. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreDisk } from '../../support/store-disk.ts';

test('are journaled once, also when the attempt was refused and the group begins anew behind it', async () => {
  const disk = await StoreDisk.make();
  let store = await disk.open();
  let queue = await store.queue('q', { codec: utf8, durability: 'os' });
  await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
  for (const delivery of await queue.acquire({ max: 2 })) await delivery.release();
  await queue.pause(); // Synced, so the journal knows that they were there.
  disk.cutPower();
  store = await disk.open();
  queue = await store.queue('q', { codec: utf8 });
  for (const value of ['c', 'd', 'e']) await queue.send(value);
  const topic = await store.topic('q', { codec: utf8 });
  const group = await topic.shareGroup('g');
  await group.purge(); // It is open.
  await group.undoPurge();
  // Twice: the first time the journal has the reserve.
  const noRoom = { operations: ['write'], path: /journal.*log$/, errno: 'ENOSPC' } as const;
  disk.fileSystem.addFault({ ...noRoom, times: 2 });
  await expect(group.acquire({ max: 3 })).rejects.toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
  expect(await group.cancel({ offset: 3 })).toBe(true);
  expect(await group.acquire({ max: 3 })).toMatchObject([{ value: 'c' }, { value: 'e' }]);
  expect(await group.stats()).toMatchObject({ readyCount: 0, leasedCount: 2 });
  await store.close();
});
