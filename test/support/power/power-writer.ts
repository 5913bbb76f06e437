/**
 * The process whose power is cut: appends records of random sizes with many calls in flight, and
 * says on stdout what it submits, before, and what was acknowledged, as soon as it is.
 *
 * `node dist/test/support/power/power-writer.js PLAN`, the plan being a `WriterPlan` as JSON.
 *
 *   open START   try END   sync|interval|os END   failed 0   late END
 *
 * END is the offset behind the last record of a call; `failed` stands for each call that a failed
 * writer refused, `late` for one that it took.
 */
import { writeSync } from 'node:fs';
import { bytes, isStoreError, openLog } from '../../../src/index.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { sabotagedFileSystem } from './sabotage.ts';
import { submittedAt } from './submitted.ts';
import { RETENTION_BYTES, SEGMENT_BYTES, type WriterPlan } from './writer-plan.ts';

const BATCH_SHARE = 0.2;
const BATCH_RECORDS_MAX = 8;
/** Calls that a failed writer must refuse before it has shown that it refuses. */
const REFUSALS_MAX = 50;

const plan = JSON.parse(process.argv[2] ?? '') as WriterPlan;
const random = new SeededRandom(plan.lifeSeed);
const log = await openLog(plan.directory, {
  codec: bytes,
  durability: plan.level,
  flushMs: plan.flushMs,
  segmentBytesMax: SEGMENT_BYTES,
  retentionBytes: RETENTION_BYTES,
  fileSystem: sabotagedFileSystem(plan.sabotage),
}).catch((error: unknown) => {
  if (!isStoreError(error, 'ERR_VARVE_IO')) throw error;
  say('failed', 0); // A sync of the opening failed: there is no log to append to.
  process.exit();
});
let refusalCount = 0;

function say(what: string, offset: number): void {
  writeSync(1, `${what} ${offset}\n`);
}

/** One call: an append, or a batch. */
async function append(): Promise<void> {
  const from = log.endOffset;
  const isBatch = random.next() < BATCH_SHARE;
  const count = isBatch ? 1 + randomBelow(random, BATCH_RECORDS_MAX) : 1;
  const records = Array.from({ length: count }, (_, at) => submittedAt(plan.seed, from + at));
  const hadFailed = refusalCount > 0;
  const durability = random.next() < plan.syncShare ? 'sync' : plan.weakLevel;
  say('try', from + count);
  const reached = await log.appendBatch(records, { durability });
  if (reached.baseOffset !== from) throw new Error(`${from} became ${reached.baseOffset}`);
  say(reached.durability, from + count);
  if (hadFailed) say('late', from + count);
}

async function appendUntilEnd(): Promise<void> {
  while (log.endOffset < (plan.endOffsetMax ?? Number.POSITIVE_INFINITY)) {
    try {
      await append();
    } catch (error) {
      if (!isStoreError(error, 'ERR_VARVE_FAILED')) throw error;
      say('failed', 0);
      refusalCount++;
      if (refusalCount > REFUSALS_MAX) return;
    }
  }
}

say('open', log.startOffset);
await Promise.all(Array.from({ length: plan.inFlight }, appendUntilEnd));
await log.close().catch((error: unknown) => {
  if (!isStoreError(error, 'ERR_VARVE_FAILED')) throw error; // It has shown that it refuses.
});
