/** Runs one seed: lives of one store with ids, each ended by a close, a kill or a power cut. */
import { prepareStore } from '../../store-disk.ts';
import { describeError } from '../describe-error.ts';
import { OPEN_ATTEMPTS_MAX, runSeed, type SeedResult } from '../machine.ts';
import { endingAfter, type Ending } from '../oracle.ts';
import { chance, pick } from '../plan.ts';
import { probe, runDedupProgram } from './dedup-program.ts';
import { DedupSession } from './dedup-session.ts';
import { DedupWorld, type DedupTally } from './dedup-world.ts';

/** Calls of the file system, at most, after which a life ends that ends in a crash. */
const LIVES = [60, 200, 500, 1000];

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateDedup(
  seed: number,
  tally: DedupTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new DedupWorld(seed, tally, narrate);
  return runSeed(world, () => new DedupSimulator(world).run());
}

class DedupSimulator {
  readonly #world: DedupWorld;
  #ending: Ending = 'close';

  constructor(world: DedupWorld) {
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
  async #open(): Promise<DedupSession | null> {
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
  async #look(): Promise<DedupSession | null> {
    const world = this.#world;
    const { injector } = world;
    const store = await world.open();
    try {
      const session = await DedupSession.open(world, store);
      if (injector.firedCount === 0) {
        injector.isOn = false; // What fails from now on would never get there.
        await this.#check(session);
        return session.isOver ? null : session;
      }
    } catch (error) {
      if (injector.firedCount === 0) throw error;
      world.narrate(`looking failed: ${String(error)}`);
    }
    await store.close().catch(() => undefined);
    return null;
  }

  async #check(session: DedupSession): Promise<void> {
    const { random, injector, tally } = this.#world;
    for (const one of session.topics) {
      const found = await session.look(one);
      if (session.isOver) return;
      const count = one.oracle.reopened(found, this.#ending, injector.hasFailedSync);
      tally.add('checkedRecords', count);
      tally.add(
        'segments',
        one.logs.map((log) => log.stats().segmentCount).reduce((x, y) => x + y),
      );
      if (found.starts.some((start) => start > 0)) tally.add('trimmedTopics');
    }
    tally.add('opens');
    this.#ending = 'close';
    if (chance(random, 0.6)) await probe(session);
  }

  async #live(session: DedupSession): Promise<void> {
    const world = this.#world;
    const { random, injector, fileSystem } = world;
    fileSystem.clearFaults();
    injector.isOn = chance(random, 0.6);
    const willCrash = chance(random, 0.6);
    const isBrokenOff = chance(random, 0.4);
    if (willCrash) world.planCrash(pick(random, LIVES));
    const outcome = await world.drive(runDedupProgram(session, isBrokenOff));
    if (outcome.status === 'failed') throw outcome.error;
    fileSystem.crashAt = null;
    if (outcome.status === 'crashed' || willCrash) {
      fileSystem.crash();
      this.#restart();
      return;
    }
    await this.#close(session);
    if (chance(random, 0.3)) this.#restart();
  }

  /** Perhaps in the middle of everything. */
  async #close(session: DedupSession): Promise<void> {
    const world = this.#world;
    const { fileSystem, injector, tally } = world;
    injector.isOn &&= chance(world.random, 0.5);
    world.narrate('close');
    world.limitDisk(null);
    session.isClosing = true;
    const outcome = await world.drive(session.store.close());
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
