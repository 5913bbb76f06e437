import { createRequire } from 'node:module';
import zlib from 'node:zlib';

import crc32 from 'crc-32';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { checksum, CRC_MASK, loadNative } from '../../../src/format/checksum.ts';
import { propertyOptions } from '../../support/property.ts';

const require = createRequire(import.meta.url);
const BYTES_MAX = 200_000;

/** Bytes without a pattern, with runs of zeros and ones between them. */
const CONTENT = Uint8Array.from({ length: BYTES_MAX + 64 }, (_, at) => {
  if (at % 10_000 < 300) return at % 20_000 < 300 ? 0 : 0xff;
  return Math.imul(at + 1, 2_654_435_761) >>> 24;
});

const ADDON = '@node-rs/crc32';

function isInstalled(): boolean {
  try {
    require(ADDON);
    return true;
  } catch {
    return false;
  }
}

const native = loadNative(require);

/** Lengths around the switch, around powers of two, and any. */
const length = fc.oneof(
  fc.integer({ min: 500, max: 530 }),
  fc
    .nat(17)
    .chain((bits) => fc.integer({ min: -2, max: 2 }).map((by) => Math.max(0, 2 ** bits + by))),
  fc.nat(BYTES_MAX),
);
const start = fc.nat(64);

describe('the three implementations', () => {
  test('include the addon where it is installed', () => {
    expect(native !== null).toBe(isInstalled());
  });

  test('agree on any range of any length, of a Uint8Array and of a Buffer', () => {
    fc.assert(
      fc.property(length, start, fc.boolean(), (size, from, isBuffer) => {
        const view = CONTENT.subarray(from, from + size);
        const bytes = isBuffer ? Buffer.from(view.buffer, view.byteOffset, size) : view;
        const expected = zlib.crc32(bytes);
        expect(crc32.buf(bytes) >>> 0).toBe(expected);
        if (native !== null) expect(native(bytes)).toBe(expected);
        expect(checksum(bytes, 0, size)).toBe((expected ^ CRC_MASK) >>> 0);
        const whole = isBuffer ? Buffer.from(CONTENT.buffer) : CONTENT;
        expect(checksum(whole, from, from + size)).toBe((expected ^ CRC_MASK) >>> 0);
      }),
      propertyOptions({ numRuns: 500 }),
    );
  });

  test('agree on memory of a pool, of its own, cut, and of another type before', () => {
    const pooled = Buffer.from(CONTENT.subarray(0, 3000));
    const slow = Buffer.allocUnsafeSlow(3000);
    slow.set(pooled);
    const words = new Uint8Array(new Uint32Array(slow.buffer.slice(0, 3000)).buffer, 4, 2900);
    for (const bytes of [pooled, slow, words, pooled.subarray(7, 2001), words.subarray(1)]) {
      const expected = zlib.crc32(bytes);
      expect(native?.(bytes) ?? expected).toBe(expected);
      expect(checksum(bytes, 0, bytes.length)).toBe((expected ^ CRC_MASK) >>> 0);
    }
  });

  test('do not change what they read', () => {
    const bytes = CONTENT.slice(0, 4096);
    checksum(bytes, 0, 4096);
    native?.(bytes);
    expect(bytes).toEqual(CONTENT.slice(0, 4096));
  });
});

describe('loadNative', () => {
  test('asks for the addon by its name, and takes what counts as zlib does', () => {
    const asked: string[] = [];
    const own = (bytes: Uint8Array) => zlib.crc32(bytes);
    const loaded = loadNative((name) => {
      asked.push(name);
      return { crc32: own, crc32c: () => 0 };
    });
    expect(asked).toEqual([ADDON]);
    expect(loaded).toBe(own);
  });

  test.each<[string, () => unknown]>([
    [
      'is not installed',
      () => {
        throw Object.assign(new Error(`Cannot find module '${ADDON}'`), {
          code: 'MODULE_NOT_FOUND',
        });
      },
    ],
    [
      'is for another machine, and throws no error at all',
      () => {
        throw 'invalid ELF header'; // oxlint-disable-line typescript/only-throw-error -- addons do
      },
    ],
    ['is nothing', () => undefined],
    ['is null', () => null],
    ['is a text', () => 'crc32'],
    ['is a number', () => 7],
    ['is a function', () => Object.assign(() => 0, { crc32: zlib.crc32 })],
    ['is empty', () => ({})],
    ['has only a default export', () => ({ default: { crc32: zlib.crc32 } })],
    ['has only the other polynomial', () => ({ crc32c: zlib.crc32 })],
    ['has something else by that name', () => ({ crc32: 0xcbf43926 })],
    ['has nothing by that name', () => ({ crc32: undefined })],
    ['counts nothing', () => ({ crc32: () => 0 })],
    ['counts differently', () => ({ crc32: (bytes: Uint8Array) => zlib.crc32(bytes) ^ 1 })],
    ['counts with a sign', () => ({ crc32: (bytes: Uint8Array) => crc32.buf(bytes) })],
    ['counts in big integers', () => ({ crc32: (bytes: Uint8Array) => BigInt(zlib.crc32(bytes)) })],
    ['counts in promises', () => ({ crc32: async (bytes: Uint8Array) => zlib.crc32(bytes) })],
    ['counts from the start of the memory', () => ({ crc32: (b: Uint8Array) => ofMemory(b) })],
    [
      'wants a Buffer',
      () => ({
        crc32(bytes: Uint8Array) {
          if (Buffer.isBuffer(bytes)) return zlib.crc32(bytes);
          throw new TypeError('expected a Buffer');
        },
      }),
    ],
    [
      'fails when it is looked at',
      () => ({
        get crc32(): never {
          throw new Error('not for this machine');
        },
      }),
    ],
  ])('gives null, and throws nothing, when the addon %s', (_name, load) => {
    expect(loadNative(load)).toBeNull();
  });

  test('probes with a number of which the sign shows', () => {
    let probe: Uint8Array = new Uint8Array();
    loadNative(() => ({
      crc32(bytes: Uint8Array) {
        probe = bytes;
        return 0;
      },
    }));
    expect(Buffer.isBuffer(probe)).toBe(false);
    expect(probe.byteOffset).toBeGreaterThan(0);
    expect(zlib.crc32(probe)).toBeGreaterThan(0x7fff_ffff);
  });
});

function ofMemory({ buffer, length: size }: Uint8Array): number {
  return zlib.crc32(new Uint8Array(buffer, 0, size));
}
