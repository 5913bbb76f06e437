/** What the journal says of destinations that are let off, while other marks are being written. */
import { afterEach, expect, it, vi } from 'vitest';

import { Journal } from '../../../src/journal/journal.ts';
import { projectionMarked } from '../../../src/routing/projection-entries.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

afterEach(() => vi.restoreAllMocks());

/** An exchange with three destinations, of which two take nothing, and a journal that can be held up. */
async function bench() {
  const disk = await RoutingDisk.make();
  const first = await disk.exchange('events', { type: 'topic' });
  await disk.bound(first, 'one', 'two', 'other');
  await disk.settle(first);
  await disk.close();
  const { fileSystem } = disk.disk;
  const syncs = new HeldSyncs(fileSystem, '/journal/');
  await disk.open();
  const events = await disk.exchange('events');
  for (const full of ['one', 'two']) {
    const path = disk.filesOf(full);
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, times: Infinity });
  }
  await disk.publishEach(events, numbered(5));
  await disk.until(async () => (await disk.values('other')).length === 6);
  await disk.step(2000);
  return { disk, events, syncs };
}

it('no mark says that a destination is let off without how much that is', async () => {
  const { disk, events, syncs } = await bench();
  const { endOffset } = await disk.run(events.stats());
  const append = vi.spyOn(Journal.prototype, 'append');
  syncs.hold();
  const one = events.detach('one'); // Its mark is being synced...
  await disk.turns(20);
  await disk.publishEach(events, ['later']); // ...the next waits for it...
  await disk.step(1000);
  const two = events.detach('two'); // ...and so does this one.
  await disk.turns(50);
  syncs.release();
  expect(await disk.run(one)).toBe(5);
  expect(await disk.run(two)).toBe(6);
  const marks = append.mock.calls.filter(([type]) => type.name === projectionMarked.name);
  const letOff = [expect.objectContaining({ position: endOffset + 1, endOffset: 1 })];
  expect(marks.map(([, entry]) => entry)).toMatchObject([
    { skippedCount: 5 },
    { skippedCount: 0, logs: expect.not.arrayContaining(letOff) },
    { skippedCount: 6, logs: expect.arrayContaining(letOff) },
  ]);
  await disk.close();
});

it('two who let the same destination off at once count once what it misses', async () => {
  const { disk, events, syncs } = await bench();
  syncs.hold();
  const both = Promise.all([events.detach('one'), events.detach('one')]);
  await disk.turns(50);
  syncs.release();
  const counts = await disk.run(both);
  expect(counts.toSorted()).toEqual([0, 5]);
  expect(await disk.run(events.stats())).toMatchObject({ skippedCount: 5 });
  await disk.close();
});
