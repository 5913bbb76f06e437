/**
 * Kills a process that moves money between two accounts again and again on the real disk, every third time
 * once more while it opens its store, and holds the books against what it said: to the cent, each transfer
 * once in each account or in none, acked where it is moved and nowhere else.
 *
 * A kill keeps the page cache, so this says nothing about fsync: `test/crash/power` does.
 * `VARVE_CRASH_CYCLES` sets the number of kills (default 20), `SEED` the moments, and what happens when.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFailed, test } from 'vitest';
import { randomBelow } from '../../src/core/random.ts';
import { openStore, SeededRandom, type Transaction } from '../../src/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { Auditor, type Findings } from './transfers/auditor.ts';
import { openBank, type Bank, type Entry, type Transfer } from './transfers/bank.ts';
import type { Life } from './transfers/life.ts';
import { runLife } from './transfers/run-life.ts';
import { Told } from './transfers/told.ts';

const KILLS = Number(process.env['VARVE_CRASH_CYCLES'] ?? 20);
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
/** Behind its first acknowledgement a process lives for up to so many ms more. */
const LIFE_MS_MAX = 120;
/** Those that are killed early live for so many parts of the time that the one before took to open its store. */
const OPENING_KILL = { min: 0.2, max: 1.1 };

test('a process that is killed again and again moves all the money once, to the cent', async () => {
  onTestFailed(() => console.log(`SEED=${SEED} with ${KILLS} kills`));
  const random = new SeededRandom(SEED);
  const directory = join(await temporaryDirectory(), 'store');
  const told = new Told();
  const auditor = new Auditor();
  const total = { killedInOpening: 0, crashed: 0 };
  let lives = 0;
  const nextLife = (isLast = false): Life => {
    const seed = randomBelow(random, 2 ** 31);
    return { directory, life: lives++, seed, isLast, sabotage: 'none' };
  };
  const audit = async (by = auditor): Promise<Findings> => {
    const store = await openStore(directory);
    const findings = await by.audit(store, told).catch((error: unknown) => {
      throw new Error(`after ${lives} lives: ${String(error)}`, { cause: error });
    });
    await store.close();
    return findings;
  };
  for (let kill = 0; kill < KILLS; kill++) {
    const lifeMs = random.next() * LIFE_MS_MAX;
    const { said, openMs } = await runLife(nextLife(), {
      when: (moved) => moved(1).then(() => pause(lifeMs)),
    });
    told.hear(said);
    if (kill % 3 === 2 && openMs !== null) {
      const { min, max } = OPENING_KILL;
      const earlyMs = openMs * (min + random.next() * (max - min));
      const early = await runLife(nextLife(), { when: () => pause(earlyMs) });
      told.hear(early.said);
      if (early.openMs === null) total.killedInOpening++;
    }
    total.crashed += (await audit()).crashedCount;
  }
  told.hear((await runLife(nextLife(true), null)).said);
  const { transferCount, movedCount, untoldCount } = await audit();
  // All of it once more, for what was read before could be gone since.
  expect(await audit(new Auditor())).toMatchObject({ transferCount, movedCount });
  expect(movedCount).toBe(transferCount);
  const figures = { transferCount, untoldCount, ...total, ...told.counts };
  console.log(`SEED=${SEED}: ${KILLS} kills, ${JSON.stringify(figures)}`);
  // A run in which little was moved, or nothing went wrong, proves nothing.
  expect(told.moved.size).toBeGreaterThan(KILLS * 5);
  expect(untoldCount).toBeGreaterThan(KILLS / 4);
  expect(total.crashed).toBeGreaterThan(KILLS / 4);
  expect(total.killedInOpening).toBeGreaterThan(0);
  expect(told.counts.threw).toBeGreaterThan(KILLS / 4);
  expect(told.counts.aborted).toBeGreaterThan(0);
  expect(told.counts.late).toBeGreaterThan(0);
});

describe('the auditor finds', () => {
  const transfer: Transfer = { number: 7, from: 'account-a', cents: 250 };
  const taken: Entry = { number: 7, cents: -250 };
  const given: Entry = { number: 7, cents: 250 };

  /** Sends the transfer, and moves it as `entries` say, in a transaction that acks it or not. */
  async function audited(
    entries: (tx: Transaction, accounts: Bank['accounts']) => void,
    { isAcked = true, told = new Told() } = {},
  ): Promise<Findings> {
    const store = await openStore({ memory: true });
    const { transfers, accounts } = await openBank(store);
    await transfers.send(transfer);
    const deliveries = await transfers.acquire();
    await store.transaction((tx) => {
      entries(tx, accounts);
      if (isAcked) tx.ack(deliveries);
    });
    try {
      return await new Auditor().audit(store, told);
    } finally {
      await store.close();
    }
  }

  const moveIt = (tx: Transaction, accounts: Bank['accounts']): void => {
    tx.append(accounts['account-a'], { value: taken });
    tx.append(accounts['account-b'], { value: given });
  };

  test('nothing where all is as it should be', async () => {
    expect(await audited(moveIt)).toMatchObject({ transferCount: 1, movedCount: 1 });
    const waits = await audited(() => undefined, { isAcked: false });
    expect(waits).toMatchObject({ transferCount: 1, movedCount: 0 });
  });

  test('money that left one account and never reached the other', async () => {
    const half = audited((tx, accounts) => tx.append(accounts['account-a'], { value: taken }));
    await expect(half).rejects.toThrow('there are -250 cents instead of 0');
  });

  test('a cent too much', async () => {
    const more = audited((tx, accounts) => {
      tx.append(accounts['account-a'], { value: taken });
      tx.append(accounts['account-b'], { value: { number: 7, cents: 251 } });
    });
    await expect(more).rejects.toThrow('there are 1 cents instead of 0');
  });

  test('money that went the other way', async () => {
    const back = audited((tx, accounts) => {
      tx.append(accounts['account-a'], { value: given });
      tx.append(accounts['account-b'], { value: taken });
    });
    await expect(back).rejects.toThrow('7: 250,-250 instead of -250,250');
  });

  test('what was moved twice', async () => {
    const twice = audited((tx, accounts) => {
      moveIt(tx, accounts);
      moveIt(tx, accounts);
    });
    await expect(twice).rejects.toThrow('7 stands twice in account-a');
  });

  test('what nobody sent', async () => {
    const invented = audited((tx, accounts) => {
      tx.append(accounts['account-a'], { value: { number: 8, cents: -1 } });
      tx.append(accounts['account-b'], { value: { number: 8, cents: 1 } });
    });
    await expect(invented).rejects.toThrow('nobody sent 8');
  });

  test('an ack without a move, and a move without an ack', async () => {
    await expect(audited(() => undefined)).rejects.toThrow('7 was acked, and is not moved');
    const unacked = audited(moveIt, { isAcked: false });
    await expect(unacked).rejects.toThrow('7 was moved, and is not acked');
  });

  test('what was told and is not so', async () => {
    const told = new Told();
    told.hear('sent 9\nmoved 1');
    await expect(audited(moveIt, { told })).rejects.toThrow('9 is lost');
    const other = new Told();
    other.hear('moved 9\n');
    await expect(audited(moveIt, { told: other })).rejects.toThrow('9 was moved, and is not');
  });
});
