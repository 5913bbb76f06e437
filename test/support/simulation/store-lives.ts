/** One seed of a program on a store: lives, each ended by a close, a kill or a power cut, and what is found. */
import type { Store } from '../../../src/store/store.ts';
import { prepareStore } from '../store-disk.ts';
import { describeError } from './describe-error.ts';
import type { Life } from './life.ts';
import { OPEN_ATTEMPTS_MAX, type Machine } from './machine.ts';
import { endingAfter, type Ending } from './oracle.ts';
import { chance, pick } from './plan.ts';

/** The machine of such a program. */
export type StoreMachine = Machine<string> & { open(): Promise<Store> };

/** A life of it. */
export type StoreLife = Life<StoreMachine> & { readonly store: Store };

/**
 * @typeParam W  the machine, and what is known of it
 * @typeParam S  the program's part in one life
 */
export abstract class StoreLives<W extends StoreMachine, S extends StoreLife> {
  protected readonly world: W;
  /** How the life before ended, with all that came until the store was open. */
  protected ending: Ending = 'close';
  /** Calls of the file system, at most, after which a life ends that ends in a crash. */
  protected abstract readonly callsOfLife: readonly number[];

  constructor(world: W) {
    this.world = world;
  }

  async run(): Promise<void> {
    const { world } = this;
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

  /** Begins a life on a store that is open, as far as needed to look at it. */
  protected abstract begin(store: Store): Promise<S>;

  /** Compares what is there with what must be. Over when the machine crashes meanwhile. */
  protected abstract check(session: S): Promise<void>;

  /** What comes next, before the program. */
  protected greet(_session: S): Promise<void> {
    return Promise.resolve();
  }

  /** The program; what it is by chance is drawn here. */
  protected abstract programOf(session: S): () => Promise<void>;

  /** The store is about to be closed, perhaps in the middle of everything. */
  protected onClose(_session: S): void {
    // Mostly nobody has to know.
  }

  /** Opens the store through crashes and failures, and checks what is there. */
  async #open(): Promise<S | null> {
    const { world } = this;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      world.narrate(`open, attempt ${attempt}, after ${this.ending}`);
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
  async #look(): Promise<S | null> {
    const { world } = this;
    const { injector, tally } = world;
    const store = await world.open();
    try {
      const session = await this.begin(store);
      if (injector.firedCount === 0) {
        injector.isOn = false; // What fails from now on would never get there.
        await this.check(session);
        if (session.isOver) return null;
        tally.add('opens');
        this.ending = 'close';
        await this.greet(session);
        return session.isOver ? null : session;
      }
    } catch (error) {
      if (injector.firedCount === 0) throw error;
      world.narrate(`looking failed: ${String(error)}`);
    }
    await store.close().catch(() => undefined);
    return null;
  }

  async #live(session: S): Promise<void> {
    const { world } = this;
    const { random, injector, fileSystem } = world;
    fileSystem.clearFaults();
    injector.isOn = chance(random, 0.6);
    const willCrash = chance(random, 0.6);
    const program = this.programOf(session);
    if (willCrash) world.planCrash(pick(random, this.callsOfLife));
    const outcome = await world.drive(program());
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

  async #close(session: S): Promise<void> {
    const { world } = this;
    const { fileSystem, injector, tally } = world;
    injector.isOn &&= chance(world.random, 0.5);
    world.narrate('close');
    this.onClose(session);
    const outcome = await world.drive(session.store.close());
    world.onCall = null;
    injector.isOn = false;
    await world.drive(session.settle());
    await fileSystem.runUntilIdle();
    tally.add('closes');
    if (outcome.status === 'failed') {
      this.ending = 'kill';
      if (!session.isExplained(outcome.error)) world.fault('close', describeError(outcome.error));
    }
    world.checkLeaks('store');
  }

  /** The machine, or the process, begins anew. */
  #restart(): void {
    this.ending = endingAfter(this.ending, this.world.restart());
  }
}
