/** How much is read to tell how old the oldest record of a queue is. */
import { expect, test } from 'vitest';

import { DIRECT_READ_BYTES_MAX, READ_WINDOW_BYTES } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('the figures of a queue cost one batch of its log, not a window of it', async () => {
  const bench = new StoreBench();
  let readBytes = 0;
  let isMeasured = false;
  const fileSystem = new FaultyFileSystem({
    random: new SeededRandom(1),
    trace: (_number, { operation, path, length = 0 }) => {
      if (isMeasured && operation === 'read' && path.includes('/topics/')) readBytes += length;
    },
  });
  const first = await bench.open({ fileSystem });
  const sender = await first.queue('q');
  const value = new Uint8Array(16 * 1024);
  for (let count = 0; count < 48; count++) await sender.sendBatch([{ value }, { value }]);
  await first.close();
  bench.clock.advance(5000);

  const store = await bench.open({ fileSystem });
  const queue = await store.queue('q');
  const deliveries = await queue.acquire({ max: 3 });
  for (const delivery of deliveries) await delivery.ack();
  isMeasured = true;
  for (let count = 0; count < 3; count++) {
    expect(await queue.stats()).toMatchObject({ readyCount: 93, oldestReadyAgeMs: 5000 });
  }
  expect(48 * 2 * value.length).toBeGreaterThan(READ_WINDOW_BYTES);
  expect(readBytes).toBeLessThanOrEqual(3 * DIRECT_READ_BYTES_MAX);
  await store.close();
});
