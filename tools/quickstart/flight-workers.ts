/**
 * The process that one flight kills: 8 workers at the queue of late flights. The same command goes on
 * after each death, and ends when everything is settled.
 *
 *   node flight-workers.js <store directory> <number of the flight that kills> [mended]
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fixed, openStore, type Delivery } from '../../src/index.ts';
import { lateQueue, troubleWith, WORKER_COUNT, type LateFlight } from './late-flights.ts';

const STDOUT = 1;
/** Ms after which a flight comes back. */
const RETRY_MS = 20;
const LOOK_MS = 10;

const [directory = '', deadly, mended] = process.argv.slice(2);
if (deadly === undefined) throw new Error('usage: flight-workers.js <directory> <flight> [mended]');

const store = await openStore(directory, { create: false });
const queue = await lateQueue(store);
for (let worker = 1; worker <= WORKER_COUNT; worker++) {
  const own = await lateQueue(store);
  own.work((delivery) => handle(worker, delivery), {
    name: `worker ${worker}`,
    retry: fixed(RETRY_MS),
    onError: () => undefined, // The dead letters tell.
  });
}
while ((await queue.stats()).unsettledCount > 0) await pause(LOOK_MS);
await store.close();

function handle(worker: number, { value, failures }: Delivery<LateFlight>): void {
  if (value === null) throw new Error('a flight without a value');
  if (value.number === Number(deadly)) process.kill(process.pid, 'SIGKILL');
  const trouble = troubleWith(value, { failures, isMended: mended === 'mended' });
  say(`${trouble === null ? 'handled' : 'threw'} ${worker} ${value.number}`);
  if (trouble !== null) throw new Error(trouble);
}

/** Synchronously: it is on the pipe before the record is acknowledged. */
function say(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}
