/**
 * A process that has the store of its first argument open, run from dist. It answers each line of
 * its input by a line of JSON: what it knows of its topics and groups. `join` and `leave` are done
 * first; the end of the input closes the store.
 */
import { createInterface } from 'node:readline';

import type { ConsumerGroup } from '../../src/group/consumer-group.ts';
import { openStore } from '../../src/store/open-store.ts';

const [, , path = ''] = process.argv;
const store = await openStore(path);
const topic = await store.topic('orders', { partitions: 2 });
if ((await topic.describeGroup('billing').catch(() => null)) === null) {
  for (const value of ['a', 'b', 'c', 'd']) {
    await topic.append({ value: Buffer.from(value) }, { partition: 0 });
  }
  await topic.resetGroup('billing', { offset: 3 }, { partitions: [0], dryRun: false });
}

let member: ConsumerGroup<Uint8Array> | null = null;

async function say(): Promise<void> {
  const topics = store.topics().map(({ name, partitionCount }) => ({ name, partitionCount }));
  const hasGroup = store.groups().some(({ name }) => name === 'billing');
  const group = hasGroup ? await topic.describeGroup('billing') : null;
  const committed = group?.partitions.map(({ committedOffset }) => committedOffset) ?? null;
  process.stdout.write(`${JSON.stringify({ topics, committed })}\n`);
}

await say();
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'join') member = await topic.consumerGroup('billing');
  if (line === 'leave') await member?.close();
  await say();
}
await store.close();
