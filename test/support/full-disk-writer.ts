/**
 * A writer that is killed on a disk that is about to be full, run from dist: appends a record at
 * `sync`, says the end offset, and has one more behind it that only the operating system holds.
 *
 *   node full-disk-writer.js <directory>
 */
import { writeSync } from 'node:fs';
import { bytes, openLog } from '../../src/index.ts';
import { submittedAt } from './power/submitted.ts';

const HOUR_MS = 60 * 60 * 1000;

const [, , directory = ''] = process.argv;
const log = await openLog(directory, { codec: bytes, flushMs: HOUR_MS });
await log.append(submittedAt(1, log.endOffset));
const syncedEnd = log.endOffset;
await log.append(submittedAt(1, syncedEnd), { durability: 'os' });
writeSync(1, `${syncedEnd}\n`);
setInterval(() => {}, HOUR_MS); // Until the kill.
