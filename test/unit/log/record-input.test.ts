import { describe, expect, test } from 'vitest';

import { bytes, utf8, type Codec } from '../../../src/codec/codec.ts';
import { CodecError, InvalidValueError, TooLargeError } from '../../../src/core/errors.ts';
import { countKeyBytes } from '../../../src/format/batch-encoder.ts';
import { emptyEncodable, prepareRecord, type RecordInput } from '../../../src/log/record-input.ts';
import { thrownBy } from '../../support/log-fixture.ts';

const NOW_MS = 777;
const SETTINGS = { codec: utf8, limits: { recordBytesMax: 1_000_000 } };

function prepared(input: RecordInput<string>) {
  const record = emptyEncodable();
  prepareRecord(input, NOW_MS, SETTINGS, record);
  return record;
}

/** A codec whose `encode` does what is asked. */
function codecOf(encode: () => unknown): Codec<unknown> {
  return { id: 'odd', encode: encode as () => Uint8Array, decode: (view) => view };
}

describe('prepareRecord', () => {
  test('measures a record: 16 bytes, key, headers, value', () => {
    expect(prepared({ value: 'abc' })).toMatchObject({ key: null, keyBytes: 0, sizeBytes: 19 });
    expect(prepared({ value: null, key: 'ab' })).toMatchObject({ keyBytes: 2, sizeBytes: 18 });
    expect(prepared({ value: '', headers: { ab: 'c' } }).sizeBytes).toBe(16 + 2 + 2 + 2 + 2 + 1);
  });

  test('counts a short key as ASCII, until the length matters', () => {
    const guessed = prepared({ value: null, key: 'äö' });
    expect(guessed).toMatchObject({ keyBytes: 2, sizeBytes: 18 });
    countKeyBytes(guessed);
    expect(guessed).toMatchObject({ keyBytes: 4, sizeBytes: 20 });
    expect(prepared({ value: null, key: 'ä'.repeat(65) })).toMatchObject({ keyBytes: 130 });
    const atLimit = (recordBytesMax: number) => () => {
      const record = emptyEncodable();
      prepareRecord(
        { value: null, key: 'äö' },
        NOW_MS,
        { ...SETTINGS, limits: { recordBytesMax } },
        record,
      );
      return record;
    };
    expect(atLimit(20)()).toMatchObject({ keyBytes: 4, sizeBytes: 20 });
    expect(atLimit(19)).toThrow(TooLargeError);
  });

  test('fills every field anew, so that one object serves for all records', () => {
    const record = emptyEncodable();
    const full = { value: 'v', key: 'k', headers: { h: 'h' }, createTimeMs: 5 };
    prepareRecord(full, NOW_MS, SETTINGS, record);
    prepareRecord({ value: 'only' }, NOW_MS, SETTINGS, record);
    expect(record).toEqual(prepared({ value: 'only' }));
    expect(record).toMatchObject({ key: null, headers: null, createTimeMs: NOW_MS });
  });

  test('takes the time of the clock only when there is none', () => {
    expect(prepared({ value: '' }).createTimeMs).toBe(NOW_MS);
    expect(prepared({ value: '', createTimeMs: undefined }).createTimeMs).toBe(NOW_MS);
    expect(prepared({ value: '', createTimeMs: 0 }).createTimeMs).toBe(0);
  });

  test('takes no headers, null and an empty object for the same', () => {
    for (const headers of [undefined, null, {}]) {
      expect(prepared({ value: '', headers }).headers).toBeNull();
    }
  });

  test('a codec that throws is a CodecError with its cause; its own TypeErrors pass', () => {
    const cause = new RangeError('too deep');
    const throwing = codecOf(() => {
      throw cause;
    });
    const settings = { codec: throwing, limits: { recordBytesMax: 1000 } };
    const error = thrownBy(() => prepareRecord({ value: 1 }, 0, settings, emptyEncodable()));
    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({ details: { codec: 'odd', offset: null }, cause });
    const issues = [{ message: 'no' }];
    const refusing = codecOf(() => {
      throw new InvalidValueError('no', { issues });
    });
    const refusal = { codec: refusing, limits: { recordBytesMax: 1000 } };
    expect(() => prepareRecord({ value: 1 }, 0, refusal, emptyEncodable())).toThrow(
      InvalidValueError,
    );
  });

  test('a codec that makes no bytes is the caller’s mistake', () => {
    for (const made of [undefined, null, 'text', [1, 2], new ArrayBuffer(2)]) {
      const settings = { codec: codecOf(() => made), limits: { recordBytesMax: 1000 } };
      const error = thrownBy(() => prepareRecord({ value: 1 }, 0, settings, emptyEncodable()));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    }
  });

  test('never asks the codec about a tombstone', () => {
    const never = codecOf(() => {
      throw new Error('asked');
    });
    const record = emptyEncodable();
    prepareRecord(
      { value: null, key: 'k' },
      0,
      { codec: never, limits: { recordBytesMax: 1000 } },
      record,
    );
    expect(record.value).toBeNull();
  });

  test('the limit counts the whole record', () => {
    const settings = { codec: bytes, limits: { recordBytesMax: 1024 } };
    const record = emptyEncodable();
    prepareRecord({ value: new Uint8Array(1024 - 16 - 3), key: 'abc' }, 0, settings, record);
    expect(record.sizeBytes).toBe(1024);
    const large = { value: new Uint8Array(1024 - 16 - 2), key: 'abc' };
    expect(thrownBy(() => prepareRecord(large, 0, settings, record))).toMatchObject({
      details: { what: 'record', bytes: 1025, bytesMax: 1024 },
    });
    expect(thrownBy(() => prepareRecord(large, 0, settings, record))).toBeInstanceOf(TooLargeError);
  });

  test('error messages show no payload', () => {
    const secret = 'hunter2hunter2';
    const settings = { codec: bytes, limits: { recordBytesMax: 1024 } };
    const input = { value: { secret } } as unknown as RecordInput<Uint8Array>;
    const error = thrownBy(() => prepareRecord(input, 0, settings, emptyEncodable()));
    expect((error as Error).message).not.toContain('hunter2');
  });
});
