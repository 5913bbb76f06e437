/** Runs one seed: lives of one store with transactions, each ended by a close, a kill or a power cut. */
import { prepareStore } from '../../store-disk.ts';
import { describeError } from '../describe-error.ts';
import { OPEN_ATTEMPTS_MAX, runSeed, type SeedResult } from '../machine.ts';
import { endingAfter, type Ending } from '../oracle.ts';
import { chance, pick } from '../plan.ts';
import { Film } from './film.ts';
import { lookAtDeeds } from './transaction-look.ts';
import { runTransactionProgram } from './transaction-program.ts';
import { openHandles, TransactionSession } from './transaction-session.ts';
import { TransactionWorld, type TransactionTally } from './transaction-world.ts';

/** Calls of the file system, at most, after which a life ends that ends in a crash. */
const LIVES = [60, 200, 500, 1000];

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateTransactions(
  seed: number,
  tally: TransactionTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new TransactionWorld(seed, tally, narrate);
  return runSeed(world, () => new TransactionSimulator(world).run());
}

class TransactionSimulator {
  readonly #world: TransactionWorld;
  #ending: Ending = 'close';

  constructor(world: TransactionWorld) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const world = this.#world;
    await world.drive(prepareStore(world.fileSystem));
    for (let life = 0; life <= world.plan.lifeCount; life++) {
      const session = await this.#open();
      if (session === null) return;
      await this.#live(session);
      if (world.complaints().length > 0) return;
    }
    const session = await this.#open();
    if (session !== null) await world.drive(session.store.close());
  }

  /** Opens the store through crashes and failures, and checks what is there. */
  async #open(): Promise<TransactionSession | null> {
    const world = this.#world;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      world.narrate(`open, attempt ${attempt}, after ${this.#ending}`);
      const outcome = await world.tryToOpen({ attempt, callsMax: 150 }, () => this.#look());
      await world.fileSystem.runUntilIdle();
      if (world.complaints().length > 0) return null;
      if (outcome.status === 'done' && outcome.value !== null) return outcome.value;
      if (outcome.status === 'crashed') this.#restart();
      else if (outcome.status === 'failed' && !world.isOpenFailure(outcome.error)) {
        world.fault('open', describeError(outcome.error));
        return null;
      }
    }
    world.fault('open', 'not even without a fault');
    return null;
  }

  /** Null = it opened with a fault, and is closed again. */
  async #look(): Promise<TransactionSession | null> {
    const world = this.#world;
    const { injector, oracle, tally } = world;
    const store = await world.open();
    try {
      const session = new TransactionSession(world, store, await openHandles(store));
      await session.openLogs();
      if (injector.firedCount === 0) {
        injector.isOn = false; // What fails from now on would never get there.
        const found = await lookAtDeeds(session);
        if (session.isOver) return null;
        const there = oracle.reopened(found, this.#ending);
        tally.add('opens');
        tally.add('checkedRecords', found.records.size);
        tally.add('found', there.filter(({ status }) => status === 'open').length);
        tally.add('frames', world.film.length);
        for (const problem of world.film.problems(there)) world.fault('A4', problem);
        world.film = new Film();
        return session;
      }
    } catch (error) {
      if (injector.firedCount === 0) throw error;
      world.narrate(`looking failed: ${String(error)}`);
    }
    await store.close().catch(() => undefined);
    return null;
  }

  async #live(session: TransactionSession): Promise<void> {
    const world = this.#world;
    const { random, injector, fileSystem } = world;
    fileSystem.clearFaults();
    injector.isOn = chance(random, 0.6);
    this.#ending = 'close';
    const willCrash = chance(random, 0.6);
    const isBrokenOff = chance(random, 0.4);
    if (willCrash) world.planCrash(pick(random, LIVES));
    session.watch();
    const outcome = await world.drive(runTransactionProgram(session, isBrokenOff));
    if (outcome.status === 'failed') throw outcome.error;
    fileSystem.crashAt = null;
    if (outcome.status === 'crashed' || willCrash) {
      world.onCall = null;
      fileSystem.crash();
      this.#restart();
      return;
    }
    await this.#close(session);
    if (chance(random, 0.3)) this.#restart();
  }

  /** Perhaps in the middle of everything. */
  async #close(session: TransactionSession): Promise<void> {
    const world = this.#world;
    const { fileSystem, injector, tally } = world;
    injector.isOn &&= chance(world.random, 0.5);
    world.narrate('close');
    world.limitDisk(null);
    session.isClosing = true;
    const outcome = await world.drive(session.store.close());
    world.onCall = null;
    injector.isOn = false;
    await world.drive(session.settle());
    await fileSystem.runUntilIdle();
    tally.add('closes');
    if (outcome.status === 'failed') {
      this.#ending = 'kill';
      if (!session.isExplained(outcome.error)) world.fault('close', describeError(outcome.error));
    }
    world.checkLeaks('store');
  }

  /** The machine, or the process, begins anew. */
  #restart(): void {
    this.#ending = endingAfter(this.#ending, this.#world.restart());
  }
}
