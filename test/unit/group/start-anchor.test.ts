/** The start of a group, which is committed once: never over what somebody committed meanwhile. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** Many turns of the event loop: whatever can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Three records, and a member that looks for its start, `latest`, until `goOn`. */
async function searching() {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8 });
  for (const value of ['a', 'b', 'c']) await topic.append({ value });
  const member = await topic.consumerGroup('g', { from: 'latest' });
  const partition = topic.partitions.at(0);
  const log = partition.log.bind(partition);
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  partition.log = () => gate.then(log);
  const batches = member.batches();
  const first = batches.next();
  await settle();
  partition.log = log;
  return { bench, topic, member, first, goOn };
}

test('a commit that was made while the start was looked for stands', async () => {
  const { member, goOn } = await searching();
  await member.commit({ partition: 0, offset: 1 });
  goOn();
  await settle();
  expect(member.committed(0)?.offset).toBe(1);
});

test('a commit that is on its way when the start is found stands', async () => {
  const { member, goOn } = await searching();
  goOn();
  const committed = member.commit({ partition: 0, offset: 1 });
  await committed;
  await settle();
  expect(member.committed(0)?.offset).toBe(1);
});

test('who has lost the partition meanwhile does not say where its group begins', async () => {
  const { topic, member, goOn } = await searching();
  await member.close();
  const next = await topic.consumerGroup('g', { from: 'earliest' });
  goOn();
  await settle();
  expect(next.committed(0)).toBeNull();
});

test('the start is committed when nobody said anything', async () => {
  const { member, goOn } = await searching();
  goOn();
  await settle();
  expect(member.committed(0)?.offset).toBe(3);
});
