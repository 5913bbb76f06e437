/** Commands that end what transactions rely on, while some collect: time, owners, topics, processes. */
import { ok } from 'node:assert/strict';

import * as fc from 'fast-check';

import { present } from '../../../src/core/assert.ts';
import { isStoreError, StoreError } from '../../../src/core/errors.ts';
import { turns } from '../log-fixture.ts';
import { SYNCED_ALONE } from '../store-disk.ts';
import { appendToAudit, commitOffset, PARTITIONS_MAX } from './collect-commands.ts';
import { compareAll, takeAudit } from './compare.ts';
import { acquireAll } from './plain-commands.ts';
import { always, commandOn, count, whichOpen } from './transaction-command.ts';
import type { TransactionWorld } from './transaction-world.ts';

/** Until what is due has been journaled. */
const TURNS = 20;

/** How a store comes to its end. */
export const STOPS = ['close', 'kill', 'cut to what is synced', 'cut'] as const;

export type Stop = (typeof STOPS)[number];

export function isCrash(how: Stop): boolean {
  return how !== 'close';
}

/** Leases run out, and transactions that collect for too long. */
async function advance(world: TransactionWorld, ms: number): Promise<void> {
  world.disk.clock.advance(ms);
  await turns(TURNS);
  await passed(world, ms);
}

/** What has become of leases and transactions, once their time was over. */
export async function passed(world: TransactionWorld, ms: number): Promise<void> {
  const { model, held } = world;
  model.advance(ms);
  for (const spot of held.keys()) if (!model.leases.has(spot)) held.delete(spot);
  for (const pair of world.pairs.filter(({ wanted }) => wanted.deadlineMs <= model.nowMs)) {
    const { real } = pair;
    await real.done;
    ok(isStoreError(real.told, 'ERR_VARVE_TRANSACTION_ENDED'), String(real.told));
    real.end('return');
    world.over(pair);
    count('timed out');
  }
}

/** Those that collect are told of a close; nobody tells them anything of a crash. */
async function stop(world: TransactionWorld, how: Stop): Promise<void> {
  const pairs = world.pairs.map((pair) => ({ ...pair, reasons: world.model.reasons(pair.wanted) }));
  if (pairs.length > 0) count(`${isCrash(how) ? 'crash' : 'close'} under transactions`);
  await stopStore(world, how);
  if (how === 'close') {
    for (const { wanted, real, reasons } of pairs) {
      await real.done;
      const codes = ['ERR_VARVE_CLOSED', ...reasons];
      if (wanted.acks.size > 0) codes.push('ERR_VARVE_LEASE_LOST');
      const { told } = real;
      ok(told instanceof StoreError && codes.includes(told.code), String(told));
      real.end('return');
    }
  }
  await world.open();
  await checkOpened(world, how);
}

/** Has the process end. */
export async function stopStore(world: TransactionWorld, how: Stop): Promise<void> {
  if (how === 'close') await world.close();
  else if (how === 'kill') world.kill();
  else world.cutPower(how === 'cut' ? {} : SYNCED_ALONE);
}

/** The store was opened again, and the model has what was found of transactions. */
export async function checkOpened(world: TransactionWorld, how: Stop): Promise<void> {
  const { model, held } = world;
  if (how.startsWith('cut')) await takeAudit(world);
  else model.foundAudit(model.log(model.auditPlace).length);
  await compareAll(world);
  if (model.crashed.size === 0) return;
  await acquireAll(world);
  // A record that has crashed several consumers is treated otherwise: not what this test is about.
  for (const spot of model.crashed) {
    await present(held.get(spot), 'it is leased again').ack();
    model.settle(spot, true);
  }
}

export const advanceCommand = fc
  .constantFrom(300, 5000, 5000)
  .chain((ms) => always(`advance ${ms}`, (world) => advance(world, ms)));

export const stopCommand = fc
  .constantFrom('close' as const, ...STOPS)
  .chain((how) => always(how, (world) => stop(world, how)));

export const ownerCommands = [
  // What one that collects wants to commit is not its member's any more.
  whichOpen.map((at) =>
    commandOn('rejoin', at, async (world, pair) => {
      commitOffset(world, pair, 0.3);
      await world.rejoin();
    }),
  ),
  always('rehire', (world) => world.rehire()),
];

export const topicCommands = [
  // The topic goes, and another one of its name comes.
  whichOpen.map((at) =>
    commandOn('replace', at, async (world, pair) => {
      appendToAudit(world, pair);
      await world.replaceAudit();
    }),
  ),
  always('grow', async (world) => {
    const { store, orders } = world.handles;
    const total = orders.partitionCount + 1;
    if (total > PARTITIONS_MAX) return;
    await store.addPartitions('orders', total);
    await world.openLogs(orders);
    count('grown');
  }),
];
