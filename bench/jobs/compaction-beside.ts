/**
 * A writer and a reader of one log, alone or beside a pass of compaction that is bound to a rate.
 *
 * The writer calls `appendBatch(1000)` at `sync`, one call in flight; the reader scans what was there
 * before, key by key, over and over. Both go on until the pass is done, or for as long as it is said to take.
 * A writer that is fast makes the log longer; the pass ends where it ended when it began.
 *
 * A scan takes a new buffer for each MiB. Until V8 has collected all of a heap once, it lets 32 MiB of them
 * gather between two short collections; behind that, in a process that has less than some 50 MB of objects,
 * it collects the whole heap each time, and a scan has half its rate. Whatever makes objects brings that about,
 * a pass, too, and a process with nothing else in it is seldom in the same state twice. So both sides keep
 * objects as a service does.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLog, type Log } from '../../src/index.ts';
import type { Job, Sample } from '../core/job.ts';
import { StallWatch } from '../load/stall-watch.ts';
import {
  COMPACTED,
  keyedLog,
  linkLog,
  recordsOfKeys,
  type KeyedLogParameters,
} from './keyed-log.ts';
import { makeRecords } from './records.ts';

export type BesideParameters = KeyedLogParameters & {
  /** Of the pass; null = there is none. */
  readonly bytesPerSecondMax: number | null;
  /** Without a pass: how long it goes. */
  readonly ms: number;
  /** Objects that the process keeps beside, as a service does its state: some 230 bytes each. */
  readonly objectCount: number;
};

interface Load {
  writtenBytes: number;
  readBytes: number;
  isEnded: boolean;
}

const RECORDS_PER_CALL = 1000;
const VALUE_BYTES = 1024;
const RECORDS = makeRecords(RECORDS_PER_CALL, { valueBytes: VALUE_BYTES });

export async function openJob(directory: string, parameters: BesideParameters): Promise<Job> {
  const input = await keyedLog(directory, parameters);
  const path = join(directory, 'log');
  const state = objects(parameters.objectCount);
  return {
    async run() {
      linkLog(input, path);
      // A log of which segments are sealed would begin passes by itself.
      const log = await openLog(path, parameters.bytesPerSecondMax === null ? {} : COMPACTED);
      const sample = await measure(log, parameters);
      await log.close();
      rmSync(path, { recursive: true });
      return sample;
    },
    close: () => {
      state.clear();
      return Promise.resolve();
    },
  };
}

function objects(count: number): Map<string, object> {
  const state = new Map<string, object>();
  for (let id = 0; id < count; id++) state.set(`id-${id}`, { id, at: id * 1.5, tags: [id] });
  return state;
}

async function measure(log: Log<Uint8Array>, parameters: BesideParameters): Promise<Sample> {
  const { keys, bytesPerSecondMax, ms: pauseMs } = parameters;
  const load: Load = { writtenBytes: 0, readBytes: 0, isEnded: false };
  const end = log.endOffset;
  const watch = new StallWatch();
  const startMs = performance.now();
  const callers = Promise.all([write(log, load), read(log, load, end)]);
  if (bytesPerSecondMax === null) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  else await pass(log, bytesPerSecondMax, keys);
  const ms = performance.now() - startMs;
  const figures = watch.stop();
  const { writtenBytes, readBytes } = load;
  load.isEnded = true;
  await callers;
  const seconds = ms / 1e3;
  const extra = {
    ...figures,
    writtenBytesPerSecond: writtenBytes / seconds,
    readBytesPerSecond: readBytes / seconds,
  };
  return { bytes: writtenBytes + readBytes, records: 0, ms, extra };
}

async function pass(log: Log<Uint8Array>, bytesPerSecondMax: number, keys: number): Promise<void> {
  const { supersededCount, passCount } = await log.compact({ bytesPerSecondMax });
  if (passCount === 1 && supersededCount >= recordsOfKeys(keys) - keys) return;
  throw new Error(`${passCount} passes, ${supersededCount} records superseded`);
}

async function write(log: Log<Uint8Array>, load: Load): Promise<void> {
  while (!load.isEnded) {
    await log.appendBatch(RECORDS);
    load.writtenBytes += RECORDS_PER_CALL * VALUE_BYTES;
  }
}

async function read(log: Log<Uint8Array>, load: Load, end: number): Promise<void> {
  while (!load.isEnded) {
    for await (const batch of log.batches({ from: 0 })) {
      if (load.isEnded || batch.baseOffset >= end) break;
      for (const record of batch) load.readBytes += record.sizeBytes;
    }
  }
}
