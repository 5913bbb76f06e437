import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { BadEntryError, EntryReader, EntryWriter } from '../../../src/journal/entry-bytes.ts';
import {
  bytes,
  choice,
  double,
  flag,
  list,
  map,
  nullable,
  struct,
  text,
  uint,
  type Field,
} from '../../../src/journal/entry-fields.ts';
import { thrownBy } from '../../support/log-fixture.ts';

function written<T>(field: Field<T>, value: T): Uint8Array {
  const writer = new EntryWriter();
  field.write(writer, value);
  return writer.take();
}

function readBack<T>(field: Field<T>, from: Uint8Array): T {
  const reader = new EntryReader(from);
  const value = field.read(reader);
  reader.end();
  return value;
}

const uints = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 32, 2 ** 53 - 1),
);
// No -0: it is written as 0.
const doubles = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const texts = fc.string({ unit: 'grapheme', maxLength: 30 });

const order = struct({
  id: uint,
  share: double,
  name: text,
  body: nullable(bytes),
  isPaid: flag,
  level: choice(['low', 'high']),
  lines: list(struct({ sku: text, count: uint })),
  totals: map(text, uint),
});

const orders = fc.record({
  id: uints,
  share: doubles,
  name: texts,
  body: fc.option(fc.uint8Array({ maxLength: 600 })),
  isPaid: fc.boolean(),
  level: fc.constantFrom('low' as const, 'high' as const),
  lines: fc.array(fc.record({ sku: texts, count: uints }), { maxLength: 5 }),
  totals: fc.array(fc.tuple(texts, uints), { maxLength: 8 }).map((pairs) => new Map(pairs)),
});

describe('what a writer gives out', () => {
  // Lengths around which it is done otherwise: on the engine's heap or not, in a buffer that is kept or not.
  test.each([0, 1, 63, 64, 65, 300, 2 ** 20, 2 ** 20 + 1])('of %i bytes is whole', (length) => {
    const body = Buffer.alloc(length, 'ab');
    const writer = new EntryWriter();
    writer.encoded(body);
    const copy = writer.take();
    writer.encoded(body);
    expect(body.equals(writer.takeView())).toBe(true);
    writer.encoded(Buffer.alloc(length, 'z')); // It begins anew.
    expect(writer.take()).toHaveLength(length);
    expect(body.equals(copy)).toBe(true);
  });
});

describe('fields', () => {
  test('what is written is read back', () => {
    fc.assert(
      fc.property(orders, (value) => {
        expect(readBack(order, written(order, value))).toEqual(value);
      }),
    );
  });

  test('equal values have equal bytes, in whatever order a map was filled', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(texts, uints), { maxLength: 8 }), (pairs) => {
        const unique = [...new Map(pairs)];
        const forth = written(map(text, uint), new Map(unique));
        expect(written(map(text, uint), new Map(unique.toReversed()))).toEqual(forth);
      }),
    );
  });

  test('0 has one form, whatever its sign, and what is no number is not written', () => {
    expect(written(double, -0)).toEqual(written(double, 0));
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => written(double, value)).toThrow('a finite number');
    }
  });

  test('bytes that were cut, or go on, or are not the shortest, are refused', () => {
    fc.assert(
      fc.property(orders, (value) => {
        const whole = written(order, value);
        for (let end = 0; end < whole.length; end++) {
          expect(thrownBy(() => readBack(order, whole.subarray(0, end)))).toBeInstanceOf(
            BadEntryError,
          );
        }
        const longer = new Uint8Array([...whole, 0]);
        expect(thrownBy(() => readBack(order, longer))).toBeInstanceOf(BadEntryError);
      }),
    );
  });

  test.each<[string, Field<unknown>, number[]]>([
    ['a flag of 2', flag, [2]],
    ['a number that is none', double, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]],
    ['an infinite number', double, [0, 0, 0, 0, 0, 0, 0xf0, 0xff]],
    ['another 0', double, [0, 0, 0, 0, 0, 0, 0, 0x80]],
    ['an unknown choice', choice(['a', 'b']), [2]],
    ['an integer of two bytes that fits in one', uint, [0x80, 0x00]],
    ['an integer above 2^53 - 1', uint, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ['an integer without an end', uint, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a list that claims more than there is', list(flag), [0xff, 0xff, 0x7f, 1]],
    ['a text that claims more than there is', text, [9, 0x61]],
    ['a key twice', map(uint, uint), [2, 1, 5, 1, 6]],
  ])('%s is refused', (_name, field, given) => {
    expect(thrownBy(() => readBack(field, Uint8Array.from(given)))).toBeInstanceOf(BadEntryError);
  });

  test.each([-1, 1.5, 2 ** 53, Number.NaN])('%d is no unsigned integer', (value) => {
    expect(thrownBy(() => written(uint, value))).toMatchObject({ name: 'AssertionError' });
  });

  test('any bytes are read, or refused as a bad entry: nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (given) => {
        try {
          expect(written(order, readBack(order, given)).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(BadEntryError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
