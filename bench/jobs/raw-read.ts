/** The machine's own way through a file: 1 MiB `fs.read` calls, one in flight, `zlib.crc32` of each. */
import fs from 'node:fs';
import zlib from 'node:zlib';

const BLOCK_BYTES = 1024 * 1024;
const block = Buffer.alloc(BLOCK_BYTES);

/**
 * Reads to the end and sums up.
 *
 * @param onBlock  gets each block, which is used again, and its position
 * @returns bytes read
 */
export async function crcOfFile(
  fd: number,
  from: number,
  onBlock: ((bytes: Uint8Array, position: number) => Promise<void>) | null = null,
): Promise<number> {
  let crc = 0;
  for (let at = from; ;) {
    const bytesRead = await readAt(fd, at);
    if (bytesRead === 0) return at - from;
    const bytes = bytesRead === BLOCK_BYTES ? block : block.subarray(0, bytesRead);
    crc = zlib.crc32(bytes, crc);
    if (onBlock !== null) await onBlock(bytes, at);
    at += bytesRead;
  }
}

function readAt(fd: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, block, 0, BLOCK_BYTES, position, (error, bytesRead) => {
      if (error === null) resolve(bytesRead);
      else reject(error);
    });
  });
}
