/**
 * The process that gets killed: publishes numbered records to a topic exchange with many calls in
 * flight, and binds a new topic with the whole past. Says what was acknowledged, as soon as it is.
 *
 * `node dist/test/crash/routing-child.js DIRECTORY LIFE`
 */
import { writeSync } from 'node:fs';
import { openStore, utf8 } from '../../src/index.ts';
import { CONSTANT_TOPICS, keyOf, lateTopic, patternOf } from './routed-record.ts';

const CALLERS = 64;

const [directory = '', life = '0'] = process.argv.slice(2);
const store = await openStore(directory);
const source = { segmentBytesMax: 1024 * 1024 };
const events = await store.exchange('events', { type: 'topic', codec: utf8, source });
const { endOffset, backfills } = await events.stats();
writeSync(1, `open ${endOffset} ${backfills.length}\n`);
for (const { name, pattern, ...config } of CONSTANT_TOPICS) {
  await store.topic(name, config);
  await events.bind(name, { pattern });
}

let next = endOffset;

async function publishForEver(): Promise<never> {
  for (;;) {
    const number = next++;
    const { offset } = await events.publish(String(number), {
      routingKey: keyOf(number),
      key: String(number % 7),
    });
    writeSync(1, `ack ${offset} ${number}\n`);
  }
}

async function bindLate(): Promise<never> {
  const name = lateTopic(Number(life));
  await store.topic(name, { durability: Number(life) % 2 === 0 ? 'sync' : 'os' });
  await events.bind(name, { pattern: patternOf(Number(life)) }, { from: 'earliest' });
  writeSync(1, `bound ${name}\n`);
  return new Promise(() => undefined);
}

await Promise.all([...Array.from({ length: CALLERS }, publishForEver), bindLate()]);
