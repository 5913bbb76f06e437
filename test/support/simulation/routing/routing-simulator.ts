/** Runs one seed: lives of one store that routes, each ended by a close, a kill or a power cut. */
import { randomBelow } from '../../../../src/core/random.ts';
import { prepareStore } from '../../store-disk.ts';
import { describeError } from '../describe-error.ts';
import { OPEN_ATTEMPTS_MAX, runSeed, type SeedResult } from '../machine.ts';
import { pick } from '../plan.ts';
import type { RoutingTally } from './routing-tally.ts';
import { checkOpened } from './opened-check.ts';
import { checkRebuild } from './rebuild-check.ts';
import { runRoutingProgram } from './routing-program.ts';
import { RoutingPublishes } from './routing-publishes.ts';
import { RoutingSession, type Answered } from './routing-session.ts';
import { RoutingWorld } from './routing-world.ts';

/** Calls of the file system, at most, after which a life ends that ends in a crash. */
const LIVES = [100, 400, 1000, 2500];

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateRouting(
  seed: number,
  tally: RoutingTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new RoutingWorld(seed, tally, narrate);
  const result = await runSeed(world, () => new RoutingSimulator(world).run());
  tally.add('letters', world.letters.count);
  return result;
}

class RoutingSimulator {
  readonly #world: RoutingWorld;
  /** Records whose place was told. */
  readonly #answered = new Map<number, Answered>();
  /** The life before this one. */
  #last: RoutingSession | null = null;

  constructor(world: RoutingWorld) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const world = this.#world;
    await world.drive(prepareStore(world.fileSystem));
    for (let life = 0; life <= world.plan.lifeCount; life++) {
      const session = await this.#open(life > 0 && world.chance(0.3));
      if (session === null || world.complaints().length > 0) return;
      await this.#live(session);
      if (world.complaints().length > 0) return;
    }
    const session = await this.#open(true);
    if (session === null) return;
    await world.drive(session.store.close());
    if (world.complaints().length === 0) await checkRebuild(world);
  }

  /** Opens the store through crashes and failures, and checks what is there. */
  async #open(isQuiet: boolean): Promise<RoutingSession | null> {
    const world = this.#world;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      world.narrate(`open, attempt ${attempt}`);
      const look = () => this.#look(isQuiet);
      const outcome = await world.tryToOpen({ attempt, callsMax: 150 }, look);
      if (outcome.status === 'done' && outcome.value !== null) return outcome.value;
      if (outcome.status === 'crashed') this.#restart();
      else if (outcome.status === 'failed' && !world.isOpenFailure(outcome.error)) {
        world.fault('open', describeError(outcome.error));
        return null;
      }
      if (world.complaints().length > 0) return null;
    }
    world.fault('open', 'not even without a fault');
    return null;
  }

  /** Null = it opened with a fault, and is closed again. */
  async #look(isQuiet: boolean): Promise<RoutingSession | null> {
    const world = this.#world;
    const { injector, tally } = world;
    const store = await world.open(isQuiet);
    const session = new RoutingSession(world, store);
    try {
      // Not in the middle of what the opening makes up for.
      await store.exchangeCatalog.reconcile();
      if (session.isOver) return null;
      tally.add('opens');
      await checkOpened(session, this.#last, this.#answered);
      if (!session.isOver) this.#last = null;
      if (injector.firedCount === 0 || !isQuiet) {
        injector.isOn &&= !isQuiet; // What fails now would never get there.
        if (isQuiet) await session.quiet('after an opening');
        if (injector.firedCount === 0) return session;
      }
    } catch (error) {
      if (injector.firedCount === 0) throw error;
      world.narrate(`looking failed: ${String(error)}`);
    }
    await store.close().catch(() => undefined);
    return null;
  }

  async #live(session: RoutingSession): Promise<void> {
    const world = this.#world;
    const { random, injector, fileSystem } = world;
    fileSystem.clearFaults();
    injector.isOn = world.chance(0.6);
    const willCrash = world.chance(0.7);
    if (willCrash) world.planCrash(pick(random, LIVES));
    const publishes = new RoutingPublishes(session, this.#answered);
    this.#last = session;
    const outcome = await world.drive(this.#program(session, publishes, willCrash));
    if (outcome.status === 'failed') throw outcome.error;
    fileSystem.crashAt = null;
    if (outcome.status === 'crashed' || willCrash) {
      fileSystem.crash();
      this.#restart();
      return;
    }
    injector.isOn = world.chance(0.3);
    const closed = await world.drive(session.store.close());
    injector.isOn = false;
    await fileSystem.runUntilIdle();
    world.tally.add('closes');
    if (closed.status === 'failed' && !session.isExplained(closed.error)) {
      world.fault('close', describeError(closed.error));
    }
    world.checkLeaks('store');
    if (randomBelow(random, 3) === 0) this.#restart();
  }

  async #program(
    session: RoutingSession,
    publishes: RoutingPublishes,
    willCrash: boolean,
  ): Promise<void> {
    const world = this.#world;
    await runRoutingProgram(session, publishes);
    if (session.isOver) return;
    const isAnswered = await session.settleWithin(30);
    if (willCrash || session.isOver) return;
    if (session.hasMishap) return;
    if (!isAnswered) world.fault('stuck', 'calls are not answered, and nothing failed');
    world.injector.isOn = false;
    const canBeQuiet = session.pendingModel === null && !world.isCapped;
    if (canBeQuiet && world.chance(0.5)) await session.quiet('in a life');
  }

  /** The machine, or the process, begins anew. */
  #restart(): void {
    if (!this.#world.restart()) return;
    for (const [id, { isSynced }] of this.#answered) if (!isSynced) this.#answered.delete(id);
  }
}
