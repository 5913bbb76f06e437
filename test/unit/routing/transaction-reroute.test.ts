/** A transaction that publishes, and is taken back by the log of another: it goes by the bindings of its next try. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { RoutingDisk } from '../../support/routing-disk.ts';

test('is routed anew when it is taken back before it is durable', async () => {
  const disk = await RoutingDisk.make();
  onTestFinished(() => disk.close().catch(() => undefined));
  const made = await disk.exchange('events', { type: 'fanout' });
  await disk.bound(made, 'one');
  await disk.run(disk.store.topic('two'));
  await disk.run(disk.store.topic('other', { codec: utf8, durability: 'os' }));
  await disk.close();
  const syncs = new HeldSyncs(disk.disk.fileSystem, '/topics/other');
  await disk.open();
  onTestFinished(() => syncs.release());
  const events = await disk.exchange('events');
  const other = await disk.run(disk.store.topic('other', { codec: utf8 }));
  await disk.run(other.append({ value: 'plain' })); // To be synced before what a commit brings.
  syncs.hold();
  const published = disk.store.transaction((tx) => tx.publish(events, 'x'));
  const taken = disk.store.transaction((tx) => tx.append(other, { value: 'never' }));
  const refused = rejectionOf(taken);
  await disk.turns(20);
  expect(syncs.waiting).toHaveLength(1);
  const bound = events.bind('two');
  await disk.turns(20);
  disk.disk.fileSystem.addFault({ operations: ['datasync'], path: /topics\/other/, errno: 'EIO' });
  syncs.release();
  await disk.run(bound);
  expect(await disk.run(refused)).toMatchObject({
    code: 'ERR_VARVE_FAILED',
    details: { indeterminate: false }, // The journal never heard of it.
  });
  expect((await disk.run(published)).result?.destinations).toEqual(['one', 'two']);
  await disk.settle(events);
  for (const name of ['one', 'two']) expect(await disk.values(name)).toEqual(['x', 'settle']);
});
