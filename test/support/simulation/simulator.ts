/** Runs one seed: lives of one log, each ended by a close, a kill or a power cut, and checked. */
import type { Log } from '../../../src/log/log.ts';
import { checkDamage } from './damage-check.ts';
import {
  checkIndexBatches,
  checkLoadedIndexes,
  checkNoLeftovers,
  checkSecondRecovery,
} from './disk-checks.ts';
import { checkAtRest } from './rest-check.ts';
import { endOnDisk, prepareDisk } from './disk-setup.ts';
import { readLog } from './found-log.ts';
import { describeError } from './describe-error.ts';
import { OPEN_ATTEMPTS_MAX, runSeed, type SeedResult } from './machine.ts';
import { endingAfter, type Ending } from './oracle.ts';
import { chance, pick } from './plan.ts';
import { runProgram } from './program.ts';
import { Session } from './session.ts';
import type { LogTally } from './tally.ts';
import { World } from './world.ts';

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulate(
  seed: number,
  tally: LogTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new World(seed, tally, narrate);
  const result = await runSeed(world, () => new Simulator(world).run());
  tally.add('checkedRecords', world.oracle.checkedCount);
  return result;
}

class Simulator {
  readonly #world: World;
  #ending: Ending = 'close';

  constructor(world: World) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const world = this.#world;
    const { plan } = world;
    await world.drive(prepareDisk(world));
    for (let life = 0; life <= world.plan.lifeCount; life++) {
      const log = await this.#open();
      if (log === null || world.complaints().length > 0) return;
      await this.#live(log);
      if (world.complaints().length > 0) return;
    }
    if (plan.plantsDamage) await checkDamage(world, this.#ending);
  }

  /** Opens the log, through crashes and failures of opening, and checks what is there. */
  async #open(): Promise<Log<Uint8Array> | null> {
    const world = this.#world;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      world.narrate(`open, attempt ${attempt}, after ${this.#ending}`);
      const expectedEnd = endOnDisk(world);
      const outcome = await world.tryToOpen({ attempt, callsMax: 60 }, () => world.open());
      if (outcome.status === 'done') {
        if (await this.#check(outcome.value, expectedEnd)) return outcome.value;
      } else if (outcome.status === 'crashed') this.#restart();
      else if (!world.isOpenFailure(outcome.error)) {
        world.fault('open', describeError(outcome.error));
        return null;
      } else if (world.fileSystem.openFileCount > 0) {
        world.fault('leak', 'a failed open leaves files open');
      }
    }
    return null;
  }

  /** Whether the log is one to go on with: what it holds is as promised, and it can be written. */
  async #check(log: Log<Uint8Array>, expectedEnd: number): Promise<boolean> {
    const world = this.#world;
    const { oracle, tally, injector } = world;
    tally.add('opens');
    world.narrate(`opened: ${JSON.stringify(log.recovery)}`);
    const found = await world.drive(readLog(log));
    if (found.status !== 'done') {
      const why = found.status === 'failed' ? String(found.error) : '';
      oracle.fault('A1', `the log cannot be read: ${why}`);
      return false;
    }
    world.narrate(`found [${found.value.startOffset}, ${found.value.endOffset})`);
    if (log.recovery.cutBytes > 0) tally.add('tornTails');
    if (found.value.endOffset !== expectedEnd) {
      oracle.fault('A5', `the log ends at ${found.value.endOffset}, its data at ${expectedEnd}`);
    }
    if (log.recovery.damage !== null || log.recovery.gaps.length > 0) {
      oracle.fault('A6', `false alarm: ${JSON.stringify(log.recovery)}`);
    }
    if (!log.readOnly) {
      oracle.reopened(this.#ending, found.value);
      await this.#checkDisk();
      return true;
    }
    // Without room for the torn tail's copy nothing was changed: once more, with room.
    oracle.compare(this.#ending, found.value);
    if (injector.firedCount === 0) oracle.fault('open', 'read-only without a reason');
    await world.drive(log.close());
    return false;
  }

  async #checkDisk(): Promise<void> {
    const world = this.#world;
    const { random } = world;
    checkNoLeftovers(world);
    checkIndexBatches(world);
    if (chance(random, 0.35)) await checkLoadedIndexes(world);
    if (chance(random, 0.25)) await checkSecondRecovery(world, chance(random, 0.5));
    world.narrate('checked the disk');
  }

  async #live(log: Log<Uint8Array>): Promise<void> {
    const world = this.#world;
    const { random, injector, oracle } = world;
    const session = new Session(world, log);
    injector.reset();
    injector.isOn = true;
    this.#ending = 'close';
    const willCrash = chance(random, 0.7);
    if (willCrash) world.planCrash(pick(random, [20, 100, 400]));
    const outcome = await world.drive(runProgram(session));
    if (outcome.status === 'failed') throw outcome.error;
    world.fileSystem.crashAt = null;
    if (outcome.status === 'crashed' || willCrash) {
      session.observeAtEnd();
      world.narrate(
        `crash: end ${oracle.end}, written ${oracle.writtenEnd}, durable ${oracle.durableEnd}`,
      );
      world.fileSystem.crash();
      this.#restart();
      return;
    }
    injector.isOn = false;
    await checkAtRest(session);
    injector.isOn = chance(random, 0.5);
    await this.#close(session);
    injector.isOn = false;
    if (chance(random, 0.3)) this.#restart();
  }

  async #close(session: Session): Promise<void> {
    const world = this.#world;
    const { oracle, tally, fileSystem } = world;
    const outcome = await world.drive(session.log.close());
    await fileSystem.runUntilIdle();
    tally.add('closes');
    session.observeAtEnd();
    world.narrate(`closed: ${outcome.status}`);
    if (outcome.status === 'done') oracle.closed();
    else {
      this.#ending = 'kill';
      if (outcome.status === 'failed' && !session.isExplained(outcome.error)) {
        oracle.fault('close', describeError(outcome.error));
      }
    }
    world.checkLeaks('log');
  }

  /** The machine, or the process, begins anew. */
  #restart(): void {
    const world = this.#world;
    world.tally.add('crashes');
    this.#ending = endingAfter(this.#ending, world.restart());
  }
}
