/**
 * The process whose power is cut while it compacts a log by key: it appends, and compacts meanwhile, again and again.
 *
 * `node dist/test/support/power/compacting-writer.js PLAN`, the plan being a `CompactingPlan` as JSON. It says to a
 * file (`ToldFile`): `try END` before records are appended, `end END` when they are durable; and after each
 * compaction `rewritten COUNT` of segments and `dropped COUNT` of deletions that went.
 */
import { openLog } from '../../../src/index.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { COMPACTED_LOG } from './compacted-log.ts';
import { keyedAt } from './keyed-records.ts';
import { sabotagedFileSystem, type Sabotage } from './sabotage.ts';
import { ToldFile } from './told-file.ts';

export interface CompactingPlan {
  readonly directory: string;
  readonly told: string;
  readonly seed: number;
  readonly sabotage: Sabotage;
}

const COMPACTIONS = 4;
const BATCHES = 14;
const BATCH_RECORDS_MAX = 4;

const { directory, told, seed, sabotage } = JSON.parse(process.argv[2] ?? '') as CompactingPlan;
const random = new SeededRandom(seed);
const teller = new ToldFile(told);
const fileSystem = sabotagedFileSystem(sabotage);
const log = await openLog(directory, { ...COMPACTED_LOG, fileSystem });

async function append(): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch++) {
    const from = log.endOffset;
    const count = 1 + randomBelow(random, BATCH_RECORDS_MAX);
    const records = Array.from({ length: count }, (_, at) => keyedAt(seed, from + at));
    teller.say('try', from + count);
    await log.appendBatch(
      records.map(({ key, value, createTimeMs }) => ({ key, value, createTimeMs })),
    );
    teller.say('end', from + count);
  }
}

await append();
for (let compaction = 0; compaction < COMPACTIONS; compaction++) {
  const [beside] = await Promise.all([log.compact(), append()]);
  // What it found clean lets deletions go in the next one.
  for (const result of [beside, await log.compact()]) {
    teller.say('rewritten', result.rewrittenSegmentCount);
    teller.say('dropped', result.droppedTombstoneCount);
  }
}
await log.close();
