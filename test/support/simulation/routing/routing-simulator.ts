/** Runs one seed: lives of one store that routes, each ended by a close, a kill or a power cut. */
import { dirname, join } from 'node:path';

import { ManualClock } from '../../../../src/core/clock.ts';
import { FailedError, IoError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { RESERVE_FILE } from '../../../../src/format/file-names.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { describeError } from '../describe-error.ts';
import { pick } from '../plan.ts';
import type { SeedResult } from '../simulator.ts';
import type { RoutingTally } from './routing-tally.ts';
import { checkOpened } from './opened-check.ts';
import { checkRebuild } from './rebuild-check.ts';
import { runRoutingProgram } from './routing-program.ts';
import { RoutingPublishes } from './routing-publishes.ts';
import { RoutingSession, type Answered } from './routing-session.ts';
import { RoutingWorld } from './routing-world.ts';

const OPEN_ATTEMPTS_MAX = 5;
/** Calls of the file system, at most, after which a life ends that ends in a crash. */
const LIVES = [100, 400, 1000, 2500];
const POWER_CUT_ODDS = 0.65;

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateRouting(
  seed: number,
  tally: RoutingTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new RoutingWorld(seed, tally, narrate);
  narrate(JSON.stringify(world.plan));
  try {
    await new RoutingSimulator(world).run();
  } catch (error) {
    world.fault('crash', describeError(error));
  }
  tally.add('seeds');
  tally.add('letters', world.letters.count);
  tally.add('faults', world.injector.totalCount);
  return { violations: world.complaints(), digest: world.trace.digest };
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
    await world.drive(this.#prepare());
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

  async #prepare(): Promise<void> {
    const { fileSystem } = this.#world;
    await fileSystem.makeDirectory(STORE_PATH);
    const file = await fileSystem.open(join(STORE_PATH, RESERVE_FILE), 'create');
    await file.close();
    for (const path of [STORE_PATH, dirname(STORE_PATH), '/']) await fileSystem.syncDirectory(path);
  }

  /** Opens the store through crashes and failures, and checks what is there. */
  async #open(isQuiet: boolean): Promise<RoutingSession | null> {
    const world = this.#world;
    const { injector, plan, tally } = world;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      const isLast = attempt === OPEN_ATTEMPTS_MAX - 1;
      injector.reset();
      world.fileSystem.clearFaults();
      injector.isOn = !isLast;
      if (!isLast && world.chance(plan.recoveryCrashOdds)) this.#planCrash([150]);
      world.narrate(`open, attempt ${attempt}`);
      const outcome = await world.drive(this.#look(isQuiet));
      injector.isOn = false;
      world.fileSystem.crashAt = null;
      if (outcome.status === 'done' && outcome.value !== null) return outcome.value;
      if (outcome.status === 'crashed') {
        tally.add('recoveryCrashes');
        this.#restart();
      } else if (outcome.status === 'failed') {
        world.narrate(`open failed: ${String(outcome.error)}`);
        const { error } = outcome;
        const isFailure = error instanceof IoError || error instanceof FailedError;
        if (isFailure && injector.firedCount > 0) continue;
        world.fault('open', describeError(error));
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
    if (willCrash) this.#planCrash(LIVES);
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
    if (fileSystem.openFileCount > 0) world.fault('leak', 'a closed store leaves files open');
    if (world.clock.pendingTimerCount > 0) world.fault('leak', 'a closed store leaves timers');
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
    const isAnswered = await session.settle();
    if (willCrash || session.isOver) return;
    if (session.hasMishap) return;
    if (!isAnswered) world.fault('stuck', 'calls are not answered, and nothing failed');
    world.injector.isOn = false;
    const canBeQuiet = session.pendingModel === null && !world.isCapped;
    if (canBeQuiet && world.chance(0.5)) await session.quiet('in a life');
  }

  #planCrash(lives: readonly number[]): void {
    const { fileSystem, random } = this.#world;
    fileSystem.crashAt = {
      call: fileSystem.callCount + 1 + randomBelow(random, pick(random, lives)),
      when: pick(random, ['before', 'inside', 'after']),
    };
  }

  /** The machine, or the process, begins anew. */
  #restart(): void {
    const world = this.#world;
    const { tally, fileSystem, clock } = world;
    const isPowerCut = world.chance(POWER_CUT_ODDS);
    tally.add(isPowerCut ? 'powerCuts' : 'kills');
    world.narrate(isPowerCut ? 'power cut' : 'kill');
    if (isPowerCut) {
      for (const [id, { isSynced }] of this.#answered) if (!isSynced) this.#answered.delete(id);
    }
    world.clock = new ManualClock(clock.now());
    world.fileSystem = isPowerCut ? fileSystem.crashImage() : fileSystem.killImage();
    world.fileSystem.capacityBytes = 2 ** 40;
  }
}
