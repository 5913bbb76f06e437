/**
 * A child process of `npm run bench:profile`: warms one path up, then profiles it.
 *
 * `node child.js cpu|heap <directory> <plan as JSON>`; answers by one message. The profiler runs
 * around the measured part alone: start-up, opening, filling and closing are not in the profile.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { openLog } from '../../src/index.ts';
import { writeLog } from '../jobs/records.ts';
import { foldProfile } from './fold.ts';
import { FsWaits } from './fs-waits.ts';
import { allocatedBytes, countObjects } from './heap.ts';
import type { HeapReply, ProfilePlan, ProfileReply } from './plan.ts';
import { appendAll, isReadShape, recordsOfCall, scanAll } from './workloads.ts';

/** Between two samples, V8's own is 1000: finer, for shorter runs, and it costs some percent. */
const INTERVAL_US = 250;
/** Objects are counted at microseconds each. */
const COUNTED_RECORDS = 50_000;
/** Sites to name. */
const SITES_MAX = 5;

const [, , kind = '', directory = '', json = '{}'] = process.argv;
const plan = JSON.parse(json) as ProfilePlan;
const reply = kind === 'heap' ? await profileHeap() : await profileCpu();
await new Promise((resolve) => process.send?.(reply, resolve));
process.disconnect();

async function profileCpu(): Promise<ProfileReply> {
  const run = await prepare(join(directory, 'log'), plan.records);
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  const waits = new FsWaits();
  waits.start();
  await session.post('Profiler.start');
  const startMs = performance.now();
  await run.measured();
  const wallMs = performance.now() - startMs;
  const { profile } = await session.post('Profiler.stop');
  const waited = waits.stop();
  session.disconnect();
  await run.close();
  writeFileSync(join(directory, `${plan.name}.cpuprofile`), JSON.stringify(profile));
  return { wallMs, profile: foldProfile(profile), waits: waited };
}

async function profileHeap(): Promise<HeapReply> {
  const long = await prepare(join(directory, 'log'), plan.records);
  const { bytes } = await allocatedBytes(long.measured);
  await long.close();
  const more = await prepare(join(directory, 'log-long'), 2 * COUNTED_RECORDS);
  const fewer = await prepare(join(directory, 'log-short'), COUNTED_RECORDS);
  const runs = { long: more.measured, short: fewer.measured };
  const { objects, boxedNumbers, sites } = await countObjects(runs);
  await more.close();
  await fewer.close();
  return {
    bytesPerRecord: bytes / plan.records,
    objectsPerRecord: objects / COUNTED_RECORDS,
    boxedNumbersPerRecord: boxedNumbers / COUNTED_RECORDS,
    sites: sites.slice(0, SITES_MAX).map((site) => ({
      name: site.name,
      objects: site.objects / COUNTED_RECORDS,
      bytes: site.bytes / COUNTED_RECORDS,
    })),
  };
}

interface Run {
  readonly measured: () => Promise<unknown>;
  close(): Promise<void>;
}

/** Opens the log and runs the path once, as long as it will be measured, on the same log. */
async function prepare(path: string, records: number): Promise<Run> {
  const { shape, durability, callsInFlight, valueBytes } = plan;
  if (isReadShape(shape)) await writeLog(path, records, { valueBytes });
  const log = await openLog(path, isReadShape(shape) ? { readOnly: true } : { durability });
  const input = recordsOfCall(valueBytes);
  const measured = () =>
    isReadShape(shape)
      ? scanAll(log, shape)
      : appendAll(log, { shape, input, records, callsInFlight });
  await measured();
  return { measured, close: () => log.close() };
}
