/** The machine's own way from file to file: 1 MiB reads and writes, one in flight, a datasync each 8 MiB. */
import fs from 'node:fs';
import { assert } from '../../src/core/assert.ts';
import { MIB } from '../../src/core/limits.ts';
import type { Sample } from '../core/job.ts';
import { StallWatch } from '../load/stall-watch.ts';
import { callback } from './callback.ts';
import { crcOfFile, segmentFiles } from './raw-read.ts';

/** As a pass does it. */
const UNSYNCED_BYTES_MAX = 8 * MIB;

/**
 * Copies all segment files of a log behind each other, and watches the event loop.
 *
 * @param to  made, and removed
 */
export async function copySegments(path: string, to: string): Promise<Sample> {
  const out = fs.openSync(to, 'wx');
  let position = 0;
  let syncedPosition = 0;
  const write = async (bytes: Uint8Array) => {
    await callback((done) => fs.write(out, bytes, 0, bytes.length, position, done));
    position += bytes.length;
    if (position - syncedPosition < UNSYNCED_BYTES_MAX) return;
    await callback((done) => fs.fdatasync(out, done));
    syncedPosition = position;
  };
  const watch = new StallWatch();
  const startMs = performance.now();
  let bytes = 0;
  for (const file of segmentFiles(path)) {
    const fd = fs.openSync(file, 'r');
    bytes += await crcOfFile(fd, 0, write);
    fs.closeSync(fd);
  }
  const ms = performance.now() - startMs;
  const stalls = watch.stop();
  assert(fs.fstatSync(out).size === bytes, 'the copy has every byte');
  fs.closeSync(out);
  fs.unlinkSync(to);
  return { bytes, records: 0, ms, extra: stalls };
}
