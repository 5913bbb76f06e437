import { expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ConflictError } from '../../../src/core/errors.ts';
import { openLocked } from '../../../src/store/open-store.ts';
import { resolveStoreOptions } from '../../../src/store/store-options.ts';
import { TopicCatalog } from '../../../src/topic/catalog.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const VALUE = Buffer.from('x');

test('the log of a partition is guarded by whom the store names for it', async () => {
  const bench = new StoreBench();
  const store = await bench.open();
  const made = await store.topic('t', { partitions: 2 });
  for (const partition of [0, 1]) {
    await made.appendBatch([{ value: VALUE }, { value: VALUE }], { partition });
  }
  const { topicId } = store.describeTopic('t');
  const logIds = [0, 1].map(
    (partition) => present(made.partitions.at(partition).opened, 'appended to').logId,
  );
  await store.close();

  const { fileSystem, clock, random } = bench;
  const settings = resolveStoreOptions(STORE_PATH, { fileSystem, clock, random });
  const { topicHome, lock, journal } = await openLocked(settings, 'throw');
  const guarded: (readonly number[])[] = [];
  const catalog = new TopicCatalog(
    {
      ...topicHome,
      trimGuardOf: (...place) => {
        guarded.push(place);
        return place[1] === 0 ? null : { allow: () => Promise.resolve(1) };
      },
    },
    {
      forget: () => Promise.resolve({ groups: [], exchanges: [] }),
      grown: () => Promise.resolve(),
      isQueue: () => false,
      settledGroup: () => null,
      whileGroupsStand: (action) => action(),
    },
  );
  const [free, held] = await Promise.all(
    logIds.map((logId) => present(catalog.partitionOf(logId), 'it was made').log()),
  );
  expect(guarded).toEqual([
    [topicId, 0, logIds[0]],
    [topicId, 1, logIds[1]],
  ]);
  await free?.deleteBefore(2);
  expect(await rejectionOf(present(held, 'two logs').deleteBefore(2))).toBeInstanceOf(
    ConflictError,
  );
  expect([free?.startOffset, held?.startOffset]).toEqual([2, 0]);
  await Promise.all([free?.close(), held?.close()]);
  await journal.close();
  await lock?.release();
});
