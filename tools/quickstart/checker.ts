/**
 * The process that looks at what the kill left: opens the log, which recovers it, and compares it
 * with the input, byte for byte. Acknowledged offsets come in on stdin, the verdict goes to stdout.
 *
 *   node checker.js <directory> <flight count> < acknowledged-offsets.json
 */
import { text } from 'node:stream/consumers';
import { openLog } from '../../src/index.ts';
import type { LogRecord, RecoveryReport } from '../../src/index.ts';
import type { FlightRecord } from './flights.ts';
import { readFlights } from './flights.ts';

/** What the checker found. `acked + kept = found + lost`. */
export interface CheckResult {
  /** Records whose append was acknowledged before the kill. */
  readonly acked: number;
  /** Records in the log that are what was appended. */
  readonly found: number;
  /** Acknowledged records that are missing or differ. Must be 0. */
  readonly lost: number;
  /** Records in the log whose acknowledgement the kill came before. Allowed. */
  readonly kept: number;
  /** Records in the log that nobody appended. Must be 0. */
  readonly invented: number;
  /** What opening the log found and did. */
  readonly recovery: Pick<RecoveryReport, 'outcome' | 'cutBytes' | 'rewrittenBytes' | 'durationMs'>;
}

const [directory, count] = process.argv.slice(2);
if (directory === undefined || count === undefined)
  throw new Error('usage: checker.js <dir> <count>');

const flights = readFlights(Number(count));
const acked = new Set(parseOffsets(await text(process.stdin)));
const log = await openLog(directory);
const same = new Set<number>();
let invented = 0;
for await (const record of log.records()) {
  const flight = flights[record.offset];
  if (flight !== undefined && isSame(record, flight)) same.add(record.offset);
  else if (!acked.has(record.offset)) invented += 1;
}
const { outcome, cutBytes, rewrittenBytes, durationMs } = log.recovery;
await log.close();

const lost = [...acked].filter((offset) => !same.has(offset)).length;
const result: CheckResult = {
  acked: acked.size,
  found: same.size,
  lost,
  kept: same.size - (acked.size - lost),
  invented,
  recovery: { outcome, cutBytes, rewrittenBytes, durationMs },
};
process.stdout.write(JSON.stringify(result));

function isSame(record: LogRecord<Uint8Array>, flight: FlightRecord): boolean {
  return (
    record.key === flight.key &&
    record.createTimeMs === flight.createTimeMs &&
    record.value !== null &&
    Buffer.compare(record.value, flight.value) === 0
  );
}

function parseOffsets(json: string): number[] {
  const parsed: unknown = JSON.parse(json);
  if (!Array.isArray(parsed)) throw new Error('expected an array of offsets on stdin');
  return parsed.map(Number);
}
