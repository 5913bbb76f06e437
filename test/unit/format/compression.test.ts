import { describe, expect, test } from 'vitest';

import { CodecUnavailableError } from '../../../src/core/errors.ts';
import { BATCH_BYTES_MAX, COMPRESSION_RATIO_MAX, MIB } from '../../../src/core/limits.ts';
import {
  COMPRESSION_LEVELS,
  compressionName,
  compressionProblem,
  createCompressor,
  decompress,
} from '../../../src/format/compression.ts';
import { Compression } from '../../../src/format/layout.ts';
import { thrownBy } from '../../support/log-fixture.ts';
import { AVAILABLE_COMPRESSIONS, HAS_ZSTD } from '../../support/compressions.ts';

const text = Buffer.from('{"user":"u-17","event":"click","amount":12.5}\n'.repeat(200));

/** Bytes in which no compression finds anything. */
function noise(length: number): Buffer {
  let state = 88_172_645;
  return Buffer.from(
    Uint8Array.from({ length }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state;
    }),
  );
}

describe.each(AVAILABLE_COMPRESSIONS)('%s', (name) => {
  const id = Compression[name];
  const { min, max } = COMPRESSION_LEVELS[name];

  test.each([min, 3, max])('at level %i gives back what went in', (level) => {
    const { compression, compress } = createCompressor(name, level);
    expect(compression).toBe(id);
    for (const records of [text, text.subarray(0, 300), Buffer.concat([noise(500), text])]) {
      const compressed = compress(records);
      expect(compressed?.length).toBeLessThan(records.length - 4);
      const result = decompress(id, compressed ?? noise(1), records.length);
      expect(Buffer.compare(result.bytes ?? noise(1), records)).toBe(0);
    }
  });

  test('leaves alone what would not be smaller with its size', () => {
    const { compress } = createCompressor(name, 1);
    for (const records of [noise(5000), Buffer.from('short'), text.subarray(0, 20), noise(0)]) {
      expect(compress(records)).toBeNull();
    }
  });

  test('leaves alone what readers would take for a bomb', () => {
    const { compress } = createCompressor(name, name === 'gzip' ? 9 : 3);
    const zeros = new Uint8Array(15 * MIB);
    expect(compress(zeros)?.length).toBeUndefined();
    zeros.set(noise(100 * 1024)); // 15 MiB in 100 KiB is believed.
    const compressed = compress(zeros);
    expect(compressed?.length).toBeGreaterThan(zeros.length / COMPRESSION_RATIO_MAX);
    expect(decompress(id, compressed ?? noise(1), zeros.length).problem).toBeNull();
  });

  test('a size that is too small, too large or 1 is a problem, never other bytes', () => {
    const compressed = createCompressor(name, 1).compress(text) ?? noise(1);
    for (const size of [1, text.length - 1, text.length + 1, 2 * text.length]) {
      const { bytes, problem } = decompress(id, compressed, size);
      expect(bytes).toBeNull();
      expect(problem).toMatch(new RegExp(`${name}|${size}`));
    }
  });

  test('bytes that are cut, changed or not compressed at all are a problem', () => {
    const compressed = createCompressor(name, 1).compress(text) ?? noise(1);
    const changed = Uint8Array.from(compressed);
    changed[0] = 0;
    const half = compressed.subarray(0, compressed.length / 2);
    for (const bytes of [half, changed, noise(500), new Uint8Array(500), noise(1)]) {
      expect(decompress(id, bytes, text.length).problem).not.toBeNull();
    }
  });

  test('a bomb is stopped at the size that was stated', () => {
    const bomb = new Uint8Array(64 * MIB);
    bomb.set(noise(100 * 1024));
    const compressed = createCompressor(name, 3).compress(bomb) ?? noise(1);
    const before = process.memoryUsage().arrayBuffers;
    const { bytes, problem } = decompress(id, compressed, BATCH_BYTES_MAX);
    expect(bytes).toBeNull();
    expect(problem).toContain('ERR_BUFFER_TOO_LARGE');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(BATCH_BYTES_MAX + MIB);
  });
});

test('zstd is there where Node has it, and refused by name where not', () => {
  expect(compressionProblem(Compression.gzip)).toBeNull();
  if (HAS_ZSTD) {
    expect(compressionProblem(Compression.zstd)).toBeNull();
    return;
  }
  expect(compressionProblem(Compression.zstd)).toContain(process.version);
  const error = thrownBy(() => createCompressor('zstd', 1));
  expect(error).toBeInstanceOf(CodecUnavailableError);
  expect(error).toMatchObject({
    code: 'ERR_VARVE_CODEC_UNAVAILABLE',
    details: { codec: 'zstd', offset: null },
  });
});

test.each([3, 4, 5, 6, 7])('number %i is not known yet', (compression) => {
  expect(compressionName(compression)).toBe(`compression ${compression}`);
  expect(compressionProblem(compression)).toContain(`compression ${compression}`);
});
