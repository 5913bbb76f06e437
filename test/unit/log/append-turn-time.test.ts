/** The time of records that are appended in one turn with something else. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';

test('append after appendBatch, or after sync, in the same turn has the time of now', async () => {
  const clock = new ManualClock();
  const log = await openLog('/data/log', {
    fileSystem: new MemoryFileSystem(),
    clock,
    codec: utf8,
  });
  const batch = log.appendBatch([{ value: 'a' }]);
  await Promise.all([batch, log.append({ value: 'b' })]);
  expect((await log.read(1))?.createTimeMs).toBe(clock.now());
  clock.advance(60_000);
  const more = log.appendBatch([{ value: 'c' }]);
  await Promise.all([more, log.append({ value: 'd' })]);
  expect((await log.read(3))?.createTimeMs).toBe(clock.now());
  await log.close();
});
