/** Pausing a queue: synced when it resolves, also when it was paused already. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreDisk } from '../../support/store-disk.ts';

test('a pause that could not be synced is not taken for one that was', async () => {
  const disk = await StoreDisk.make();
  const work = async () => {
    const store = await disk.open();
    const queue = await store.queue('q', { codec: utf8 });
    await queue.send('a');
    disk.fileSystem.addFault({ operations: ['datasync'], path: /journal.*log$/, errno: 'EIO' });
    const first = await Promise.allSettled([queue.pause()]);
    disk.fileSystem.clearFaults();
    return [...first, ...(await Promise.allSettled([queue.pause()]))];
  };
  const failed = { status: 'rejected', reason: { code: 'ERR_VARVE_FAILED' } };
  expect(await disk.drive(work())).toMatchObject({ status: 'done', value: [failed, failed] });
  disk.cutPower();
  const look = async () => {
    const store = await disk.open();
    const queue = await store.queue('q', { codec: utf8 });
    const { isPaused } = await queue.stats();
    await store.close();
    return isPaused;
  };
  expect(await disk.drive(look())).toEqual({ status: 'done', value: false });
});
