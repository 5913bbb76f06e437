/** The machine's own way through a file: 1 MiB `fs.read` calls, one in flight, `zlib.crc32` of each. */
import fs from 'node:fs';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { assert } from '../../src/core/assert.ts';
import { parseSegmentFileName } from '../../src/format/file-names.ts';
import type { Sample } from '../core/job.ts';

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

/** The segment files of a log, oldest first. */
export function segmentFiles(path: string): readonly string[] {
  const names = fs.readdirSync(path).filter((name) => parseSegmentFileName(name) !== null);
  return names.toSorted().map((name) => join(path, name));
}

/** Reads all segment files of a log, one after the other. */
export async function readSegments(path: string): Promise<Sample> {
  const files = segmentFiles(path);
  const sizeBytes = files.reduce((sum, file) => sum + fs.statSync(file).size, 0);
  let bytes = 0;
  const startMs = performance.now();
  for (const file of files) {
    const fd = fs.openSync(file, 'r');
    bytes += await crcOfFile(fd, 0);
    fs.closeSync(fd);
  }
  const ms = performance.now() - startMs;
  assert(bytes === sizeBytes, 'every file was read whole');
  return { bytes, records: 0, ms };
}

function readAt(fd: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, block, 0, BLOCK_BYTES, position, (error, bytesRead) => {
      if (error === null) resolve(bytesRead);
      else reject(error);
    });
  });
}
