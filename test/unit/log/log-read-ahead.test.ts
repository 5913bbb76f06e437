/** Reads beside a writer whose index is ahead of what is written, in the same process. */
import { describe, expect, test } from 'vitest';

import { DiskFullError, OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { SYNC_WRITE_BYTES_MAX } from '../../../src/core/limits.ts';
import type { Log } from '../../../src/log/log.ts';
import { ReadProbe } from '../../support/direct-reads.ts';
import { contentOf, damage } from '../../support/disk-damage.ts';
import {
  appendTogether,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentPaths,
  settle,
  textAt,
  textsFrom,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import { HeldWrites } from '../../support/held-writes.ts';

/** A log of which 25 records in small batches are written, and a disk whose writes can be held. */
async function openAhead(options: TextLogOptions = {}) {
  const probe = new ReadProbe();
  const fileSystem = await faultyDisk({ trace: probe.trace });
  const writes = new HeldWrites(fileSystem);
  const log = await openTextLog(fileSystem, {
    batchBytesMax: 1024,
    segmentBytesMax: 1 << 20,
    durability: 'os',
    cacheBytes: 0,
    ...options,
  });
  await appendTogether(log, 25);
  await log.sync();
  const [path = ''] = await segmentPaths(fileSystem);
  return { probe, fileSystem, writes, log, path };
}

async function expectAll(log: Log<string>, end: number): Promise<void> {
  expect(log.visibleOffset).toBe(end);
  for (let offset = 0; offset < end; offset++) {
    expect((await log.read(offset))?.value).toBe(textAt(offset));
  }
  expect(await rejectionOf(log.read(end))).toBeInstanceOf(OffsetOutOfRangeError);
}

const MANY = 400;

describe('what is encoded and not written', () => {
  test.each([0, 1 << 20])(
    'is not read, nor anything in its place; cache %i',
    async (cacheBytes) => {
      const { probe, fileSystem, writes, log, path } = await openAhead({ cacheBytes });
      await expectAll(log, 25);
      const endPosition = contentOf(fileSystem, path).length;
      writes.hold();
      const appended = appendTogether(log, MANY);
      await settle();
      expect(log.endOffset).toBe(25 + MANY);
      expect(contentOf(fileSystem, path).length).toBe(endPosition);
      await expectAll(log, 25);
      // As a write does that is half done.
      const garbage = new Uint8Array(SYNC_WRITE_BYTES_MAX).fill(0xa5);
      damage(fileSystem, path, (bytes) => Buffer.concat([bytes, garbage]));
      probe.take();
      await expectAll(log, 25);
      for (const { position = 0, length = 0 } of probe.direct) {
        expect(position + length).toBeLessThanOrEqual(endPosition);
      }
      if (cacheBytes === 0) expect(probe.take()).toBe('direct');
      damage(fileSystem, path, (bytes) => bytes.subarray(0, endPosition));
      writes.release();
      await appended;
      await expectAll(log, 25 + MANY);
      await log.close();
    },
  );

  test.each([0, 1 << 20])(
    'and then refused, is not what is read later; cache %i',
    async (cache) => {
      const { fileSystem, log } = await openAhead({ cacheBytes: cache, freeBytesMin: 0 });
      await expectAll(log, 25);
      const { capacityBytes } = fileSystem;
      fileSystem.capacityBytes = 0;
      const lost = Array.from({ length: MANY }, () => ({ value: 'lost'.repeat(20) }));
      expect(await rejectionOf(log.appendBatch(lost))).toBeInstanceOf(DiskFullError);
      await expectAll(log, 25);
      fileSystem.capacityBytes = capacityBytes;
      await appendTogether(log, MANY);
      await expectAll(log, 25 + MANY);
      await log.close();
    },
  );

  test('and then refused in part, neither', async () => {
    const { fileSystem, log, path } = await openAhead({ freeBytesMin: 0 });
    const { capacityBytes } = fileSystem;
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, shortBytes: 'half' });
    const lost = Array.from({ length: MANY }, () => ({ value: 'lost'.repeat(20) }));
    expect(await rejectionOf(log.appendBatch(lost))).toBeInstanceOf(DiskFullError);
    fileSystem.clearFaults();
    fileSystem.capacityBytes = capacityBytes;
    await expectAll(log, 25);
    await appendTogether(log, MANY);
    await expectAll(log, 25 + MANY);
    await log.close();
  });
});

describe('what is written and not synced', () => {
  test('is not read at level sync', async () => {
    const { fileSystem, log, path } = await openAhead({ durability: 'sync' });
    await expectAll(log, 25);
    await log.appendBatch(
      textsFrom(25, 40).map((value) => ({ value })),
      { durability: 'os' },
    );
    expect(Buffer.from(contentOf(fileSystem, path)).includes(textAt(39))).toBe(true);
    await expectAll(log, 25);
    await log.sync();
    await expectAll(log, 40);
    await log.close();
  });
});

describe('while appends, rolls and retention go on', () => {
  test.each([0, 16_384])(
    'every read is right, or refused below the start; cache %i',
    async (size) => {
      const { probe, log } = await openAhead({ segmentBytesMax: 16_384, cacheBytes: size });
      const reads: Promise<void>[] = [];
      let refused = 0;
      const readOne = async (offset: number) => {
        try {
          expect((await log.read(offset))?.value).toBe(textAt(offset));
        } catch (error) {
          if (!(error instanceof OffsetOutOfRangeError)) throw error;
          expect(offset).toBeLessThan(log.startOffset);
          refused++;
        }
      };
      for (let round = 0; round < 60; round++) {
        const { startOffset, visibleOffset } = log;
        const span = visibleOffset - startOffset;
        for (const share of [0, 0.01, 0.3, 0.77, 0.999]) {
          reads.push(readOne(startOffset + Math.floor(span * share)));
        }
        const appended = appendTogether(log, 1 + ((round * 37) % 90));
        if (round % 9 === 8) await log.deleteBefore(startOffset + Math.floor(span / 3));
        reads.push(readOne(visibleOffset - 1));
        await appended;
      }
      await Promise.all(reads);
      expect(log.stats().segmentCount).toBeGreaterThan(5);
      expect(refused).toBeLessThan(reads.length / 2);
      expect(probe.direct.length).toBeGreaterThan(20);
      await log.close();
    },
  );
});
