import { describe, expect, it } from 'vitest';
import { decodeHeaders, encodeHeaders } from '../../../src/format/record-headers.ts';
import { routedHeaders, routingKeyAt } from '../../../src/format/routing-header.ts';
import { CC_HEADER, ROUTING_KEY_HEADER } from '../../../src/format/header-names.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { TooLargeError } from '../../../src/core/errors.ts';

const decoder = new TextDecoder();

/** As a reader sees them. */
function textsOf(block: Uint8Array): [string, string][] {
  const headers = decodeHeaders(block, 0, block.length) ?? new Map<string, Uint8Array>();
  return [...headers].map(([name, value]) => [name, decoder.decode(value)]);
}

describe('the routing key in the headers of a record', () => {
  it.each(['', 'flight.AMS.JFK', 'é.日本', 'k'.repeat(255)])('goes in and comes out: %j', (key) => {
    const { bytes } = routedHeaders(key, null);
    expect(routingKeyAt(bytes, 0, bytes.length)).toBe(key);
    expect(textsOf(bytes)).toEqual([[ROUTING_KEY_HEADER, key]]);
  });

  it('comes first, also where names of headers look like numbers', () => {
    const { bytes } = routedHeaders('a.b', { 1: 'one', z: 'last' });
    expect(textsOf(bytes)).toEqual([
      [ROUTING_KEY_HEADER, 'a.b'],
      ['1', 'one'],
      ['z', 'last'],
    ]);
  });

  it('stands in for a header of its name', () => {
    const { bytes } = routedHeaders('new', { [ROUTING_KEY_HEADER]: 'old', other: 'x' });
    expect(textsOf(bytes)).toEqual([
      [ROUTING_KEY_HEADER, 'new'],
      ['other', 'x'],
    ]);
  });

  it('is not there in a block that begins with anything else', () => {
    const block = encodeHeaders({ [CC_HEADER]: 'x', [ROUTING_KEY_HEADER]: 'behind' });
    expect(block).not.toBeNull();
    expect(routingKeyAt(block ?? new Uint8Array(), 0, block?.length ?? 0)).toBeNull();
    expect(routingKeyAt(new Uint8Array(64), 3, 0)).toBeNull();
  });

  it('is not there when its length does not fit the block', () => {
    const { bytes } = routedHeaders('abc', null);
    viewOf(bytes).setUint16(bytes.length - 5, 4, true);
    expect(routingKeyAt(bytes, 0, bytes.length)).toBeNull();
  });

  it('counts for the size of the block', () => {
    const headers = { big: new Uint8Array(65_536 - 2 - 7) };
    expect(() => routedHeaders('key', headers)).toThrow(TooLargeError);
  });
});
