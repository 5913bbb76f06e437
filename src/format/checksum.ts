/**
 * The checksum of the format: CRC-32 (IEEE), stored XOR a constant.
 *
 * Three implementations with identical results. `crc-32` has no call overhead and wins on short
 * ranges (64 B: 66 ns against 130 and 170). Above, `@node-rs/crc32` reads 10 to 19 GB/s where it is
 * installed: an optional dependency, prebuilt. `zlib.crc32` reads 3 to 7 and is always there. A
 * property test holds them equal.
 */
import zlib from 'node:zlib';
import crc32 from 'crc-32';
import { loadAddon } from '../core/addons.ts';

/** Stored = CRC XOR this, so that a run of zeros never carries a matching checksum. */
export const CRC_MASK = 0xa282ead8;
/** Below this many bytes `crc-32` wins. */
const PORTABLE_BYTES_MAX = 192;

/**
 * Not a Buffer, and not at the beginning of its memory: as the log hands them over. Its bytes differ,
 * so that it shows when others are counted; its CRC needs all 32 bits, so that a sign shows.
 */
const PROBE = Uint8Array.from({ length: 2048 }, (_, at) => at * 31).subarray(3, 1501);

type Crc = (bytes: Uint8Array, seed?: number) => number;

const crcOfMany: Crc = loadNative(loadAddon) ?? zlib.crc32;

/** Checksum of `bytes[start, end)` as it is stored: u32. */
export function checksum(bytes: Uint8Array, start: number, end: number): number {
  return (crcOf(bytes.subarray(start, end)) ^ CRC_MASK) >>> 0;
}

/** CRC-32 of `bytes`, behind others of which `seed` is the CRC-32: u32, or the same as an i32. */
export function crcOf(bytes: Uint8Array, seed = 0): number {
  return bytes.length < PORTABLE_BYTES_MAX ? crc32.buf(bytes, seed) : crcOfMany(bytes, seed >>> 0);
}

/** Null where the addon is not installed, or not for this machine, or does not count as we do. */
export function loadNative(load: (name: string) => unknown): Crc | null {
  try {
    const native = load('@node-rs/crc32');
    return isAddon(native) && native.crc32(PROBE) === zlib.crc32(PROBE) ? native.crc32 : null;
  } catch {
    return null;
  }
}

function isAddon(module: unknown): module is { readonly crc32: Crc } {
  if (typeof module !== 'object' || module === null || !('crc32' in module)) return false;
  return typeof module.crc32 === 'function';
}
