/**
 * A writer that lies: acknowledges each append when it is called, not when it resolved.
 *
 * The checker of the quickstart must catch it, and always, not only when the kill falls well. So
 * after the last lie it holds the event loop until it is killed: what the log would write in a
 * later turn is never written, and the appends stay pending.
 *
 *   node early-writer.js <directory> <flight count>
 */
import { openLog } from '../../src/index.ts';
import { AcknowledgementWriter } from '../../tools/quickstart/acknowledgements.ts';
import { readFlights } from '../../tools/quickstart/flights.ts';

const [directory, count] = process.argv.slice(2);
if (directory === undefined || count === undefined) {
  throw new Error('usage: early-writer.js <dir> <count>');
}

const log = await openLog(directory, { durability: 'sync' });
const acknowledgements = new AcknowledgementWriter(1);
for (const [offset, flight] of readFlights(Number(count)).entries()) {
  log.append(flight).catch(() => {}); // Not awaited: that is the lie.
  acknowledgements.acknowledge(offset);
}
acknowledgements.flush();
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // Until the SIGKILL.
