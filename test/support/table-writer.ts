/**
 * A process that writes a topic, run from dist: `node table-writer.js STORE`. It says `ready` when the topic
 * is there, then appends with tombstones, transactions and rolls; at the end it says in JSON where the last
 * records are, and what its own table has. The end of its input closes the store.
 */
import { once } from 'node:events';

import { openStore, SeededRandom, utf8 } from '../../src/index.ts';
import { randomBelow } from '../../src/core/random.ts';
import { entriesOf } from './table-model.ts';

const KEYS = 60;
const ROUNDS = 300;

const [, , path = ''] = process.argv;
const random = new SeededRandom(7);
const store = await openStore(path);
const topic = await store.topic('t', { codec: utf8, partitions: 2, segmentBytesMax: 16 * 1024 });
process.stdout.write('ready\n');

function record(round: number) {
  const value = randomBelow(random, 5) === 0 ? null : `${round}`.padEnd(randomBelow(random, 200));
  return { key: `key ${randomBelow(random, KEYS)}`, value };
}

for (let round = 0; round < ROUNDS; round++) {
  const records = Array.from({ length: 1 + randomBelow(random, 10) }, () => record(round));
  if (round % 3 > 0) await topic.appendBatch(records);
  else {
    await store.transaction((tx) => {
      for (const each of records) tx.append(topic, each);
    });
  }
}
const places = [];
for (const partition of [0, 1]) {
  places.push(await topic.append({ key: `last ${partition}`, value: 'x' }, { partition }));
}
const table = await topic.table();
process.stdout.write(`${JSON.stringify({ places, rows: [...(await entriesOf(table))] })}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await store.close();
