/**
 * A process that has the store of its first argument open, with queue `email`, run from dist. It answers
 * each line of its input by a line of JSON: the figures of the queue. `send x` and `acquire` are done
 * first; the end of the input closes the store.
 */
import { createInterface } from 'node:readline';

import { utf8 } from '../../src/codec/codec.ts';
import { openStore } from '../../src/store/open-store.ts';

const [, , path = '', leaseMs = '30000'] = process.argv;
const store = await openStore(path);
const queue = await store.queue('email', {
  codec: utf8,
  partitions: 1,
  leaseMs: Number(leaseMs),
  failuresMax: 3,
  deadLetter: 'email.dead',
});

async function say(): Promise<void> {
  process.stdout.write(`${JSON.stringify(await queue.stats())}\n`);
}

await say();
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...rest] = line.split(' ');
  if (verb === 'send') await queue.send(rest.join(' '));
  if (verb === 'acquire') await queue.acquire({ max: 1 });
  await say();
}
await store.close();
