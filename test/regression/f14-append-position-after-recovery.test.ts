/**
 * F14. Elsewhere: after a recovery the writer went on at position 0 and overwrote its own log
 * (etcd#4903, #4930).
 *
 * Here: after recover, append, recover, append, ... the new bytes stand exactly behind the recovered
 * end, and every record of every life is there.
 *
 * Red when the appender takes the position of the file's old end (a hole), of the file's start, or of
 * the checkpoint's hint; or when the torn bytes are not cut off the file.
 */
import { expect, test } from 'vitest';

import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import {
  appendEach,
  appendTogether,
  faultyDisk,
  openTextLog,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

test.each([1, 2, 3, 4])(
  'F14: twenty lives, each with a torn tail, leave one dense log (random %i)',
  async (seed) => {
    const random = new SeededRandom(seed);
    let fileSystem = await faultyDisk({ random });
    let cuts = 0;
    for (let life = 0; life < 20; life++) {
      const log = await openTextLog(fileSystem);
      const recovered = log.endOffset;
      if (log.recovery.cutBytes > 0) cuts++;
      expect(await valuesOf(log)).toEqual(textsFrom(0, recovered));
      await appendEach(log, randomBelow(random, 3));
      const acked = log.endOffset;
      for (let n = randomBelow(random, 6); n > 0; n--) {
        await log.append(
          { value: textsFrom(log.endOffset, log.endOffset + 1)[0] ?? '' },
          { durability: 'os' },
        );
      }
      if (life % 7 === 3) await appendTogether(log, 1 + randomBelow(random, 30));
      const written = log.endOffset;
      const next = life % 5 === 4 ? fileSystem.killImage() : fileSystem.crashImage();
      const again = await openTextLog(next.killImage());
      expect(again.endOffset).toBeGreaterThanOrEqual(acked);
      expect(again.endOffset).toBeLessThanOrEqual(written);
      await again.close();
      fileSystem = next;
    }
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log)).toEqual(textsFrom(0, log.endOffset));
    expect(log.endOffset).toBeGreaterThan(15);
    await log.close();
    // No byte between the batches, and none behind them.
    for (const path of await segmentPaths(fileSystem)) {
      const { batches, index, bytes } = await walkSegment(fileSystem, path);
      let position = 128;
      for (const batch of batches) {
        expect(batch.position).toBe(position);
        position = batch.endPosition;
      }
      expect(index?.position ?? position).toBe(position);
      expect(bytes).toHaveLength(index?.endPosition ?? position);
    }
    expect(cuts).toBeGreaterThan(0);
  },
);

test('F14: an append after recovery stands right behind the last whole batch', async () => {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, 5);
  const [path = ''] = await segmentPaths(fileSystem);
  const end = (await walkSegment(fileSystem, path)).batches.at(-1)?.endPosition ?? 0;
  await log.append({ value: 'lost' }, { durability: 'os' });
  const image = fileSystem.crashImage({ data: 'none', names: 'all', sizes: 'all' });
  expect((await image.stat(path)).sizeBytes).toBeGreaterThan(end); // Zeros behind the data.
  const again = await openTextLog(image);
  expect((await image.stat(path)).sizeBytes).toBe(end);
  expect((await again.append({ value: 'next' })).offset).toBe(5);
  const { batches } = await walkSegment(image, path);
  expect(batches.at(-1)).toMatchObject({ position: end, nextOffset: 6 });
  await again.close();
  await log.close();
});
