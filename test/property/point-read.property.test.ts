/** A log read record by record equals the same log scanned, whichever way the disk is asked. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { HAS_ZSTD } from '../support/compressions.ts';
import { forbidDirectReads, ReadProbe } from '../support/direct-reads.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { LOG_PATH } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { openLog, type Log, type LogOptions, type LogRecord } from '../../src/index.ts';

const settings = fc.record({
  segmentBytesMax: fc.constantFrom(4096, 20_000, 1 << 20),
  batchBytesMax: fc.constantFrom(1024, 8192, 65_536),
  durability: fc.constantFrom('os', 'sync'),
});
const compression = fc.constantFrom('none', 'gzip', HAS_ZSTD ? 'zstd' : 'gzip');
/** Most are small; some fill an index interval, a direct read, or more. */
const sizeBytes = fc.oneof(
  { weight: 30, arbitrary: fc.nat(300) },
  { weight: 4, arbitrary: fc.integer({ min: 3500, max: 5000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 69_300, max: 69_700 }) },
  { weight: 1, arbitrary: fc.nat(150_000) },
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ together: fc.array(sizeBytes, { maxLength: 60 }) }) },
  { weight: 3, arbitrary: fc.record({ each: fc.array(sizeBytes, { maxLength: 15 }) }) },
  { weight: 1, arbitrary: fc.record({ reopenWith: compression }) },
  { weight: 1, arbitrary: fc.record({ deleteTo: fc.double({ min: 0, max: 1, noNaN: true }) }) },
);
const order = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

function inputOf(offset: number, size: number) {
  const value = `${offset}:`.padEnd(size, size % 2 === 0 ? 'compressible ' : String(offset * 7919));
  return { value, key: `key ${offset}`, createTimeMs: 1000 + offset };
}

function seen({ offset, key, value, createTimeMs, epoch, appendTimeMs }: LogRecord<string>) {
  return { offset, key, value, createTimeMs, epoch, appendTimeMs };
}

type Seen = ReturnType<typeof seen>;

async function scanned(log: Log<string>): Promise<Seen[]> {
  const all: Seen[] = [];
  for await (const record of log.records()) all.push(seen(record));
  return all;
}

async function expectReadsAsScanned(log: Log<string>, shares: Iterator<number>): Promise<void> {
  const all = await scanned(log);
  const { startOffset, visibleOffset } = log;
  deepStrictEqual(
    all.map(({ offset }) => offset),
    Array.from({ length: visibleOffset - startOffset }, (_, n) => startOffset + n),
  );
  const readOne = async (at: number) => {
    const record = await log.read(startOffset + at);
    deepStrictEqual(record === null ? null : seen(record), all[at]);
  };
  for (let at = 0; at < all.length; at += 3) await readOne(at);
  const atOnce: Promise<void>[] = [];
  for (let n = 0; n < Math.min(60, all.length); n++) {
    const at = Math.floor((shares.next().value as number) * all.length);
    await readOne(at);
    if (n < 10) atOnce.push(readOne(at), readOne(all.length - 1));
  }
  await Promise.all(atOnce);
}

test('read(offset) equals records(), on the calling thread or not, cached or not', async () => {
  const counts = { records: 0, direct: 0, pooled: 0 };
  await fc.assert(
    fc.asyncProperty(
      settings,
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(0, 4096, 1 << 20),
      order,
      async (set, steps, cacheBytes, shares) => {
        const probe = new ReadProbe();
        const random = new SeededRandom(1);
        const fileSystem = new FaultyFileSystem({ random, trace: probe.trace });
        const options: LogOptions<string> = { ...set, cacheBytes, codec: utf8, random, fileSystem };
        let clock = new ManualClock();
        const open = (changes: LogOptions<string> = {}) =>
          openLog(LOG_PATH, { ...options, clock, ...changes });
        let log = await open();
        for (const doing of steps) {
          clock.advance(100);
          if ('together' in doing) {
            await log.appendBatch(
              doing.together.map((size, n) => inputOf(log.endOffset + n, size)),
            );
          } else if ('each' in doing) {
            for (const size of doing.each) await log.append(inputOf(log.endOffset, size));
          } else if ('deleteTo' in doing) {
            const { startOffset, visibleOffset } = log;
            await log.deleteBefore(
              startOffset + Math.floor((visibleOffset - startOffset) * doing.deleteTo),
            );
          } else {
            await log.close();
            clock = new ManualClock(clock.now());
            log = await open({ compression: doing.reopenWith });
          }
          const { startOffset, visibleOffset } = log;
          if (visibleOffset > startOffset) await log.read(visibleOffset - 1);
        }
        await expectReadsAsScanned(log, shares);
        counts.records += log.visibleOffset - log.startOffset;
        await log.close();
        counts.direct += probe.direct.length;
        counts.pooled += probe.pooled.length;
        forbidDirectReads(fileSystem);
        for (const bytes of [0, 1 << 20]) {
          const again = await open({ cacheBytes: bytes });
          await expectReadsAsScanned(again, shares);
          await again.close();
        }
        deepStrictEqual(fileSystem.openFileCount, 0);
        deepStrictEqual(fileSystem.violations, []);
      },
    ),
    asyncPropertyOptions(),
  );
  expect(counts.records).toBeGreaterThan(1000);
  expect(counts.direct).toBeGreaterThan(500);
  expect(counts.pooled).toBeGreaterThan(500);
});
