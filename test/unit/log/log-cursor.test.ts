import { expect, test } from 'vitest';

import { faultyDisk, openTextLog } from '../../support/log-fixture.ts';

const KEYS = ['first', null, '', 'schlüssel', 'k'.repeat(70)];
const VALUES = ['one', 'two', '', null];

test('key and value stand at their positions in the bytes of the cursor', async () => {
  const log = await openTextLog(await faultyDisk(), { batchBytesMax: 1024 });
  const expected: [string | null, string | null][] = [];
  for (let n = 0; n < 100; n++) {
    const key = KEYS[n % KEYS.length] ?? null;
    const value = VALUES[n % VALUES.length] ?? null;
    const headers = n % 3 === 0 ? { kind: 'x'.repeat(n) } : null;
    await log.append({ key, value, headers });
    expected.push([key, value]);
  }
  await using cursor = log.cursor();
  expect(cursor.bytes).toHaveLength(0);
  const found: [string | null, string | null][] = [];
  while (await cursor.nextBatch()) {
    const { bytes } = cursor;
    const textAt = (start: number, length: number) =>
      length < 0 ? null : Buffer.from(bytes.subarray(start, start + length)).toString();
    while (cursor.next()) {
      const key = textAt(cursor.keyStart, cursor.keyBytes);
      found.push([key, textAt(cursor.valueStart, cursor.valueBytes)]);
    }
    expect(cursor.bytes).toBe(bytes);
  }
  expect(found).toEqual(expected);
  await log.close();
});

test('the result of an iterator holds its record until the next one', async () => {
  const log = await openTextLog(await faultyDisk());
  await log.appendBatch([{ value: 'one' }, { value: 'two' }]);
  for await (const batch of log.batches()) {
    expect([...batch].map(({ value }) => value)).toEqual(['one', 'two']);
    const [first, second] = batch;
    expect([first?.value, second?.value]).toEqual(['one', 'two']);
  }
  await log.close();
});
