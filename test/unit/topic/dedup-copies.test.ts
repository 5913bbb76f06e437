/** What the look for duplicates leaves alone, and what a full disk leaves of a batch. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { KIB } from '../../../src/core/limits.ts';
import { DEAD, failAll, textsOf } from '../../support/dead-queue.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const BY_CONTENT = { dedupBy: 'content', codec: utf8 } as const;

test('dead letters and redriven records are copies, also where all content is compared', async () => {
  const store = await new StoreBench().open();
  const dead = await store.queue('dead', BY_CONTENT);
  await dead.send('same');
  const first = await store.queue('first', { codec: utf8, ...DEAD });
  const second = await store.queue('second', { ...BY_CONTENT, ...DEAD });
  for (const queue of [first, second]) {
    await queue.send('same');
    await failAll(queue);
  }
  // Each has died, and none is lost: one was sent, two are letters.
  expect(await textsOf(store, 'dead')).toEqual(['same', 'same', 'same']);
  expect(await second.send('same')).toMatchObject({ duplicate: true });
  const { movedCount } = await dead.redrive({ to: 'second', dryRun: false });
  expect(movedCount).toBe(2);
  expect(await textsOf(store, 'second')).toEqual(['same', 'same']);
  await store.close();
});

test('of a batch that found room for its first records those are known, and the others free', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 256 * KIB });
  const pad = 'x'.repeat(100 * KIB);
  const batch = (count: number) =>
    topic.appendBatch(
      Array.from({ length: count }, (_, n) => ({ value: `${n}${pad}`, dedupId: `id ${n}` })),
    );
  await topic.append({ value: 'before', dedupId: 'before' });
  const rule = { operations: ['write'], path: /topics.*\.log$/, errno: 'ENOSPC' } as const;
  disk.fileSystem.addFault({ ...rule, skip: 1, shortBytes: 'half' });
  const error = await rejectionOf(batch(20));
  expect(error).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
  disk.fileSystem.clearFaults();
  const { endOffset } = await topic.partitions.at(0).log();
  const storedCount = endOffset - 1;
  expect(storedCount).toBeGreaterThan(0);
  expect(storedCount).toBeLessThan(20);
  const again = await batch(20);
  expect(again.duplicates).toEqual(
    Array.from({ length: storedCount }, (_, index) => ({ index, partition: 0, offset: 1 + index })),
  );
  expect(again.placements).toEqual([
    { partition: 0, baseOffset: endOffset, recordCount: 20 - storedCount },
  ]);
  expect(await batch(20)).toMatchObject({ recordCount: 0 });
  await store.close();
});
