/** Which compressions the Node that runs the tests has. */
import zlib from 'node:zlib';

/** From Node 22.15 and 23.8 on. */
export const HAS_ZSTD = 'zstdCompressSync' in zlib;

export const AVAILABLE_COMPRESSIONS: readonly ('gzip' | 'zstd')[] = HAS_ZSTD
  ? ['gzip', 'zstd']
  : ['gzip'];
