/** Whole reads and writes on top of the seam, for code that is not hot. */
import type { File, FileSystem } from './file-system.ts';
import { ioError } from './io-error.ts';

/**
 * Writes all bytes or throws.
 *
 * @throws DiskFullError (`ERR_VARVE_DISK_FULL`) on a short write too: Node reports a full disk that
 *   way, without an error, when some bytes still fitted
 */
export async function writeFully(file: File, bytes: Uint8Array, position: number): Promise<void> {
  const written = await file.write(bytes, position);
  checkWritten(file, position, { written, expected: bytes.length });
}

/** Throws `DiskFullError` unless all bytes were taken. */
export function checkWritten(
  file: File,
  position: number,
  count: { readonly written: number; readonly expected: number },
): void {
  if (count.written === count.expected) return;
  const cause = new Error(`short write: ${count.written} of ${count.expected} bytes`);
  throw ioError('ENOSPC', { operation: 'write', path: file.path, position }, { cause });
}

/** Reads a small file whole, or its first `bytesMax` bytes. */
export async function readWhole(
  fileSystem: FileSystem,
  path: string,
  bytesMax: number = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  const file = await fileSystem.open(path, 'read');
  try {
    const { sizeBytes } = await file.stat();
    const bytes = new Uint8Array(Math.min(sizeBytes, bytesMax));
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}
