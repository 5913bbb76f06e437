/** Changes of bindings while a group of commits waits for the disk of one of its logs. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { FailedError } from '../../../src/core/errors.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { faultyDisk, rejectionOf, turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** Two transactions in one group, which waits for a sync of a log of the first. */
async function waiting() {
  const fileSystem = await faultyDisk();
  const held = new HeldSyncs(fileSystem, '/bad-');
  const store = await new StoreBench().open({ fileSystem });
  const bad = await store.topic('bad', { codec: utf8, durability: 'os' });
  await store.topic('one');
  const events = await store.exchange('events', { type: 'topic', codec: utf8 });
  await events.bind('one', { pattern: '#' });
  await events.publish('before', { routingKey: 'k' }); // Open, both are committed together.
  await bad.append({ value: 'in front' });
  held.hold();
  const first = store.transaction((tx) => void tx.append(bad, { value: 'a' }));
  const second = store.transaction((tx) => tx.publish(events, 'x', { routingKey: 'k' }));
  while (held.waiting.length === 0) await turns(1);
  return { fileSystem, held, store, events, first, second };
}

test('a change of the bindings does not wait for them, and does not count for what they published', async () => {
  const { held, store, events, first, second } = await waiting();
  expect(await events.unbind('one', { pattern: '#' })).toBe(true);
  held.release();
  await first;
  expect((await second).result).toMatchObject({ destinations: ['one'] });
  await store.close();
});

test('what is sent back with the log that failed is routed again, by the bindings as they are now', async () => {
  const { fileSystem, held, store, events, first, second } = await waiting();
  expect(await events.unbind('one', { pattern: '#' })).toBe(true);
  fileSystem.addFault({ operations: ['datasync'], path: /\/bad-/, errno: 'EIO' });
  held.release();
  expect(await rejectionOf(first)).toBeInstanceOf(FailedError);
  expect((await second).result).toMatchObject({ destinations: [] });
  await store.close().catch(() => undefined);
});

test('what is sent back is refused when its exchange was deleted meanwhile, and nothing of it is there', async () => {
  const { fileSystem, held, store, first, second } = await waiting();
  const deleting = store.deleteExchange('events');
  await turns(20);
  fileSystem.addFault({ operations: ['datasync'], path: /\/bad-/, errno: 'EIO' });
  held.release();
  expect(await rejectionOf(first)).toBeInstanceOf(FailedError);
  expect(await rejectionOf(second)).toMatchObject({
    code: 'ERR_VARVE_CLOSED',
    details: { resource: 'exchange', name: 'events' },
  });
  await deleting;
  expect(store.misfits.count).toBe(0);
  await store.close().catch(() => undefined);
});
