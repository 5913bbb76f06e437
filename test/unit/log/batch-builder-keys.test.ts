import { describe, expect, test } from 'vitest';

import { MemoryFileSystem, openLog, utf8 } from '../../../src/index.ts';

/** Keys that take one to three bytes per character, so that a guess of one is wrong in turns. */
function keyAt(n: number): string | null {
  const letters = ['a', 'ä', '€', '😀', '\ud800'];
  if (n % 7 === 6) return null;
  return (letters[n % 5] ?? '').repeat(1 + ((n * 13) % 64));
}

describe('text keys of any length in UTF-8', () => {
  test.each([1024, 2048, 4096])('come back as they were, in batches of %i bytes', async (bytes) => {
    const records = Array.from({ length: 3000 }, (_, n) => ({
      key: keyAt(n),
      value: 'v'.repeat((n * 31) % 97),
    }));
    await using log = await openLog('/log', {
      fileSystem: new MemoryFileSystem(),
      codec: utf8,
      batchBytesMax: bytes,
      segmentBytesMax: 64 * 1024,
    });
    for (let at = 0; at < 1000; at += 10) await log.appendBatch(records.slice(at, at + 10));
    await log.appendBatch(records.slice(1000, 2000));
    for (const record of records.slice(2000)) expect(log.appendNoWait(record)).toBeGreaterThan(0);
    await log.flushed();
    let at = 0;
    for await (const batch of log.batches()) {
      expect(batch.sizeBytes).toBeLessThanOrEqual(bytes);
      for (const record of batch) {
        const { key, value } = records[at] as { key: string | null; value: string };
        expect(record.value).toBe(value);
        // A lone surrogate has no UTF-8: it is stored as U+FFFD.
        expect(record.key).toBe(key === null ? null : Buffer.from(key).toString());
        expect(record.offset).toBe(at++);
      }
    }
    expect(at).toBe(records.length);
  });
});
