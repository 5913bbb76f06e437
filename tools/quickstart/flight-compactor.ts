/**
 * The process that compacts and is killed at it. It says each segment that is done, and waits then for a byte
 * on stdin, so that it is never much further than its watcher knows.
 *
 *   node flight-compactor.js <store directory>
 */
import { readSync, writeSync } from 'node:fs';
import { json, openStore } from '../../src/index.ts';
import type { Flight } from './flights.ts';
import { TABLE } from './last-flights.ts';

const STDIN = 0;
const STDOUT = 1;

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: flight-compactor.js <directory>');

const store = await openStore(directory, { create: false });
const topic = await store.topic(TABLE, { codec: json<Flight>(), create: false });
await topic.compact({
  onProgress: ({ phase, bytesDone }) => {
    if (phase !== 'rewriting' || bytesDone === 0) return;
    writeSync(STDOUT, `done ${bytesDone}\n`);
    readSync(STDIN, Buffer.alloc(1));
  },
});
await store.close();
