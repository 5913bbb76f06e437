import { expect, test } from 'vitest';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { utf8 } from '../../../src/codec/codec.ts';

test('appends, reads back, closes and opens again', async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await openLog('/data', { fileSystem, codec: utf8, segmentBytesMax: 4096 });
  const results = await Promise.all(
    Array.from({ length: 500 }, (_, n) => log.append({ key: `k${n % 7}`, value: `value ${n}` })),
  );
  expect(results.map(({ offset }) => offset)).toEqual(Array.from({ length: 500 }, (_, n) => n));
  expect(results.every(({ durability }) => durability === 'sync')).toBe(true);
  expect(log.stats().segmentCount).toBeGreaterThan(3);
  const values: (string | null)[] = [];
  for await (const record of log.records()) values.push(record.value);
  expect(values).toEqual(Array.from({ length: 500 }, (_, n) => `value ${n}`));
  expect((await log.read(123))?.value).toBe('value 123');
  expect((await log.read(124))?.key).toBe('k5');
  await log.close();
  const again = await openLog('/data', { fileSystem, codec: utf8 });
  expect(again.recovery).toMatchObject({ outcome: 'clean', cutBytes: 0, notes: [] });
  expect(again.endOffset).toBe(500);
  expect(again.epoch).toBe(log.epoch + 1);
  expect((await again.read(7))?.value).toBe('value 7');
  await again.append({ value: 'more' });
  const tail: (string | null)[] = [];
  for await (const record of again.records({ from: { last: 2 } })) tail.push(record.value);
  expect(tail).toEqual(['value 499', 'more']);
  await again.close();
});
