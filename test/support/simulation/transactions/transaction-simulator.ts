/** Runs one seed: lives of one store with transactions, each ended by a close, a kill or a power cut. */
import type { Store } from '../../../../src/store/store.ts';
import { runSeed, type SeedResult } from '../machine.ts';
import { chance } from '../plan.ts';
import { StoreLives } from '../store-lives.ts';
import { Film } from './film.ts';
import { lookAtDeeds } from './transaction-look.ts';
import { runTransactionProgram } from './transaction-program.ts';
import { openHandles, TransactionSession } from './transaction-session.ts';
import { TransactionWorld, type TransactionTally } from './transaction-world.ts';

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateTransactions(
  seed: number,
  tally: TransactionTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new TransactionWorld(seed, tally, narrate);
  return runSeed(world, () => new TransactionLives(world).run());
}

class TransactionLives extends StoreLives<TransactionWorld, TransactionSession> {
  protected readonly callsOfLife = [60, 200, 500, 1000];

  protected async begin(store: Store): Promise<TransactionSession> {
    const session = new TransactionSession(this.world, store, await openHandles(store));
    await session.openLogs();
    return session;
  }

  protected async check(session: TransactionSession): Promise<void> {
    const { world } = this;
    const { oracle, tally } = world;
    const found = await lookAtDeeds(session);
    if (session.isOver) return;
    const there = oracle.reopened(found, this.ending);
    tally.add('checkedRecords', found.records.size);
    tally.add('found', there.filter(({ status }) => status === 'open').length);
    tally.add('frames', world.film.length);
    for (const problem of world.film.problems(there)) world.fault('A4', problem);
    world.film = new Film();
  }

  protected programOf(session: TransactionSession): () => Promise<void> {
    const isBrokenOff = chance(this.world.random, 0.4);
    return () => {
      session.watch();
      return runTransactionProgram(session, isBrokenOff);
    };
  }

  protected override onClose(session: TransactionSession): void {
    this.world.limitDisk(null);
    session.isClosing = true;
  }
}
