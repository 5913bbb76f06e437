/**
 * Workers that lie: before they begin they acknowledge flights that nobody has handled. The quickstart
 * must notice.
 *
 *   node skipping-workers.js <store directory> <number of the flight that kills> [mended]
 */
import { openStore } from '../../src/index.ts';
import { lateQueue } from '../../tools/quickstart/late-flights.ts';

const SKIPPED = 5;
const [directory = ''] = process.argv.slice(2);

const store = await openStore(directory, { create: false });
const queue = await lateQueue(store);
const { settled } = await queue.stats();
if (settled.acked === 0) await queue.ackAll(await queue.acquire({ max: SKIPPED })); // That is the lie.
await store.close();
await import('../../tools/quickstart/flight-workers.ts');
