import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytes, json, utf8 } from '../../../src/codec/codec.ts';
import { CodecError } from '../../../src/core/errors.ts';

const wellFormed = fc.string({ unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text));

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('expected a throw');
}

/** The bytes decoded and encoded again; the same bytes when they are refused as they should be. */
function again(stored: Uint8Array): Uint8Array {
  try {
    return utf8.encode(utf8.decode(stored));
  } catch (error) {
    if (error instanceof CodecError) return stored;
    throw error;
  }
}

describe('bytes', () => {
  test('returns what went in', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        expect(bytes.decode(bytes.encode(value))).toEqual(value);
      }),
    );
  });

  test('decodes to a copy, also of a Buffer: the source may change afterwards', () => {
    const stored = Buffer.from('abc');
    const value = bytes.decode(stored);
    stored[0] = 0;
    expect(Array.from(value)).toEqual([97, 98, 99]);
    expect(Buffer.isBuffer(value)).toBe(false);
  });

  test('refuses what is not a Uint8Array as a caller mistake', () => {
    const error = thrownBy(() => bytes.encode('abc' as unknown as Uint8Array));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
  });
});

describe('utf8', () => {
  test('returns what went in, byte order mark included', () => {
    fc.assert(
      fc.property(wellFormed, (text) => {
        expect(utf8.decode(utf8.encode(text))).toBe(text);
      }),
    );
    expect(utf8.decode(utf8.encode('\uFEFFx'))).toBe('\uFEFFx');
  });

  test('refuses a lone surrogate instead of writing U+FFFD', () => {
    expect(() => utf8.encode('a\uD800b')).toThrow(CodecError);
    expect(() => utf8.encode('\uDC00')).toThrow(CodecError);
    expect(utf8.encode('\u{1F600}')).toHaveLength(4);
  });

  test('any bytes decode to text that encodes to the same bytes, or throw CodecError', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (stored) => {
        expect(again(stored)).toEqual(stored);
      }),
    );
  });

  test('a decode error has the cause, the codec and no payload', () => {
    const error = thrownBy(() => utf8.decode(Buffer.from([0x73, 0x65, 0x63, 0xff])));
    expect(error).toMatchObject({
      code: 'ERR_VARVE_CODEC',
      details: { codec: 'utf8', offset: null },
    });
    expect((error as Error).cause).toBeInstanceOf(TypeError);
    expect((error as Error).message).toBe('utf8: 4 bytes are not UTF-8');
  });

  test('refuses what is not a string as a caller mistake', () => {
    expect(thrownBy(() => utf8.encode(1 as unknown as string))).toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
  });
});

describe('json', () => {
  const codec = json();

  test('returns every JSON value, lone surrogates included', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(codec.decode(codec.encode(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(codec.decode(codec.encode('a\uD800'))).toBe('a\uD800');
  });

  test.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a bigint', 1n],
  ])('refuses %s', (_name, value) => {
    expect(() => codec.encode(value)).toThrow(CodecError);
  });

  test('refuses a cycle, with the platform error as cause', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect((thrownBy(() => codec.encode(cycle)) as Error).cause).toBeInstanceOf(TypeError);
  });

  test.each([
    ['no bytes', ''],
    ['half a value', '{"a":'],
    ['two values', '1 2'],
    ['a byte order mark', '\uFEFF1'],
  ])('refuses to decode %s, without quoting it', (_name, text) => {
    const error = thrownBy(() => codec.decode(Buffer.from(text))) as CodecError;
    expect(error).toBeInstanceOf(CodecError);
    expect(error.cause).toBeInstanceOf(SyntaxError);
    expect(error.message).toBe(`json: ${Buffer.byteLength(text)} bytes are not JSON`);
  });

  test('refuses to decode bytes that are not UTF-8', () => {
    expect(() => codec.decode(Buffer.from([0x22, 0xff, 0x22]))).toThrow('are not UTF-8');
  });

  test('a __proto__ key is an own property, and pollutes nothing', () => {
    const value = codec.decode(Buffer.from('{"__proto__":{"polluted":true}}')) as object;
    expect(Object.hasOwn(value, '__proto__')).toBe(true);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
