/** Commands without transactions, on all that transactions touch, and on what there is of it. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';

import { compareAll } from './compare.ts';
import { PUBLISHED } from './model.ts';
import { always, count } from './transaction-command.ts';
import { LEASE_MS, QUEUES, type QueueName, type TransactionWorld } from './transaction-world.ts';

const SENT_TOTAL = 2;

/** All that is ready of a queue is handed out, and nothing else. */
async function acquire({ model, handles, held }: TransactionWorld, name: QueueName) {
  const deliveries = await handles.queues[name].acquire({ max: 1000 });
  const found = new Map(deliveries.map((each) => [`${name} 0: ${each.offset}`, each]));
  deepStrictEqual(new Set(found.keys()), new Set(model.ready(name)), `acquired of ${name}`);
  for (const [spot, delivery] of found) {
    held.set(spot, delivery);
    model.leases.set(spot, { untilMs: model.nowMs + LEASE_MS, isOver: false });
  }
}

export async function acquireAll(world: TransactionWorld): Promise<void> {
  for (const name of QUEUES) await acquire(world, name);
}

/** Somebody settles by itself what a transaction wants to ack, if one does. */
async function settle({ model, held }: TransactionWorld, isAcked: boolean): Promise<void> {
  const wanted = model.open.flatMap(({ acks }) => [...acks]);
  const spot = [...wanted, ...model.leases.keys()].find((each) => model.leases.has(each));
  if (spot === undefined) return;
  const delivery = held.get(spot);
  await (isAcked ? delivery?.ack() : delivery?.release());
  model.settle(spot, isAcked);
  if (wanted.includes(spot)) count('taken from a transaction');
}

export async function sendSome({ model, handles }: TransactionWorld): Promise<void> {
  for (const name of QUEUES) {
    for (let left = SENT_TOTAL; left > 0; left--) {
      const value = model.nextText('plain');
      const { offset } = await handles.queues[name].send(value);
      deepStrictEqual(offset, model.log(`${name} 0`).push(value) - 1);
    }
  }
}

/** Not synced: what is committed behind it is. */
export async function appendPlain({ model, handles }: TransactionWorld): Promise<void> {
  const value = model.nextText('plain');
  const { offset } = await handles.audit.append({ value });
  deepStrictEqual(offset, model.log(model.auditPlace).push(value) - 1);
}

async function publishPlain({ model, handles }: TransactionWorld): Promise<void> {
  const value = model.nextText('plain');
  const { offset } = await handles.events.publish(value);
  deepStrictEqual(offset, model.log(PUBLISHED).push(value) - 1);
}

async function commitPlain({ model, handles }: TransactionWorld): Promise<void> {
  const offset = Math.floor(model.log('orders 0').length / 2);
  await handles.member.commit({ partition: 0, offset });
  model.positions.set(0, offset);
}

export const plainCommands = [
  always('acquire', acquireAll),
  always('plain send', sendSome),
  always('plain append', appendPlain),
  always('plain publish', publishPlain),
  always('plain commit', commitPlain),
  always('snapshot', ({ handles }) => handles.store.snapshot()),
  always('compare', compareAll),
];

export const settleCommand = fc.boolean().chain((isAcked) => {
  return always(isAcked ? 'plain ack' : 'plain release', (world) => settle(world, isAcked));
});
