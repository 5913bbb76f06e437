/** Settings of a share group that change while they are in force. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('a higher leasedMax is for who waits already', async () => {
  const store = await new StoreBench().open();
  const queue = await store.queue('q', { codec: utf8, leasedMax: 1 });
  await queue.sendBatch([{ value: 'a' }, { value: 'b' }]);
  expect(await queue.acquire({ max: 2 })).toHaveLength(1);
  const waiting = queue.acquire({ waitMs: Number.POSITIVE_INFINITY });
  const topic = await store.topic('q', { codec: utf8 });
  await topic.alterShareGroup('queue', { leasedMax: 2 });
  expect(await waiting).toMatchObject([{ value: 'b' }]);
  await store.close();
});

test('a record that could not be buried is ready again when the limits allow it', async () => {
  const bench = new StoreBench();
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await bench.open({ fileSystem });
  let queue = await store.queue('q', { codec: utf8, failuresMax: 5 });
  await queue.send('a');
  for (let failures = 0; failures < 3; failures++) {
    for (const delivery of await queue.acquire()) await delivery.release({ failed: true });
  }
  await queue.close();
  const topic = await store.topic('q', { codec: utf8 });
  await topic.alterShareGroup('queue', { failuresMax: 3 });
  queue = await store.queue('q', { codec: utf8 });
  const isJournal = { operations: ['write' as const], path: /journal.*log$/, errno: 'ENOSPC' };
  // Behind the entry of who takes the group over; twice, for the first time the journal has the reserve.
  fileSystem.addFault({ ...isJournal, skip: 1, times: 2 });
  expect(await queue.acquire()).toEqual([]);
  await turns(50);
  await topic.alterShareGroup('queue', { failuresMax: 10 });
  bench.clock.advance(1000);
  await turns(50);
  expect(await queue.stats()).toMatchObject({ readyCount: 1, deadCount: 0 });
  expect(await queue.acquire()).toMatchObject([{ failures: 3, attempt: 4 }]);
  await store.close();
});
