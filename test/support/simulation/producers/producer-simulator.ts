/** Runs one seed: lives of one store with producers, each ended by a close, a kill or a power cut. */
import { prepareStore } from '../../store-disk.ts';
import { describeError } from '../describe-error.ts';
import { OPEN_ATTEMPTS_MAX, runSeed, type SeedResult } from '../machine.ts';
import { endingAfter, type Ending } from '../oracle.ts';
import { chance, pick } from '../plan.ts';
import { numbersIn, openTopics, PARTITIONS, ProducerSession } from './producer-session.ts';
import { ProducerWorld, type ProducerTally } from './producer-world.ts';

/** Calls of the file system, at most, after which a life ends that ends in a crash. */
const LIVES = [40, 120, 400];

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateProducers(
  seed: number,
  tally: ProducerTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new ProducerWorld(seed, tally, narrate);
  return runSeed(world, () => new ProducerSimulator(world).run());
}

class ProducerSimulator {
  readonly #world: ProducerWorld;
  #ending: Ending = 'close';

  constructor(world: ProducerWorld) {
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
  async #open(): Promise<ProducerSession | null> {
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
  async #look(): Promise<ProducerSession | null> {
    const world = this.#world;
    const { injector, oracle, tally } = world;
    const store = await world.open();
    try {
      const topics = await openTopics(store);
      const session = new ProducerSession(world, store, topics);
      for (const topic of topics) {
        for (let at = 0; at < PARTITIONS; at++) await topic.partitions.at(at).log();
      }
      if (injector.firedCount === 0) {
        injector.isOn = false; // What fails from now on would never get there.
        for (const topic of topics) {
          const found = await numbersIn(topic);
          if (session.isOver) return null;
          const starts = topic.partitions.all().map(({ opened }) => opened?.startOffset ?? 0);
          oracle.reopened(topic.name, found, { ending: this.#ending, starts });
          tally.add('checkedRecords', found.length);
        }
        await session.begin();
        tally.add('opens');
        return session;
      }
    } catch (error) {
      if (injector.firedCount === 0) throw error;
      world.narrate(`looking failed: ${String(error)}`);
    }
    await store.close().catch(() => undefined);
    return null;
  }

  async #live(session: ProducerSession): Promise<void> {
    const world = this.#world;
    const { random, injector, fileSystem } = world;
    fileSystem.clearFaults();
    injector.isOn = chance(random, 0.6);
    this.#ending = 'close';
    const willCrash = chance(random, 0.6);
    if (willCrash) world.planCrash(pick(random, LIVES));
    const outcome = await world.drive(session.run());
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

  async #close(session: ProducerSession): Promise<void> {
    const world = this.#world;
    const { fileSystem, injector, tally } = world;
    injector.isOn &&= chance(world.random, 0.5);
    world.narrate('close');
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
