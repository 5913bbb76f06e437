import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checksum } from '../../../src/format/checksum.ts';
import { ChecksumTail } from '../../../src/format/checksum-tail.ts';

const bytesOf = (maxLength: number) => fc.uint8Array({ maxLength });

describe('The checksum of a tail', () => {
  test('gives that of all, whatever stands before and however it is cut', () => {
    const parts = fc.array(bytesOf(400), { maxLength: 4 });
    fc.assert(
      fc.property(bytesOf(400), parts, (front, tail) => {
        const all = Buffer.concat([front, ...tail]);
        const joined = new ChecksumTail(tail).behind(checksum(front, 0, front.length));
        expect(joined).toBe(checksum(all, 0, all.length));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([0, 1, 191, 192, 65_536, 1_048_577, 3_000_001])('of %i bytes', (bytes) => {
    const tail = Uint8Array.from({ length: bytes }, (_, at) => at * 31 + (at >> 8));
    const front = Uint8Array.of(7, 0, 255);
    const all = Buffer.concat([front, tail]);
    const joined = new ChecksumTail([tail]);
    expect(joined.behind(checksum(front, 0, 3))).toBe(checksum(all, 0, all.length));
    expect(joined.behind(checksum(front, 1, 3))).toBe(checksum(all, 1, all.length));
  });
});
