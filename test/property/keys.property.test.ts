/** Whatever keys are appended together, each is stored as exactly its UTF-8, or its bytes. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { KEY_BYTES_MAX } from '../../src/core/limits.ts';
import { MemoryFileSystem, openLog, type Log } from '../../src/index.ts';
import { asyncPropertyOptions } from '../support/property.ts';

type Key = string | Uint8Array | null;

const LONE = ['\ud800', '\udbff', '\udc00', '\udfff'] as const;
/** A character of each length in UTF-8, and halves of one, which make a whole where keys meet. */
const letters = fc.constantFrom('a', '\u0000', '\u007f', '\u0080', 'ÿ', '߿', '€', '\uffff', '😀');
const ascii = fc.string({ unit: 'binary-ascii', maxLength: 70 });
const latin = fc
  .array(fc.nat(0xff), { maxLength: 70 })
  .map((units) => String.fromCharCode(...units));
const mixed = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: letters }, { weight: 1, arbitrary: fc.constantFrom(...LONE) }),
    {
      maxLength: 70,
    },
  )
  .map((parts) => parts.join(''));
const lengths = fc.constantFrom(1, 15, 16, 17, 62, 63, 64, 65, 66, 127, 1000);
const long = fc
  .tuple(letters, lengths, fc.constantFrom('', 'z', 'é', ...LONE))
  .map(([letter, length, end]) => letter.repeat(length) + end);
/** As long as a key may be, in characters of one to four bytes. */
const longest = fc
  .constantFrom('a', 'é', '€', '😀')
  .map((letter) => letter.repeat(Math.floor(KEY_BYTES_MAX / Buffer.byteLength(letter))))
  .map((text) => text + 'a'.repeat(KEY_BYTES_MAX - Buffer.byteLength(text)));
const bytes = fc.uint8Array({ maxLength: 70 });

const asciiKeys = fc.array(fc.option(ascii, { freq: 8 }), { maxLength: 60 });
const anyKeys = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: ascii },
    { weight: 4, arbitrary: latin },
    { weight: 4, arbitrary: mixed },
    { weight: 6, arbitrary: long },
    { weight: 1, arbitrary: longest },
    { weight: 4, arbitrary: bytes },
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: fc.constant('') },
  ),
  { maxLength: 40 },
);
/** All ASCII but one, wherever it stands. */
const oneOdd = fc
  .tuple(fc.array(ascii, { minLength: 1, maxLength: 30 }), fc.oneof(mixed, latin, long), fc.nat())
  .map(([keys, odd, at]) => keys.with(at % keys.length, odd));
const calls = fc.array(fc.oneof(asciiKeys, anyKeys, oneOdd), { minLength: 1, maxLength: 6 });

const settings = fc.record({
  batchBytesMax: fc.constantFrom(1024, 65_536),
  segmentBytesMax: fc.constantFrom(4096, 1 << 20),
  compression: fc.constantFrom('none', 'gzip'),
});

function openKeyed(options: object = {}): Promise<Log<Uint8Array>> {
  return openLog('/log', { fileSystem: new MemoryFileSystem(), durability: 'os', ...options });
}

/** What must be stored. */
function storedForm(key: Key): string | null {
  if (key === null) return null;
  return (typeof key === 'string' ? Buffer.from(key, 'utf8') : Buffer.from(key)).toString('hex');
}

async function keysOf(log: Log<Uint8Array>): Promise<(string | null)[]> {
  const keys: (string | null)[] = [];
  await using cursor = log.cursor();
  while (await cursor.nextBatch()) {
    while (cursor.next()) {
      const key = cursor.keyView();
      keys.push(key === null ? null : Buffer.from(key).toString('hex'));
      const value = Buffer.from(cursor.valueView() ?? []).toString();
      if (value !== `value ${cursor.offset}`) throw new Error(`${cursor.offset} holds ${value}`);
    }
  }
  return keys;
}

function recordsFrom(offset: number, keys: readonly Key[]) {
  return keys.map((key, n) => ({ key, value: Buffer.from(`value ${offset + n}`) }));
}

test('every key comes back as what Buffer.from makes of it', async () => {
  const seen = { keys: 0 };
  await fc.assert(
    fc.asyncProperty(settings, calls, async (options, batches) => {
      await using log = await openKeyed(options);
      for (const keys of batches) {
        const result = await log.appendBatch(recordsFrom(log.endOffset, keys));
        deepStrictEqual(result.recordCount, keys.length);
      }
      deepStrictEqual(await keysOf(log), batches.flat().map(storedForm));
      seen.keys += batches.flat().length;
    }),
    asyncPropertyOptions(),
  );
  expect(seen.keys).toBeGreaterThan(1000);
});

test('each call alone stores what one call for all does', async () => {
  await fc.assert(
    fc.asyncProperty(anyKeys, async (keys) => {
      await using one = await openKeyed();
      await using all = await openKeyed();
      for (const [at, key] of keys.entries()) {
        const [record] = recordsFrom(at, [key]);
        if (record === undefined) continue;
        if (at % 2 === 0) await one.append(record);
        else expect(one.appendNoWait(record)).toBe(at);
      }
      await one.flushed();
      await all.appendBatch(recordsFrom(0, keys));
      deepStrictEqual(await keysOf(one), await keysOf(all));
    }),
    asyncPropertyOptions(),
  );
});

/** 64 characters, so that 4,096 of them are 256 Ki. */
function key64(n: number): string {
  return `key ${n} `.padEnd(64, 'abcdefgh');
}

test.each<[string, (n: number) => Key]>([
  ['all ASCII', key64],
  ['one of which is not, among the first', (n) => (n === 17 ? 'é'.repeat(64) : key64(n))],
  ['one of which is not, the last that is joined', (n) => (n === 4095 ? 'é'.repeat(64) : key64(n))],
  ['one of which is not, the first that is not', (n) => (n === 4096 ? 'é'.repeat(64) : key64(n))],
  ['of odd lengths', (n) => key64(n).slice(0, n % 65)],
  ['with bytes and none between', (n) => [key64(n), Buffer.from(key64(n)), null][n % 3] ?? null],
  ['too long to be joined, in turns', (n) => (n % 2 === 0 ? key64(n) : `${key64(n)}!`)],
  ['none of them ASCII', () => '€'.repeat(64)],
])('keys of more than 256 Ki characters together: %s', async (_name, keyAt) => {
  const keys = Array.from({ length: 9000 }, (_, n) => keyAt(n));
  await using log = await openKeyed();
  for (let round = 0; round < 2; round++) {
    await log.appendBatch(recordsFrom(log.endOffset, keys));
    await log.appendBatch(recordsFrom(log.endOffset, ['behind', '', 'ä']));
  }
  const once = [...keys, 'behind', '', 'ä'].map(storedForm);
  expect(await keysOf(log)).toEqual([...once, ...once]);
});

test('a refused call leaves nothing of its keys behind', async () => {
  await using log = await openKeyed({ recordBytesMax: 1024 });
  const tooLarge = { key: 'large', value: new Uint8Array(2000) };
  for (const keys of [['one', 'two'], ['drei', '€'], [], ['x'.repeat(64)]]) {
    const records = recordsFrom(log.endOffset, keys);
    expect(() => log.appendBatch([...records, tooLarge])).toThrow(/record/);
    await expect(log.appendBatch(records, { expectedOffset: 999 })).rejects.toThrow(/999/);
    await log.appendBatch(records);
  }
  deepStrictEqual(await keysOf(log), ['one', 'two', 'drei', '€', 'x'.repeat(64)].map(storedForm));
});
