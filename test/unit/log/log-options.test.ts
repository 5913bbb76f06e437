import { describe, expect, test } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { COMPRESSION_LEVELS } from '../../../src/format/compression.ts';
import { Compression } from '../../../src/format/layout.ts';
import { resolveLogOptions, type LogOptions } from '../../../src/log/log-options.ts';
import { AVAILABLE_COMPRESSIONS } from '../../support/compressions.ts';
import { thrownBy } from '../../support/log-fixture.ts';

function refusalOf(options: object): unknown {
  return thrownBy(() => resolveLogOptions(options as LogOptions<Uint8Array>));
}

describe('resolveLogOptions', () => {
  test('fills in every default', () => {
    expect(resolveLogOptions({})).toMatchObject({
      codec: bytes,
      clock: systemClock,
      random: systemRandom,
      durability: 'sync',
      flushMs: 200,
      segmentBytesMax: 64 * 1024 * 1024,
      segmentAgeMsMax: 7 * 24 * 3600 * 1000,
      retentionMs: null,
      retentionBytes: null,
      retentionCheckMs: 300_000,
      recordBytesMax: 1024 * 1024,
      batchBytesMax: 64 * 1024,
      compressor: null,
      queuedBytesMax: 64 * 1024 * 1024,
      cacheBytes: 32 * 1024 * 1024,
      onCorruption: 'fail',
      lock: 'auto',
      readOnly: false,
      create: true,
      compaction: 'off',
      compactionLagMsMin: 0,
      compactionLagMsMax: null,
      compactionShareMin: 0.5,
      tombstoneRetentionMs: 24 * 3600 * 1000,
      compactionMapBytesMax: 128 * 1024 * 1024,
      compactionBytesPerSecondMax: 64 * 1024 * 1024,
    });
  });

  test('takes undefined for the default, and null for never', () => {
    const options = { flushMs: undefined, segmentAgeMsMax: undefined, retentionMs: undefined };
    expect(resolveLogOptions(options)).toEqual(resolveLogOptions({}));
    const never = resolveLogOptions({
      segmentAgeMsMax: null,
      retentionMs: null,
      retentionBytes: null,
    });
    expect(never).toMatchObject({ retentionMs: null, retentionBytes: null });
    expect(never.segmentAgeMsMax).toBe(Number.POSITIVE_INFINITY);
  });

  test('reads each option once, and is not changed by its caller later', () => {
    let reads = 0;
    const options = {
      get flushMs() {
        reads++;
        return reads === 1 ? 100 : -1;
      },
    };
    const settings = resolveLogOptions(options);
    expect(settings.flushMs).toBe(100);
    expect(reads).toBe(1);
    expect(Object.isFrozen(settings)).toBe(true);
  });

  const RANGES: readonly [keyof LogOptions<unknown>, number, number][] = [
    ['flushMs', 1, 3_600_000],
    ['segmentBytesMax', 4096, 2 ** 30],
    ['segmentAgeMsMax', 1, Number.MAX_SAFE_INTEGER],
    ['retentionMs', 0, Number.MAX_SAFE_INTEGER],
    ['retentionBytes', 0, Number.MAX_SAFE_INTEGER],
    ['retentionCheckMs', 10, 2 ** 31 - 1],
    ['recordBytesMax', 1024, 15 * 2 ** 20],
    ['batchBytesMax', 1024, 2 ** 20],
    ['queuedBytesMax', 65_536, 2 ** 30],
    ['cacheBytes', 0, 2 ** 30],
    ['compactionLagMsMin', 0, Number.MAX_SAFE_INTEGER],
    ['compactionLagMsMax', 1, Number.MAX_SAFE_INTEGER],
    ['tombstoneRetentionMs', 0, Number.MAX_SAFE_INTEGER],
    ['compactionMapBytesMax', 2 ** 20, 2 ** 30],
    ['compactionBytesPerSecondMax', 65_536, Number.MAX_SAFE_INTEGER],
  ];

  test.each(RANGES)('%s goes from %i to %i', (name, min, max) => {
    expect(resolveLogOptions({ [name]: min })).toMatchObject({ [name]: min });
    expect(resolveLogOptions({ [name]: max })).toMatchObject({ [name]: max });
    for (const value of [min - 1, max + 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const error = refusalOf({ [name]: value });
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
      expect((error as Error).message).toContain(name);
    }
    for (const value of ['1gb', true, {}, 5n]) {
      expect(refusalOf({ [name]: value })).toBeInstanceOf(TypeError);
    }
  });

  test.each([
    ['durability', 'paranoid'],
    ['durability', 1],
    ['onCorruption', 'ignore'],
    ['lock', 'fcntl'],
    ['readOnly', 'yes'],
    ['readOnly', 1],
    ['create', 'no'],
    ['compression', 'lz4'],
    ['compression', 1],
    ['compression', null],
    ['compaction', 'keys'],
    ['compaction', true],
  ])('%s does not take %j', (name, value) => {
    const error = refusalOf({ [name]: value });
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    expect((error as Error).message).toContain(name);
  });

  test.each(['none', undefined] as const)('compression %s is no compression', (compression) => {
    expect(resolveLogOptions({ compression }).compressor).toBeNull();
    expect(refusalOf({ compression, compressionLevel: 1 })).toBeInstanceOf(TypeError);
  });

  test.each(AVAILABLE_COMPRESSIONS)('%s takes its levels, and no others', (compression) => {
    const { min, max } = COMPRESSION_LEVELS[compression];
    for (const compressionLevel of [undefined, min, max]) {
      const { compressor } = resolveLogOptions({ compression, compressionLevel });
      expect(compressor?.compression).toBe(Compression[compression]);
    }
    for (const compressionLevel of [min - 1, max + 1, 1.5]) {
      expect(refusalOf({ compression, compressionLevel })).toBeInstanceOf(RangeError);
    }
    expect(refusalOf({ compression, compressionLevel: 'best' })).toBeInstanceOf(TypeError);
  });

  test('compaction by key is for writers and readers alike', () => {
    expect(resolveLogOptions({ compaction: 'key' }).compaction).toBe('key');
    expect(resolveLogOptions({ compaction: 'key', readOnly: true }).compaction).toBe('key');
    const never = { compactionLagMsMax: null, compactionBytesPerSecondMax: null };
    expect(resolveLogOptions(never)).toMatchObject(never);
  });

  test('compactionShareMin is a part of the whole, not a whole number', () => {
    for (const compactionShareMin of [0.01, 1 / 3, 1]) {
      expect(resolveLogOptions({ compactionShareMin }).compactionShareMin).toBe(compactionShareMin);
    }
    for (const compactionShareMin of [0, 0.009, 1.001, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(refusalOf({ compactionShareMin })).toBeInstanceOf(RangeError);
    }
    for (const compactionShareMin of ['0.5', null, 1n]) {
      expect(refusalOf({ compactionShareMin })).toBeInstanceOf(TypeError);
    }
  });

  test('what must be left alone for a time is not due before', () => {
    const lags = { compactionLagMsMin: 1000, compactionLagMsMax: 1000 };
    expect(resolveLogOptions(lags)).toMatchObject(lags);
    expect(refusalOf({ ...lags, compactionLagMsMax: 999 })).toBeInstanceOf(RangeError);
    expect(refusalOf({ ...lags, compactionLagMsMin: 1001 })).toBeInstanceOf(RangeError);
  });

  test('a reader may name a compression that this Node lacks', () => {
    expect(resolveLogOptions({ compression: 'zstd', readOnly: true }).compressor).toBeNull();
  });

  test.each([[null], ['options'], [7], [true]])('does not take %j for options', (options) => {
    expect(refusalOf(options as unknown as object)).toBeInstanceOf(TypeError);
  });

  test('an unknown key is an error that names it', () => {
    const error = refusalOf({ segmentBytes: 4096 });
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain('segmentBytes');
    expect(refusalOf(JSON.parse('{"__proto__": {"flushMs": 5}}') as object)).toBeInstanceOf(
      TypeError,
    );
  });
});
