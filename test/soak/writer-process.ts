/**
 * The writer of the soak: appends numbered records for ever, rolls every 64 KiB, keeps about 1 MiB,
 * changes its level and opens again now and then. Tells each acknowledged end on stdout.
 *
 * `node dist/test/soak/writer-process.js DIRECTORY SEED`
 */
import { writeSync } from 'node:fs';
import { openLog, SeededRandom, utf8, type Log } from '../../src/index.ts';
import { randomBelow } from '../../src/core/random.ts';
import { recordAt } from '../support/numbered-record.ts';

const [directory = '', seed = '1'] = process.argv.slice(2);
const random = new SeededRandom(Number(seed));
const LEVELS = ['os', 'interval', 'sync'] as const;
const BATCHES_MAX = 400;

async function appendSome(log: Log<string>): Promise<void> {
  const start = log.endOffset;
  const records = Array.from({ length: 1 + randomBelow(random, 60) }, (_, n) =>
    recordAt(start + n),
  );
  await log.appendBatch(records);
  writeSync(1, `end ${start + records.length}\n`);
}

for (;;) {
  const log = await openLog(directory, {
    codec: utf8,
    durability: LEVELS[randomBelow(random, 3)],
    segmentBytesMax: 64 * 1024,
    retentionBytes: 1024 * 1024,
    retentionCheckMs: 20,
  });
  for (let left = 1 + randomBelow(random, BATCHES_MAX); left > 0; left--) {
    await appendSome(log);
    if (randomBelow(random, 50) === 0)
      await log.deleteBefore(log.startOffset + randomBelow(random, 300));
  }
  await log.close();
}
