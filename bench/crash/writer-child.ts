/**
 * The process that gets killed: `node writer-child.js DIRECTORY PLAN`.
 *
 * Appends with several calls in flight, states what was acknowledged in a file as soon as it is (a
 * write of 8 bytes survives SIGKILL), and kills itself in the middle of further appends: a kill
 * from outside cannot be aimed at the last few MiB of a segment, which take milliseconds.
 */
import { openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openLog } from '../../src/index.ts';
import { parseSegmentFileName } from '../../src/format/file-names.ts';
import { ACKED_FILE, crashKeyOf, LOG_DIRECTORY, type CrashPlan } from './crash-plan.ts';

const RECORDS_PER_CALL = 100;
const CALLS_IN_FLIGHT = 8;

const [directory = '', json = '{}'] = process.argv.slice(2);
const plan = JSON.parse(json) as CrashPlan;
const { durability, segmentBytesMax } = plan;
const path = join(directory, LOG_DIRECTORY);
const log = await openLog(path, { durability, segmentBytesMax });
const acked = openSync(join(directory, ACKED_FILE), 'w');
const value = Buffer.alloc(plan.valueBytes, 0x61);
const ackedEnd = new Float64Array(1);
let isEnding = false;

async function appendForEver(): Promise<never> {
  for (;;) {
    const at = log.endOffset;
    const input = Array.from({ length: RECORDS_PER_CALL }, (_, n) => ({
      key: crashKeyOf(at + n),
      value,
    }));
    const { baseOffset, recordCount } = await log.appendBatch(input, { expectedOffset: at });
    ackedEnd[0] = Math.max(ackedEnd[0] ?? 0, baseOffset + recordCount);
    writeSync(acked, ackedEnd, 0, ackedEnd.byteLength, 0);
    if (!isEnding && isFull()) {
      isEnding = true;
      // The other callers go on meanwhile: writes are in flight when the signal comes.
      setImmediate(() => process.kill(process.pid, 'SIGKILL'));
    }
  }
}

function isFull(): boolean {
  if (log.stats().segmentCount <= plan.sealedSegments) return false;
  const active = readdirSync(path)
    .filter((name) => parseSegmentFileName(name) !== null)
    .toSorted()
    .at(-1);
  return active !== undefined && statSync(join(path, active)).size >= plan.activeBytes;
}

await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, appendForEver));
