/**
 * A writer in a process of its own: for each number on stdin it appends so many records, rolls
 * through small segments, deletes old ones, and answers with the offset of the next record.
 */
import { createInterface } from 'node:readline';
import { openLog, utf8 } from '../../src/index.ts';

/** Records that share a sync. */
const GROUP_RECORDS = 20;

const [path = ''] = process.argv.slice(2);
const log = await openLog(path, {
  codec: utf8,
  segmentBytesMax: 8192,
  batchBytesMax: 1024,
  retentionBytes: 32 * 1024,
});
process.stdout.write(`${log.endOffset}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  for (let left = Number(line); left > 0; left -= GROUP_RECORDS) {
    const { endOffset } = log;
    const records = Array.from({ length: Math.min(left, GROUP_RECORDS) }, (_, index) => ({
      key: `k${(endOffset + index) % 3}`,
      value: `value ${endOffset + index} `.repeat(5),
    }));
    await log.appendBatch(records);
  }
  await log.retain();
  process.stdout.write(`${log.endOffset} ${log.startOffset}\n`);
}
await log.close();
