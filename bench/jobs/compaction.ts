/**
 * A pass of compaction by key over a log that was just written; or, as `R`, a bare read of its files; or, as
 * `copy`, what the machine does to an event loop meanwhile: a bare copy of them, in which no turn has work.
 *
 * Measured: `Log.compact`, alone, of a fresh copy in each run. Checked: what it counts, to the record. The
 * watch over the event loop, which never sleeps meanwhile, and that of memory are in the time.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type CompactionResult } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { MIB } from '../../src/core/limits.ts';
import type { Job, Sample } from '../core/job.ts';
import { RssWatch } from '../load/rss-watch.ts';
import { StallWatch } from '../load/stall-watch.ts';
import {
  COMPACTED,
  keyedLog,
  linkLog,
  recordsOfKeys,
  writtenAt,
  type KeyedLogParameters,
} from './keyed-log.ts';
import { copySegments } from './raw-copy.ts';
import { readSegments } from './raw-read.ts';

export type CompactionParameters = KeyedLogParameters & {
  readonly measured: 'R' | 'copy' | 'pass';
  readonly mapBytes: number;
};

export async function openJob(directory: string, parameters: CompactionParameters): Promise<Job> {
  const input = await keyedLog(directory, parameters);
  const path = join(directory, 'log');
  const copy = join(directory, 'copy');
  const bareBytes = process.memoryUsage.rss();
  const compact = async () => {
    const sample = await compactOnce(input, path, parameters);
    const { peakRssBytes = bareBytes, ...extra } = sample.extra ?? {};
    return { ...sample, extra: { ...extra, rssMib: (peakRssBytes - bareBytes) / MIB } };
  };
  const measures = {
    R: () => readSegments(input),
    copy: () => copySegments(input, copy),
    pass: compact,
  };
  return {
    run: measures[parameters.measured],
    close: () => Promise.resolve(),
  };
}

async function compactOnce(
  input: string,
  path: string,
  { keys, mapBytes, compression }: CompactionParameters,
): Promise<Sample> {
  const before = writtenAt(input);
  linkLog(input, path);
  const log = await openLog(path, { ...COMPACTED, compression, compactionMapBytesMax: mapBytes });
  const memory = new RssWatch();
  const watch = new StallWatch();
  const startMs = performance.now();
  const result = await log.compact();
  const ms = performance.now() - startMs;
  const stalls = watch.stop();
  const { sampledPeakRssBytes: peakRssBytes } = memory.figures();
  memory.stop();
  await log.close();
  rmSync(path, { recursive: true });
  checkResult(result, keys);
  assert(writtenAt(input) === before, 'the input is as it was');
  const { passCount, bytesBefore, bytesAfter } = result;
  const extra = { ...stalls, peakRssBytes, passCount, bytesAfter };
  return { bytes: bytesBefore, records: recordsOfKeys(keys), ms, extra };
}

function checkResult(result: CompactionResult, keys: number): void {
  const { keyCount, supersededCount, limitOffset } = result;
  const records = recordsOfKeys(keys);
  const isRight = keyCount === keys && supersededCount === records - keys;
  if (!isRight || limitOffset !== records) throw new Error(JSON.stringify(result));
}
