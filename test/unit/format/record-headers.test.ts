/** The block of a record's headers: what goes in comes out, what is damaged does not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { TooLargeError } from '../../../src/core/errors.ts';
import { nameOfNumber, numberedName } from '../../../src/format/header-names.ts';
import {
  decodeHeaders,
  encodeHeaders,
  type HeadersInput,
} from '../../../src/format/record-headers.ts';

/** The number of each is its place here, in every file that there is: none may ever move. */
const NAMES = [
  'varve-routing-key',
  'varve-cc',
  'varve-bcc',
  'varve-dedup-id',
  'varve-cause',
  'varve-deaths',
  'varve-death-reason',
  'varve-death-topic',
  'varve-death-group',
  'varve-death-partition',
  'varve-death-offset',
  'varve-death-routing-key',
  'varve-death-attempts',
  'varve-death-failures',
  'varve-death-expiries',
  'varve-death-crashes',
  'varve-death-first-error',
  'varve-death-first-error-ms',
  'varve-death-last-error',
  'varve-death-last-error-ms',
  'varve-death-ms',
];

function blockOf(headers: HeadersInput): Uint8Array {
  return present(encodeHeaders(headers), 'there are headers');
}

describe('a header block', () => {
  const wellFormed = fc
    .string({ unit: 'binary', maxLength: 40 })
    .filter((text) => !/\p{Surrogate}/u.test(text));
  const anyName = fc.oneof(wellFormed, fc.constantFrom(...NAMES));

  test('comes back as it went in, in order', () => {
    fc.assert(
      fc.property(fc.dictionary(anyName, fc.uint8Array({ maxLength: 40 })), (headers) => {
        const block = encodeHeaders(headers) ?? new Uint8Array();
        const bytes = Buffer.concat([Buffer.alloc(7, 1), block, Buffer.alloc(3, 1)]);
        const decoded = decodeHeaders(bytes, 7, 7 + block.length);
        expect([...(decoded ?? [])]).toEqual(Object.entries(headers));
      }),
    );
  });

  test("has a number in place of a name of Varve's own, and the text of any other", () => {
    const block = blockOf({ 'varve-cc': 'ab', cc: 'c' });
    const own = [0x01, 0x80, 2, 0, 0x61, 0x62];
    const other = [2, 0, 0x63, 0x63, 1, 0, 0x63];
    expect([...block]).toEqual([own.length + other.length, 0, ...own, ...other]);
  });

  test('numbers names for ever', () => {
    expect(NAMES.map((name) => numberedName(name))).toEqual(NAMES.map((_, at) => 0x8000 + at));
    expect(NAMES.map((_, at) => nameOfNumber(0x8000 + at))).toEqual(NAMES);
    expect(nameOfNumber(0x8000 + NAMES.length)).toBeNull();
    expect(nameOfNumber(0)).toBeNull();
    for (const name of ['', 'varve-', 'varve-cd', 'Varve-cc', 'toString']) {
      expect(numberedName(name), name).toBe(-1);
    }
  });

  test('with a number that stands for no name is refused', () => {
    const block = blockOf({ 'varve-cc': 'ab', cc: 'c' });
    for (const number of [NAMES.length, 0x7fff]) {
      new DataView(block.buffer).setUint16(2, 0x8000 + number, true);
      expect(decodeHeaders(block, 0, block.length), `${number}`).toBeNull();
    }
  });

  test.each([
    ['a text', { name: 'value', other: new Uint8Array(9) }, 2 + 2 + 4 + 2 + 5],
    ['a number', { 'varve-cause': 'value', other: new Uint8Array(9) }, 2 + 2 + 2 + 5],
  ])('cut anywhere, or with a wrong length, is refused, never read beyond: %s', (...row) => {
    const [, headers, boundary] = row;
    const block = blockOf(headers);
    for (let end = 3; end < block.length; end++) {
      const found = decodeHeaders(block, 0, end)?.size ?? null;
      expect(found, `${end} bytes`).toBe(end === boundary ? 1 : null);
    }
    for (const at of [2, 3, boundary - 5 - 2, boundary - 5 - 1, boundary + 1]) {
      const damaged = block.slice();
      damaged[at] = 0xff;
      expect(decodeHeaders(damaged, 0, damaged.length), `byte ${at}`).toBeNull();
    }
  });

  test('holds a value as large as fits, and none that is larger', () => {
    const largest = new Uint8Array(65_536 - 2 - 2 - 1 - 2).fill(7);
    const block = blockOf({ a: largest });
    expect(block.length).toBe(65_536);
    expect(decodeHeaders(block, 0, block.length)?.get('a')).toEqual(largest);
    expect(() => encodeHeaders({ ab: largest })).toThrow(TooLargeError);
  });

  test('values are copies', () => {
    const block = blockOf({ name: 'value' });
    const decoded = decodeHeaders(block, 0, block.length);
    block.fill(0);
    expect(decoded?.get('name')).toEqual(Uint8Array.from(Buffer.from('value')));
  });
});
