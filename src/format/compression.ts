/**
 * Compression of the records of a batch: names, levels, and the seam around `node:zlib`.
 *
 * zstd is looked up when it is asked for: Node has it from 22.15 and 23.8 on, and a named import of
 * what is missing would keep the whole library from loading.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { present } from '../core/assert.ts';
import { CodecUnavailableError } from '../core/errors.ts';
import { COMPRESSION_RATIO_MAX } from '../core/limits.ts';
import { Compression, UNCOMPRESSED_SIZE_BYTES } from './layout.ts';

/** How a log compresses its batches. */
export type CompressionName = keyof typeof Compression;

/** By their numbers in the format. */
export const COMPRESSION_NAMES = ['none', 'gzip', 'zstd'] as const;

/** Levels that may be asked for, from the fastest on. zstd's last three need 100 MB and more. */
export const COMPRESSION_LEVELS = {
  gzip: { min: 1, max: 9 },
  zstd: { min: 1, max: 19 },
} as const;

/** The part of `node:zlib` that the types of Node 20 do not know. */
interface Zstd {
  readonly zstdCompressSync: ZstdFunction;
  readonly zstdDecompressSync: ZstdFunction;
  readonly zstdCompress: ZstdCallbackFunction;
  readonly zstdDecompress: ZstdCallbackFunction;
}

type ZstdFunction = (bytes: Uint8Array, options: ZstdOptions) => Uint8Array;

type ZstdCallbackFunction = (
  bytes: Uint8Array,
  options: ZstdOptions,
  callback: (error: Error | null, result: Uint8Array) => void,
) => void;

interface ZstdOptions {
  readonly chunkSize: number;
  readonly maxOutputLength?: number;
  readonly pledgedSrcSize?: number;
  /** By their numbers in zstd.h. */
  readonly params: Readonly<Record<number, number>>;
}

const ZSTD_C_COMPRESSION_LEVEL = 100;
const ZSTD_D_WINDOW_LOG_MAX = 100;
/** 2^24, the largest batch; zstd's own limit would let a forged frame ask for 128 MiB. */
const ZSTD_WINDOW_LOG_MAX = 24;
/** `node:zlib` takes no smaller one. */
const CHUNK_BYTES_MIN = 64;

/** One way to compress. Both directions throw what `node:zlib` throws. */
interface Method {
  compress(bytes: Uint8Array, level: number): Uint8Array;
  /** Never yields more than `sizeBytes`: so much memory is taken, at once. */
  decompress(compressed: Uint8Array, sizeBytes: number): Uint8Array;
  /** The same on another thread; nobody may change the bytes meanwhile. */
  compressOffThread(bytes: Uint8Array, level: number): Promise<Uint8Array>;
  decompressOffThread(compressed: Uint8Array, sizeBytes: number): Promise<Uint8Array>;
}

const gzipOffThread = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.gzip);
const gunzipOffThread = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.gunzip);

const gzip: Method = {
  compress: (bytes, level) => zlib.gzipSync(bytes, { level, chunkSize: chunkFor(bytes.length) }),
  decompress: (compressed, sizeBytes) => zlib.gunzipSync(compressed, boundsFor(sizeBytes)),
  compressOffThread: (bytes, level) =>
    gzipOffThread(bytes, { level, chunkSize: chunkFor(bytes.length) }),
  decompressOffThread: (compressed, sizeBytes) => gunzipOffThread(compressed, boundsFor(sizeBytes)),
};

/** Null where Node has none. */
function zstd(): Method | null {
  const found: typeof zlib & Partial<Zstd> = zlib;
  const { zstdCompressSync, zstdDecompressSync, zstdCompress, zstdDecompress } = found;
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return null;
  if (zstdCompress === undefined || zstdDecompress === undefined) return null;
  const zstdCompressOffThread = promisify(zstdCompress);
  const zstdDecompressOffThread = promisify(zstdDecompress);
  return {
    compress: (bytes, level) => zstdCompressSync(bytes, zstdOptions(bytes, level)),
    decompress: (compressed, sizeBytes) => zstdDecompressSync(compressed, zstdBounds(sizeBytes)),
    compressOffThread: (bytes, level) => zstdCompressOffThread(bytes, zstdOptions(bytes, level)),
    decompressOffThread: (compressed, sizeBytes) =>
      zstdDecompressOffThread(compressed, zstdBounds(sizeBytes)),
  };
}

function zstdOptions({ length }: Uint8Array, level: number): ZstdOptions {
  return {
    chunkSize: chunkFor(length),
    pledgedSrcSize: length, // So that no window is larger than the batch.
    params: { [ZSTD_C_COMPRESSION_LEVEL]: level },
  };
}

function zstdBounds(sizeBytes: number): ZstdOptions {
  const params = { [ZSTD_D_WINDOW_LOG_MAX]: ZSTD_WINDOW_LOG_MAX };
  return { ...boundsFor(sizeBytes), params };
}

function methodOf(compression: number): Method | null {
  if (compression === Compression.gzip) return gzip;
  return compression === Compression.zstd ? zstd() : null;
}

