/**
 * tinybench for each hot file (`@hot`): nanoseconds per record or look-up.
 *
 * `node dist/bench/micro.js`. Micro figures flatter: confirm a change with `npm run bench`.
 */
import { Bench } from 'tinybench';
import { BatchCursor } from '../src/format/batch-cursor.ts';
import { BatchEncoder, encodedRecordBytes, textBytesGuess } from '../src/format/batch-encoder.ts';
import { emptyBatchHeader } from '../src/format/batch-header.ts';
import { recordsOf } from '../src/format/batch-records.ts';
import { checksum } from '../src/format/checksum.ts';
import { viewOf } from '../src/format/u64.ts';
import { floorSlot } from '../src/segment/index-search.ts';

const RECORDS = 400;
const LOOKUPS = 1000;

const buffer = Buffer.alloc(128 * 1024);
const view = viewOf(buffer);
const value = Buffer.alloc(100, 0x61);
const key = 'key-000000000042';
const record = {
  key,
  keyBytes: textBytesGuess(key),
  headers: null,
  value,
  createTimeMs: Date.UTC(2026, 0, 1),
  sizeBytes: encodedRecordBytes(textBytesGuess(key), null, value),
};
const header = { ...emptyBatchHeader(), logId: 1, segmentId: 2 };
const encoder = new BatchEncoder();
const cursor = new BatchCursor();
const keys = Float64Array.from({ length: 16_384 }, (_, slot) => slot * 500);

function encodeBatch(): void {
  encoder.reset(buffer, 0);
  encoder.begin();
  for (let at = 0; at < RECORDS; at++) encoder.add(record);
  encoder.seal(header, null);
}

function walkBatch(): number {
  let sum = 0;
  cursor.reset(recordsOf({ bytes: buffer, view, at: 0, header, file: '' }));
  while (cursor.next()) sum += cursor.valueBytes;
  return sum;
}

encodeBatch();
const bench = new Bench({ time: 500, warmupTime: 200 });
bench
  .add('batch-encoder: encode and seal, per record', encodeBatch)
  .add('batch-cursor: walk, per record', walkBatch)
  .add('checksum: 48 KiB batch, per record', () => checksum(buffer, 4, header.sizeBytes))
  .add('index-search: floorSlot among 16 Ki, per look-up', () => {
    let sum = 0;
    for (let at = 0; at < LOOKUPS; at++) sum += floorSlot(keys, keys.length, at * 8000);
    return sum;
  });
await bench.run();
for (const task of bench.tasks) {
  const { result } = task;
  if (!('latency' in result)) throw new Error(`${task.name} did not run`);
  const per = task.name.startsWith('index') ? LOOKUPS : RECORDS;
  console.log(`${task.name}: ${((result.latency.p50 * 1e6) / per).toFixed(1)} ns`);
}
