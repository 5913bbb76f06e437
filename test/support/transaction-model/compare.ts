/** What the store has, against what the model says. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { present } from '../../../src/core/assert.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { MARKS, PUBLISHED } from './model.ts';
import { GROUP, QUEUES, type TransactionWorld } from './transaction-world.ts';

const SETTLE = 'settle';

/** After each command: how much readers see, what queues have, and how far the others have come. */
export async function compareFigures(world: TransactionWorld): Promise<void> {
  const { model, handles, logs } = world;
  const { store, orders, queues, member, producer } = handles;
  for (const [place, { visibleOffset }] of logs) {
    // What is published gets there behind its transaction.
    if (place !== 'copies 0') deepStrictEqual(visibleOffset, model.log(place).length, place);
  }
  for (let partition = 0; partition < orders.partitionCount; partition++) {
    const committed = member.committed(partition)?.offset;
    deepStrictEqual(committed, model.positions.get(partition), `position in ${partition}`);
  }
  for (const name of QUEUES) {
    const { readyCount, leasedCount, settled } = await queues[name].stats();
    const unsettledCount = model.unsettled(name).length;
    const ready = model.ready(name).length;
    const expected = [ready, unsettledCount - ready, model.log(`${name} 0`).length];
    deepStrictEqual(
      [readyCount, leasedCount, settled.acked + unsettledCount],
      expected,
      `ready, leased and all of ${name}`,
    );
  }
  deepStrictEqual((await producer.last(orders)).resumeFrom, model.copied, 'sent by the producer');
  deepStrictEqual(store.transactions().open.length, model.open.length, 'open transactions');
}

/** The records themselves, and what was not acked of queues. */
export async function compareAll(world: TransactionWorld): Promise<void> {
  const { model, handles } = world;
  const { store, orders, audit, queues, copies, events, source } = handles;
  await events.publish(SETTLE, { confirm: 'routed' });
  model.log(PUBLISHED).push(SETTLE);
  for (let at = 0; at < orders.partitionCount; at++) {
    deepStrictEqual(await textsIn(orders, at), model.log(`orders ${at}`), `orders ${at}`);
  }
  deepStrictEqual(await textsIn(audit), model.log(model.auditPlace), 'audit');
  for (const name of QUEUES) {
    const { topic } = queues[name];
    deepStrictEqual(await textsIn(topic), model.log(`${name} 0`), name);
    const left: string[] = [];
    for await (const { offset } of queues[name].browse()) left.push(`${name} 0: ${offset}`);
    deepStrictEqual(left, model.unsettled(name), `what is not acked of ${name}`);
  }
  deepStrictEqual(await textsIn(source), model.log(PUBLISHED), 'published');
  deepStrictEqual(await textsIn(copies), model.log(PUBLISHED), 'copies');
  const { partitions } = await orders.describeGroup(GROUP);
  for (const { partition, committedOffset } of partitions) {
    deepStrictEqual(committedOffset, model.positions.get(partition) ?? null, 'position');
  }
  deepStrictEqual(store.misfits.count, 0);
  ok(!store.transactions().unsynced.some(({ isPending }) => isPending), 'a commit is pending');
  await compareFigures(world);
}

/** What transactions left in their common log behind what the model has there. */
export async function newMarks({ model, handles }: TransactionWorld): Promise<string[]> {
  const texts = await textsIn(handles.orders, 0, model.log(MARKS).length);
  return texts.filter((text) => text.startsWith('mark '));
}

/** After a power cut: the topic has lost its end at most, and none of what was synced. */
export async function takeAudit({ model, handles }: TransactionWorld): Promise<void> {
  const found = await textsIn(handles.audit);
  const before = model.log(model.auditPlace);
  deepStrictEqual(found, before.slice(0, found.length), 'audit after a power cut');
  ok(found.length >= model.syncedAuditCount, 'a power cut took what was synced');
  model.foundAudit(found.length);
}

async function textsIn(topic: StoreTopic<string>, partition = 0, from = 0): Promise<string[]> {
  const texts: string[] = [];
  for await (const { value } of topic.records({ partitions: partition, from })) {
    texts.push(present(value, 'a text'));
  }
  return texts;
}
