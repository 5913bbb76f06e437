/**
 * The process that gets killed: sends transfers to a queue, and moves their money, with 8 workers, each
 * transfer in one transaction: its ack, and an entry in each account. Some handlers throw half way, give
 * up, or end behind their lease. Says what was acknowledged, as soon as it is.
 *
 * `node dist/test/crash/transfers/transfers-process.js JSON`, a `Life`. The last one only works off what is
 * there, and ends by itself.
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { present } from '../../../src/core/assert.ts';
import { randomBelow } from '../../../src/core/random.ts';
import {
  fixed,
  isStoreError,
  openStore,
  SeededRandom,
  TransactionEndedError,
  type Committed,
  type Delivery,
  type Transaction,
  type Worker,
} from '../../../src/index.ts';
import { sabotagedFileSystem } from '../../support/power/sabotage.ts';
import {
  ACCOUNTS,
  centsFor,
  DEPOSIT,
  DEPOSIT_CENTS,
  LEASE_MS,
  openBank,
  type Transfer,
} from './bank.ts';
import type { Life } from './life.ts';
import type { Word } from './told.ts';

/** Beside one that takes several transfers at a time, and one that has no `work` at all. */
const SINGLE_WORKERS = 6;
const BATCH_MAX = 4;
/** So many transfers wait at most. */
const BACKLOG_MAX = 150;
const SENT_AT_A_TIME_MAX = 8;
const CENTS_MAX = 100_000;
/** A tick of the clock ends leases, up to so many ms late. */
const TICK_MS = 50;
/** Numbers of one life, which sends a few hundred. */
const NUMBERS_OF_A_LIFE = 1_000_000;

const { directory, life, seed, isLast, sabotage } = JSON.parse(process.argv[2] ?? '') as Life;
const random = new SeededRandom(seed);
const chance = (oneIn: number): boolean => randomBelow(random, oneIn) === 0;

class Deliberate extends Error {}

function say(what: Word | 'open', number = life): void {
  writeSync(1, `${what} ${number}\n`);
}

/** Whatever else goes wrong is a mistake, and ends the process. */
function tolerate(error: unknown): void {
  if (error instanceof Deliberate) return say('threw');
  if (isStoreError(error, 'ERR_VARVE_LEASE_LOST')) return say('late');
  if (error instanceof TransactionEndedError) return say('aborted');
  console.error(error);
  process.exit(1);
}

const fileSystem = sabotagedFileSystem(sabotage);
// Nobody asks this process; and a trace of its calls, by which its disk is built again, knows no sockets.
fileSystem.openControl = () => Promise.reject(new Error('nobody is to ask'));
const store = await openStore(directory, { fileSystem });
const { transfers, accounts } = await openBank(store);
const { done: isNew = false } = await accounts['account-a'].records().next();
if (isNew) {
  await store.transaction((tx) => {
    const value = { number: DEPOSIT, cents: DEPOSIT_CENTS };
    for (const name of ACCOUNTS) tx.append(accounts[name], { value });
  });
}
say('open');

/** Handled by a worker, which does not say when it is committed: looked at again at each call. */
let uncertain: { readonly number: number; readonly entry: Committed<unknown> }[] = [];

function lookAgain(): void {
  for (const { number, entry } of uncertain) if (entry.result !== null) say('moved', number);
  uncertain = uncertain.filter(({ entry }) => entry.result === null).slice(-BACKLOG_MAX);
}

/** Both entries of a transfer, if nothing comes in between. */
async function move(tx: Transaction, transfer: Transfer): Promise<Committed<unknown>> {
  const kind = isLast ? 100 : randomBelow(random, 100);
  if (kind < 15) await pause(randomBelow(random, 3));
  const [first, second] = chance(2) ? ACCOUNTS : ACCOUNTS.toReversed();
  const { number } = transfer;
  tx.append(accounts[first], { value: { number, cents: centsFor(transfer, first) } });
  if (kind < 6) throw new Deliberate();
  if (kind < 9) tx.abort();
  if (kind < 12) await pause(LEASE_MS + 2 * TICK_MS);
  return tx.append(accounts[second], { value: { number, cents: centsFor(transfer, second) } });
}

async function handle(deliveries: readonly Delivery<Transfer>[], tx: Transaction): Promise<void> {
  lookAgain();
  for (const { value } of deliveries) {
    const transfer = present(value, 'a transfer has a value');
    uncertain.push({ number: transfer.number, entry: await move(tx, transfer) });
  }
}

function startWorkers(): readonly Worker<Delivery<Transfer>>[] {
  const shared = { transactional: true, retry: fixed(0), onError: tolerate } as const;
  const singles = Array.from({ length: SINGLE_WORKERS }, (_, at) => {
    const renew = at % 2 === 0 ? 'auto' : 'off';
    return transfers.work((delivery, { tx }) => handle([delivery], tx), { ...shared, renew });
  });
  const batch = { max: BATCH_MAX, waitMs: 2 };
  return [...singles, transfers.work((all, { tx }) => handle(all, tx), { ...shared, batch })];
}

let movedByHand = 0;

/** The eighth worker. What it does not move, it leaves to the end of its lease. */
async function moveByHand(): Promise<never> {
  for (;;) {
    const max = 1 + randomBelow(random, BATCH_MAX);
    const deliveries = await transfers.acquire({ max, waitMs: Number.POSITIVE_INFINITY });
    const moving = deliveries.map(({ value }) => present(value, 'a transfer has a value'));
    try {
      await store.transaction(async (tx) => {
        tx.ack(deliveries);
        for (const transfer of moving) await move(tx, transfer);
      });
      for (const { number } of moving) say('moved', number);
      movedByHand += moving.length;
    } catch (error) {
      tolerate(error);
    }
  }
}

async function sendForEver(): Promise<never> {
  const first = life * NUMBERS_OF_A_LIFE;
  let next = first;
  for (;;) {
    const handled = workers.reduce((sum, worker) => sum + worker.stats().handled, movedByHand);
    if (unsettledCount + (next - first) - handled > BACKLOG_MAX) {
      await pause(1);
      continue;
    }
    const records = Array.from({ length: 1 + randomBelow(random, SENT_AT_A_TIME_MAX) }, () => {
      const from = chance(2) ? 'account-a' : 'account-b';
      const value: Transfer = { number: next++, from, cents: 1 + randomBelow(random, CENTS_MAX) };
      return { value, key: String(value.number) };
    });
    await transfers.sendBatch(records);
    for (const { value } of records) say('sent', value.number);
  }
}

const { unsettledCount } = await transfers.stats();
const workers = startWorkers();
if (!isLast) await Promise.all([moveByHand(), sendForEver()]);
while ((await transfers.stats()).unsettledCount > 0) await pause(5);
await Promise.all(workers.map((worker) => worker.drain()));
lookAgain();
await store.close();
