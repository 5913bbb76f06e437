/** `Log.compact` and `Log.planCompaction`: what stays, what goes, what is told, and what is refused. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { offsetsOf, openTextLog, type TextLogOptions } from '../../support/log-fixture.ts';

const DOTS = '.'.repeat(80);

/** Compacted by nobody but who asks for it: no segment is sealed when a timer looks. */
async function setup(options: TextLogOptions = {}) {
  const fileSystem = new MemoryFileSystem();
  const clock = new ManualClock();
  const log = await openTextLog(fileSystem, {
    clock,
    compaction: 'key',
    compactionShareMin: 1,
    ...options,
  });
  onTestFinished(() => log.close().catch(() => undefined));
  return { fileSystem, clock, log };
}

/** Appends a record for each key, then as many others as it takes for a new segment to begin. */
async function appendAll(log: Log<string>, keys: readonly (string | null)[]): Promise<void> {
  await log.appendBatch(keys.map((key) => ({ key, value: `${key} ${DOTS}` })));
}

async function roll(log: Log<string>): Promise<void> {
  const { segmentCount } = log.stats();
  while (log.stats().segmentCount === segmentCount) await log.append({ value: DOTS });
}

describe('compact', () => {
  test('keeps the last record of each key, and all without a key, with their offsets', async () => {
    const { log } = await setup();
    await appendAll(log, ['a', 'b', 'a', null, 'c', 'b', 'a']);
    await roll(log);
    const expected = (await offsetsOf(log)).filter((offset) => ![0, 1, 2].includes(offset));
    const result = await log.compact();
    expect(await offsetsOf(log)).toEqual(expected);
    expect(result).toMatchObject({ supersededCount: 3, keyCount: 3, passCount: 1 });
    expect(result).toMatchObject({ segmentCount: 1, rewrittenSegmentCount: 1 });
    expect(result).toMatchObject({ cleanOffset: 0, limitedBy: 'active-segment' });
    expect(result.bytesAfter).toBeLessThan(result.bytesBefore - 3 * DOTS.length);
    expect((await log.read(0)) === null && (await log.read(4))?.key === 'c').toBe(true);
  });
});
