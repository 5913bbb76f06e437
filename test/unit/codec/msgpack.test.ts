import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { CodecError } from '../../../src/core/errors.ts';
import { msgpack } from '../../../src/codec/msgpack.ts';
import { MSGPACK_DEPTH_MAX, MSGPACK_VALUES_MAX } from '../../../src/codec/msgpack-scan.ts';

const codec = msgpack();

const text = fc
  .string({ unit: 'binary', maxLength: 300 })
  .filter((candidate) => !/\p{Surrogate}/u.test(candidate));

/** Everything the codec promises to carry, but -0, which the docstring names. */
const { value: encodable } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger().map((value) => value + 0),
    fc.double().map((value) => (value === 0 ? 0 : value)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    text,
    fc.uint8Array({ maxLength: 400 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 40 }),
    fc.dictionary(
      fc
        .oneof(text, fc.constantFrom('constructor', 'toJSON', 'hasOwnProperty', 'length'))
        .filter((key) => key !== '__proto__'),
      fc.oneof(tie('value'), fc.constant(undefined)),
      { maxKeys: 40, noNullPrototype: true },
    ),
  ),
}));
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** What lies under the `CodecError` that the call throws, as text. */
function causeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CodecError) return String(error.cause);
    throw error;
  }
  throw new Error('expected a throw');
}

/** The decoded value; undefined when the bytes are refused with the right error. */
function decodeOrRefuse(stored: Uint8Array): unknown {
  try {
    return codec.decode(stored);
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

function withoutNegativeZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withoutNegativeZero(item)]),
  );
}

