/** Routing keys beside the first: where they stand, and what is no such thing. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { TooLargeError } from '../../../src/core/errors.ts';
import {
  bccStretch,
  decodeFurtherKeys,
  type FurtherKeys,
} from '../../../src/format/further-keys.ts';
import {
  BCC_HEADER,
  CAUSE_HEADER,
  CC_HEADER,
  ROUTING_KEY_HEADER,
} from '../../../src/format/header-names.ts';
import { decodeHeaders, encodeHeaders } from '../../../src/format/record-headers.ts';
import {
  furtherKeysAt,
  routedHeaders,
  ROUTING_KEY_AT,
  routingKeyAt,
  routingKeyBytes,
} from '../../../src/format/routing-header.ts';

/** So that nothing stands where a block of its own would have it. */
const AT = 5;

function blockOf(key: string, further: Partial<FurtherKeys>, headers: Record<string, string> = {}) {
  const { bytes } = routedHeaders(key, headers, { cc: [], bcc: [], ...further });
  return moved(bytes);
}

function moved(block: Uint8Array): { bytes: Uint8Array; length: number } {
  const bytes = new Uint8Array(AT + block.length + 3).fill(0xee);
  bytes.set(block, AT);
  return { bytes, length: block.length };
}

function keysIn({
  bytes,
  length,
}: {
  bytes: Uint8Array;
  length: number;
}): readonly string[] | null {
  const at = furtherKeysAt(bytes, AT, length);
  return at < 0 ? null : decodeFurtherKeys(bytes, at, AT + length);
}

function textsOf(block: Uint8Array): [string, string][] {
  const headers = decodeHeaders(block, 0, block.length) ?? new Map<string, Uint8Array>();
  return [...headers].map(([name, value]) => [name, Buffer.from(value).toString()]);
}

describe('further routing keys', () => {
  test.each<[string, Partial<FurtherKeys>, readonly string[] | null]>([
    ['', {}, null],
    ['a.b', { cc: ['c'] }, ['c']],
    ['a.b', { bcc: ['', 'd'] }, ['', 'd']],
    [
      'k'.repeat(255),
      { cc: ['é.日本', '"\\\u0001'], bcc: ['x'.repeat(255)] },
      ['é.日本', '"\\\u0001', 'x'.repeat(255)],
    ],
  ])('go in and come out: %j, %j', (key, further, expected) => {
    for (const headers of [{}, { own: 'x' }]) {
      const block = blockOf(key, further, headers);
      expect(routingKeyAt(block.bytes, AT, block.length)).toBe(key);
      expect(keysIn(block)).toEqual(expected);
    }
  });

  test('are text for everybody who reads headers, behind the routing key and before all others', () => {
    const own = { 1: 'one', [CC_HEADER]: 'old', [BCC_HEADER]: 'old', [ROUTING_KEY_HEADER]: 'old' };
    const { bytes } = routedHeaders('a', own, { cc: ['b', 'c'], bcc: ['d'] });
    expect(textsOf(bytes)).toEqual([
      [ROUTING_KEY_HEADER, 'a'],
      [CC_HEADER, '["b","c"]'],
      [BCC_HEADER, '["d"]'],
      ['1', 'one'],
    ]);
  });

  test('are not what a publisher calls so', () => {
    const own = { [BCC_HEADER]: '["d"]', [CC_HEADER]: '["c"]', own: 'x' };
    const { bytes } = routedHeaders('a', own);
    expect(textsOf(bytes)).toEqual([
      [ROUTING_KEY_HEADER, 'a'],
      ['own', 'x'],
    ]);
  });

  test.each<[string, Record<string, string>]>([
    ['behind another name', { [ROUTING_KEY_HEADER]: 'a', 'varve-cd': '["c"]' }],
    ['behind another header', { [ROUTING_KEY_HEADER]: 'a', own: 'x', [CC_HEADER]: '["c"]' }],
    ['without a routing key', { [CC_HEADER]: '["c"]' }],
    ['behind another header of Varve', { [CAUSE_HEADER]: 'a', [CC_HEADER]: '["c"]' }],
  ])('are not there: %s', (_, headers) => {
    const block = encodeHeaders(headers);
    expect(keysIn(moved(block ?? new Uint8Array(0)))).toBeNull();
  });

  test('are not there in a routing key that is too long to be one, whatever is in it', () => {
    const { bytes } = routedHeaders('', null, { cc: ['c'], bcc: [] });
    const key = new Uint8Array(256); // The low byte of its length is that of the empty key.
    key.set(bytes.subarray(ROUTING_KEY_AT));
    const block = moved(present(encodeHeaders({ [ROUTING_KEY_HEADER]: key }), 'a block'));
    expect(routingKeyBytes(block.bytes, AT, block.length)).toBe(256);
    expect(keysIn(block)).toBeNull();
  });

  test('are not there when their length does not fit the block', () => {
    const block = blockOf('a', { cc: ['c'] });
    const lengthAt = AT + block.length - '["c"]'.length - 2;
    new DataView(block.bytes.buffer).setUint16(lengthAt, '["c"]'.length + 1, true);
    expect(keysIn(block)).toBeNull();
    new DataView(block.bytes.buffer).setUint16(lengthAt, 2 ** 16 - 1, true);
    expect(keysIn(block)).toBeNull();
  });

  test.each(['', 'c', '"c"', '[1]', '["c"', '{"0":"c"}', 'null'])(
    'are none when they are no JSON array of text: %j',
    (value) => {
      const headers = { [ROUTING_KEY_HEADER]: 'a', [CC_HEADER]: value, [BCC_HEADER]: '["d"]' };
      expect(keysIn(moved(encodeHeaders(headers) ?? new Uint8Array(0)))).toEqual(['d']);
    },
  );

  test('of BCC are found by where they stand, to be left out', () => {
    for (const cc of [[], ['c']]) {
      const { bytes, length } = blockOf('a', { cc, bcc: ['d'] }, { own: 'x' });
      const stretch = bccStretch(bytes, furtherKeysAt(bytes, AT, length), AT + length);
      const found = Buffer.from(bytes.subarray(stretch?.start, stretch?.end));
      const expected = encodeHeaders({ [BCC_HEADER]: '["d"]' })?.subarray(2);
      expect(found.toString('hex')).toBe(Buffer.from(expected ?? []).toString('hex'));
    }
    const { bytes, length } = blockOf('a', { cc: ['c'] });
    expect(bccStretch(bytes, furtherKeysAt(bytes, AT, length), AT + length)).toBeNull();
  });

  test('count for the size of the block', () => {
    const headers = { big: new Uint8Array(65_535 - ROUTING_KEY_AT - 7) };
    expect(routedHeaders('', headers).bytes.length).toBe(65_535);
    expect(() => routedHeaders('', headers, { cc: [''], bcc: [] })).toThrow(TooLargeError);
    const long = Array.from({ length: 64 }, () => '\u0001'.repeat(255));
    expect(() => routedHeaders('', null, { cc: long, bcc: [] })).toThrow(TooLargeError);
  });
});