/** One output buffer for all of it: zlib's default, 16 KiB, makes several and copies them together. */
function chunkFor(sizeBytes: number): number {
  return Math.max(CHUNK_BYTES_MIN, sizeBytes);
}

/** One byte more than expected: a buffer that is exactly full makes zlib ask for another one. */
function boundsFor(sizeBytes: number) {
  return { chunkSize: chunkFor(sizeBytes + 1), maxOutputLength: sizeBytes };
}

/** Why batches with this compression can be neither read nor written here; null when they can. */
export function compressionProblem(compression: number): string | null {
  if (methodOf(compression) !== null) return null;
  return compression === Compression.zstd
    ? `zstd needs Node.js 22.15, 23.8 or later, this is ${process.version}`
    : `${compressionName(compression)} is not known to this version of varve`;
}

/** `gzip`; `compression 5` when only a later version knows it. */
export function compressionName(compression: number): string {
  return COMPRESSION_NAMES[compression] ?? `compression ${compression}`;
}

/** Compresses the records of one batch after the other. */
export interface Compressor {
  /** What the batch header states. */
  readonly compression: number;
  /**
   * The compressed bytes; null when the batch is better stored as it is: it would not be smaller,
   * or be smaller than readers believe, or there is no memory to compress it.
   *
   * Cost, on the calling thread (2 vCPU): 30 us for a small batch; for 64 KiB of JSON 0.6 ms with
   * gzip at level 1, 1 ms at level 6, 0.3 ms with zstd at level 1; a buffer as large as the records.
   */
  readonly compress: (records: Uint8Array) => Uint8Array | null;
  /** The same on another thread; nobody may change the records meanwhile. */
  readonly compressOffThread: (records: Uint8Array) => Promise<Uint8Array | null>;
}

/** @throws CodecUnavailableError when this Node lacks it */
export function createCompressor(
  name: Exclude<CompressionName, 'none'>,
  level: number,
): Compressor {
  const compression = Compression[name];
  const problem = compressionProblem(compression);
  if (problem !== null) throw new CodecUnavailableError(problem, { codec: name, offset: null });
  const method = present(methodOf(compression), 'it has no problem');
  return {
    compression,
    compress(records) {
      try {
        return ifWorthIt(method.compress(records, level), records);
      } catch (error) {
        return unlessNoMemory(error);
      }
    },
    async compressOffThread(records) {
      try {
        return ifWorthIt(await method.compressOffThread(records, level), records);
      } catch (error) {
        return unlessNoMemory(error);
      }
    },
  };
}

function ifWorthIt(compressed: Uint8Array, records: Uint8Array): Uint8Array | null {
  const isSmaller = UNCOMPRESSED_SIZE_BYTES + compressed.length < records.length;
  const isBelieved = records.length <= COMPRESSION_RATIO_MAX * compressed.length;
  return isSmaller && isBelieved ? compressed : null;
}

const OUT_OF_MEMORY: ReadonlySet<unknown> = new Set([
  'Z_MEM_ERROR',
  'ZSTD_error_memory_allocation',
  'ERR_MEMORY_ALLOCATION_FAILED',
]);

/** Null when there was no memory: no reason to refuse records that can be stored as they are. */
function unlessNoMemory(error: unknown): null {
  if (isOutOfMemory(error)) return null;
  throw error;
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && OUT_OF_MEMORY.has(error.code);
}

/** What the compressed bytes gave, or why they gave nothing. */
export type Decompressed =
  | { readonly bytes: Uint8Array; readonly problem: null }
  | { readonly bytes: null; readonly problem: string; readonly cause: unknown };

/**
 * Takes `sizeBytes` of memory and decompresses into it; more, or less, is a problem.
 *
 * The caller has bounded the size, and asked `compressionProblem`.
 */
export function decompress(
  compression: number,
  compressed: Uint8Array,
  sizeBytes: number,
): Decompressed {
  const method = present(methodOf(compression), 'the caller asked');
  try {
    return ifOfSize(method.decompress(compressed, sizeBytes), sizeBytes);
  } catch (cause) {
    return asProblem(compression, cause);
  }
}

/** As `decompress`, on another thread; nobody may change the bytes meanwhile. */
export async function decompressOffThread(
  compression: number,
  compressed: Uint8Array,
  sizeBytes: number,
): Promise<Decompressed> {
  const method = present(methodOf(compression), 'the caller asked');
  try {
    return ifOfSize(await method.decompressOffThread(compressed, sizeBytes), sizeBytes);
  } catch (cause) {
    return asProblem(compression, cause);
  }
}

function asProblem(compression: number, cause: unknown): Decompressed {
  if (isOutOfMemory(cause)) throw cause; // Says nothing about the bytes.
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  const problem = `${compressionName(compression)} cannot decompress them: ${String(code)}`;
  return { bytes: null, problem, cause };
}

function ifOfSize(bytes: Uint8Array, sizeBytes: number): Decompressed {
  if (bytes.length === sizeBytes) return { bytes, problem: null };
  const problem = `they decompress to ${bytes.length} bytes, ${sizeBytes} are stated`;
  return { bytes: null, problem, cause: undefined };
}
