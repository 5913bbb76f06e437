/** A map by number has the bytes that any map has, however large it is. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { BadEntryError, EntryReader, EntryWriter } from '../../../src/journal/entry-bytes.ts';
import { frozenOf, map, text, uint, type Field } from '../../../src/journal/entry-fields.ts';
import { numberedMap } from '../../../src/journal/numbered-map.ts';
import { propertyOptions } from '../../support/property.ts';

const texts = numberedMap(text);
const plain = map(uint, text);

const anyPairs = fc
  .array(fc.tuple(fc.oneof(fc.nat(300), fc.maxSafeNat()), fc.string()), { maxLength: 60 })
  .map((pairs) => new Map(pairs));

function written(field: Field<Map<number, string>>, pairs: Map<number, string>): Uint8Array {
  const writer = new EntryWriter();
  field.write(writer, pairs);
  return writer.take();
}

describe('a map by number', () => {
  test('is written as any map, and read again', () => {
    fc.assert(
      fc.property(anyPairs, (pairs) => {
        const encoded = written(texts, pairs);
        expect(encoded).toEqual(written(plain, pairs));
        const reader = new EntryReader(encoded);
        expect(texts.read(reader)).toEqual(pairs);
        reader.end();
      }),
      propertyOptions(),
    );
  });

  test('is copied as it is at one moment', () => {
    fc.assert(
      fc.property(anyPairs, fc.array(fc.maxSafeNat(), { maxLength: 3 }), (pairs, added) => {
        const before = written(plain, pairs);
        const frozen = frozenOf(texts, pairs);
        for (const number of added) pairs.set(number, 'later');
        for (const [number] of [...pairs].slice(0, 2)) pairs.delete(number);
        const writer = new EntryWriter();
        expect([...frozen(writer)]).toHaveLength(0);
        expect(writer.take()).toEqual(before);
      }),
      propertyOptions(),
    );
  });

  test('with a number twice is refused', () => {
    const bytes = Uint8Array.of(2, 7, 0, 7, 0);
    expect(() => texts.read(new EntryReader(bytes))).toThrow(BadEntryError);
  });
});