describe('msgpack encodes and decodes', () => {
  test('every value it takes to an equal one', () => {
    fc.assert(
      fc.property(encodable, (value) => {
        // Not toStrictEqual: it takes a key named `constructor` for the class.
        expect(isDeepStrictEqual(codec.decode(codec.encode(value)), value)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  test('integers at the edges, keeping number and bigint apart', () => {
    const edges = [2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 31) - 1, -(2 ** 53) + 1];
    expect(codec.decode(codec.encode(edges))).toStrictEqual(edges);
    const big = [0n, 5n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 64n - 1n, -(2n ** 63n)];
    expect(codec.decode(codec.encode(big))).toStrictEqual(big);
  });

  test('dates at both ends of their range, and before the epoch', () => {
    const dates = [-8.64e15, -8.64e15 + 1, -62198755200001, -1, 0, 1, 2 ** 34 * 1000, 8.64e15].map(
      (timeMs) => new Date(timeMs),
    );
    expect(codec.decode(codec.encode(dates))).toStrictEqual(dates);
  });

  test('int64 of another writer without losing precision', () => {
    const stored = Uint8Array.of(0xd3, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    expect(codec.decode(stored)).toBe(2n ** 63n - 1n);
  });

  test('binaries to copies that do not share the source', () => {
    const stored = Buffer.from(codec.encode({ value: Uint8Array.of(1, 2, 3) }));
    const decoded = codec.decode(stored) as { value: Uint8Array };
    stored.fill(0);
    expect(decoded.value).toStrictEqual(Uint8Array.of(1, 2, 3));
  });

  test('objects without a prototype, and getters, by their own enumerable properties', () => {
    const bare = Object.assign(Object.create(null) as Record<string, unknown>, { a: 1 });
    expect(codec.decode(codec.encode(bare))).toStrictEqual({ a: 1 });
  });

  test('two results of encode that do not share bytes', () => {
    const first = codec.encode('first');
    const copy = Uint8Array.from(first);
    for (let index = 0; index < 1000; index++) codec.encode(`later ${index}`);
    expect(Uint8Array.from(first)).toStrictEqual(copy);
  });
});

describe('msgpack refuses to encode', () => {
  test.each([
    ['undefined alone', undefined],
    ['a function', { call: () => 1 }],
    ['a symbol', [Symbol('x')]],
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a RegExp', /x/],
    ['an Error', new Error('x')],
    [
      'a class instance',
      new (class Point {
        x = 1;
      })(),
    ],
    ['another typed array', new Float64Array(2)],
    ['an ArrayBuffer', new ArrayBuffer(2)],
    ['an invalid Date', new Date(Number.NaN)],
    ['a bigint above 64 bits', 2n ** 64n],
    ['a bigint below 64 bits', -(2n ** 63n) - 1n],
    ['a lone surrogate', 'a\uD800'],
    ['a lone surrogate in a key', { '\uDC00': 1 }],
    ['an own __proto__ key', JSON.parse('{"__proto__":1}')],
    ['a boxed string', new String('x')],
  ])('%s', (_name, value) => {
    expect(() => codec.encode(value)).toThrow(CodecError);
  });

  test(`more than ${MSGPACK_DEPTH_MAX} levels, and a cycle by that`, () => {
    const deepest = nested(MSGPACK_DEPTH_MAX);
    expect(codec.decode(codec.encode(deepest))).toStrictEqual(deepest);
    expect(() => codec.encode(nested(MSGPACK_DEPTH_MAX + 1))).toThrow('more than 64 levels');
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(() => codec.encode(cycle)).toThrow('more than 64 levels');
  });

  test(`more than ${MSGPACK_VALUES_MAX} values`, () => {
    const most = Array.from({ length: MSGPACK_VALUES_MAX - 1 }, () => 1);
    expect(codec.decode(codec.encode(most))).toHaveLength(most.length);
    expect(() => codec.encode([...most, 1])).toThrow('more than 1048576 values');
  });
});

describe('msgpack refuses to decode', () => {
  test.each([
    ['no bytes', []],
    ['the reserved byte', [0xc1]],
    ['bytes after the value', [0x01, 0x02]],
    ['a string that ends early', [0xa5, 0x61]],
    ['a string bomb', [0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['a binary bomb', [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['an array bomb', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a map bomb', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['a string that is not UTF-8', [0xa1, 0xff]],
    ['a number as a key', [0x81, 0x01, 0x02]],
    ['nil as a key', [0x81, 0xc0, 0x02]],
    ['a __proto__ key', [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]],
    ['a __proto__ key in a str 8', [0x81, 0xd9, 9, ...Buffer.from('__proto__'), 0x80]],
    ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
    ['a regular expression', [0xd4, 0x78, 0x00, 0x92, 0xa1, 0x61, 0xa0]],
    ['an error', [0xd4, 0x65, 0x00, 0x93, 0xa5, ...Buffer.from('Error'), 0xa1, 0x61, 0xc0]],
    ['a set', [0xd4, 0x73, 0x00, 0x91, 0x01]],
    ['a back reference', [0xd6, 0x70, 0, 0, 0, 1]],
    ['a typed array', [0xc7, 0x05, 0x74, 0x08, 0, 0, 0, 0]],
    ['a bundle of strings', [0xd6, 0x62, 0, 0, 0, 4, 0xa1, 0x61, 0xa1, 0x61]],
    ['a big integer extension', [0xc7, 0x09, 0x42, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a timestamp of 5 bytes', [0xc7, 0x05, 0xff, 0, 0, 0, 0, 0]],
    ['a timestamp beyond Date', [0xc7, 12, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]],
    [
      'a timestamp of 2 s in nanoseconds',
      [0xc7, 12, 0xff, 0x77, 0x35, 0x94, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    ['ext 16', [0xc8, 0x00, 0x04, 0xff, 0, 0, 0, 0]],
  ])('%s', (_name, stored) => {
    expect(() => codec.decode(Uint8Array.from(stored))).toThrow(CodecError);
  });

  test('200,000 levels at once, and 65', () => {
    expect(causeOf(() => codec.decode(new Uint8Array(200_000).fill(0x91)))).toContain('64 levels');
    const deep = new Packr({ useRecords: false }).pack(nested(MSGPACK_DEPTH_MAX + 1));
    expect(causeOf(() => codec.decode(deep))).toContain('64 levels');
  });

  test('a megabyte of empty maps, which would be 56 times that in memory', () => {
    const stored = new Uint8Array(MSGPACK_VALUES_MAX + 5).fill(0x80);
    stored[0] = 0xdd;
    new DataView(stored.buffer).setUint32(1, MSGPACK_VALUES_MAX);
    expect(causeOf(() => codec.decode(stored))).toContain('1048576 values');
  });

  test('any bytes with a CodecError, or to a value that encodes again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (stored) => {
        const value = decodeOrRefuse(stored) ?? null; // undefined encodes only inside a container
        const again = codec.decode(codec.encode(value));
        expect(isDeepStrictEqual(again, withoutNegativeZero(value))).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('damaged values with a CodecError, or to a value that encodes again', () => {
    fc.assert(
      fc.property(encodable, fc.nat(), fc.integer({ min: 1, max: 255 }), (original, at, flip) => {
        const stored = Uint8Array.from(codec.encode(original));
        const position = at % stored.length;
        stored[position] = (stored[position] ?? 0) ^ flip;
        const value = decodeOrRefuse(stored) ?? null;
        const again = codec.decode(codec.encode(value));
        // A flipped bit can make a -0, and -0 comes back as 0.
        expect(isDeepStrictEqual(again, withoutNegativeZero(value))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('without naming payload in the message', () => {
    const stored = Buffer.concat([codec.encode('secret'), Buffer.from([1])]);
    expect(causeOf(() => codec.decode(stored))).not.toContain('secret');
    expect(() => codec.decode(stored)).toThrow('msgpack: 8 bytes could not be decoded');
  });
});
