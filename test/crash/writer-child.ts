/**
 * The process that gets killed: appends numbered records with many calls in flight, and writes each
 * acknowledged offset to stdout as soon as it is acknowledged.
 *
 * `node dist/test/crash/writer-child.js DIRECTORY LEVEL IN_FLIGHT`
 */
import { writeSync } from 'node:fs';
import { openLog, utf8, type DurabilityLevel } from '../../src/index.ts';
import { recordAt } from '../support/numbered-record.ts';

const [directory = '', level = 'sync', inFlight = '16'] = process.argv.slice(2);
const log = await openLog(directory, {
  codec: utf8,
  durability: level as DurabilityLevel,
  segmentBytesMax: 256 * 1024,
});
writeSync(1, `open ${log.endOffset}\n`);

async function appendForEver(): Promise<never> {
  for (;;) {
    const { offset } = await log.append(recordAt(log.endOffset));
    writeSync(1, `ack ${offset}\n`);
  }
}

await Promise.all(Array.from({ length: Number(inFlight) }, appendForEver));
