/** What a consumer of its own needs to stop a group when too much of it dies. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { quiet } from '../../support/fake-queue.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const COUNT = 100;
const DEATHS_MAX = 3;
/** A worker has so many records at most that are settled and not yet durable. */
const AHEAD = 16;

test('paused by who counts its deaths, a group keeps what has not died, until it is resumed', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const queue = await store.queue('q', { codec: utf8, failuresMax: 1, deadLetter: 'dead' });
  await queue.sendBatch(Array.from({ length: COUNT }, (_, n) => ({ value: `${n}` })));
  const deaths: object[] = [];
  /** When the pause was durable: until then records are handed out. */
  let deadBefore = Number.NaN;
  store.on('record-died', (death) => {
    deaths.push(death);
    if (deaths.length === DEATHS_MAX) {
      void queue.pause().then(() => (deadBefore = deaths.length));
    }
  });
  let isDown = true;
  const worker = queue.work(() => {
    if (isDown) throw new Error('the other side is down');
  });
  await quiet(100);
  expect(await queue.stats()).toMatchObject({ isPaused: true, leasedCount: 0 });
  const place = { topic: 'q', group: 'queue', partition: 0, reason: 'failures' };
  for (const death of deaths) expect(death).toMatchObject(place);
  const deadCount = deaths.length;
  expect(deadCount).toBeLessThanOrEqual(deadBefore + AHEAD);
  expect(deadCount).toBeLessThan(COUNT);
  await quiet(100);
  expect(deaths).toHaveLength(deadCount);
  isDown = false;
  await queue.resume();
  await quiet(300);
  await worker.drain();
  expect(await queue.stats()).toMatchObject({
    unsettledCount: 0,
    settled: { acked: COUNT - deadCount, failures: deadCount },
  });
  await store.close();
});
