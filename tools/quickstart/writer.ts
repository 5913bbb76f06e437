/**
 * The process that is killed: appends flights record by record and says on stdout which offsets
 * are acknowledged. Continues where the log ends, so the same command resumes after the kill.
 *
 *   node writer.js <directory> <flight count>
 */
import { openLog } from '../../src/index.ts';
import { AcknowledgementWriter } from './acknowledgements.ts';
import { readFlights } from './flights.ts';

/** Appends that wait for their acknowledgement: they share an fsync, none waits long. */
const IN_FLIGHT_MAX = 64;
/** Small, so that 20,000 flights roll a few times: the kill may hit that too. */
const SEGMENT_BYTES_MAX = 512 * 1024;
const STDOUT = 1;

const [directory, count] = process.argv.slice(2);
if (directory === undefined || count === undefined)
  throw new Error('usage: writer.js <dir> <count>');

const flights = readFlights(Number(count));
const log = await openLog(directory, {
  durability: 'sync',
  segmentBytesMax: SEGMENT_BYTES_MAX,
  retentionMs: null,
  retentionBytes: null,
});
const acknowledgements = new AcknowledgementWriter(STDOUT);
const inFlight: Promise<void>[] = [];

// The log was empty at first, so a flight's index is its offset.
for (const flight of flights.slice(log.endOffset)) {
  if (inFlight.length === IN_FLIGHT_MAX) await inFlight.shift();
  inFlight.push(log.append(flight).then(({ offset }) => acknowledgements.acknowledge(offset)));
}
await Promise.all(inFlight);
await log.close();
