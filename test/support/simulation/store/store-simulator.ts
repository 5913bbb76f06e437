/** Runs one seed: lives of one store, each ended by a close, a kill or a power cut, and checked. */
import { prepareStore } from '../../store-disk.ts';
import { describeError } from '../describe-error.ts';
import type { FoundLog } from '../found-log.ts';
import { OPEN_ATTEMPTS_MAX, runSeed, type SeedResult } from '../machine.ts';
import { endingAfter, type Ending } from '../oracle.ts';
import { chance, pick } from '../plan.ts';
import { recordIdOf } from '../records.ts';
import type { CommitPart } from './commit-oracle.ts';
import { drain } from './queues/queue-drain.ts';
import { checkQueues, endsInGap, gapsIn } from './queues/queue-look.ts';
import { QueueSession } from './queues/queue-session.ts';
import {
  checkFiles,
  checkHash,
  checkSecondOpening,
  lookAt,
  type FoundStore,
} from './store-look.ts';
import { runStoreProgram } from './store-program.ts';
import { StoreSession } from './store-session.ts';
import { StoreWorld, type StoreTally } from './store-world.ts';

/** Calls of the file system, at most, after which a life ends that ends in a crash. */
const LIVES = [50, 200, 600];
const LONG_LIVES = [200, 600, 2000];
/** Of lives that end with a close. */
const DRAIN_SHARE = 0.4;

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateStore(
  seed: number,
  tally: StoreTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new StoreWorld(seed, tally, narrate);
  return runSeed(world, () => new StoreSimulator(world).run());
}

class StoreSimulator {
  readonly #world: StoreWorld;
  #ending: Ending = 'close';

  constructor(world: StoreWorld) {
    this.#world = world;
  }

  async run(): Promise<void> {
    const world = this.#world;
    await world.drive(prepareStore(world.fileSystem));
    for (let life = 0; life <= world.plan.lifeCount; life++) {
      const found = await this.#open();
      if (found === null || world.complaints().length > 0) return;
      await this.#live(found);
      if (world.complaints().length > 0) return;
    }
    const found = await this.#open();
    if (found !== null) await this.#finish(found);
  }

  /** The end: all queues are emptied, on a disk that works. */
  async #finish({ store, open }: FoundStore): Promise<void> {
    const world = this.#world;
    const queues = new QueueSession(new StoreSession(world, store, open));
    const outcome = await world.drive(drain(queues));
    if (outcome.status === 'failed') throw outcome.error;
    await world.drive(store.close());
  }

  /** Opens the store and all in it, through crashes and failures, and checks what is there. */
  async #open(): Promise<FoundStore | null> {
    const world = this.#world;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
      const { fileSystem } = world;
      world.narrate(`open, attempt ${attempt}, after ${this.#ending}`);
      const open = () => world.open().then((store) => lookAt(store, fileSystem));
      const outcome = await world.tryToOpen({ attempt, callsMax: 150 }, open);
      await fileSystem.runUntilIdle(); // What goes on in the background may still fail.
      if (outcome.status === 'done') {
        if (await this.#check(outcome.value)) return outcome.value;
      } else if (outcome.status === 'crashed') this.#restart();
      else if (!world.isOpenFailure(outcome.error)) {
        world.fault('open', describeError(outcome.error));
        return null;
      } else if (fileSystem.openFileCount > 0) {
        world.fault('leak', 'a failed open leaves files open');
      }
    }
    world.fault('open', 'not even without a fault');
    return null;
  }

  /** Whether the store is one to go on with: what it holds is as promised, and all can be written. */
  async #check(found: FoundStore): Promise<boolean> {
    const world = this.#world;
    const { tally, injector } = world;
    tally.add('opens');
    const when = `after ${this.#ending}`;
    world.allowTrims();
    for (const one of found.partitions) {
      const { topic, partition, expectedEnd, problem, found: log } = one;
      const { endOffset } = log;
      const gaps = gapsIn(world, one);
      for (const gap of gaps) world.logOracle(topic, partition).lost(gap);
      if (
        !endsInGap(world, one) &&
        endOffset !== this.#endOf(`${topic}/${partition}`, log, expectedEnd)
      ) {
        world.fault('A5', `${topic}/${partition} ends at ${endOffset}, its data at ${expectedEnd}`);
      }
      if (problem !== null) world.fault('A6', `${topic}/${partition}: false alarm: ${problem}`);
    }
    for (const { topic, problem } of found.sidePartitions) {
      if (problem !== null) world.fault('A6', `${topic}: false alarm: ${problem}`);
    }
    const partitions = [...found.partitions, ...found.sidePartitions];
    const { journal } = found.store.stats();
    const isReadOnly = journal.state === 'readonly' || partitions.some((one) => one.isReadOnly);
    const logs = partitions.map(({ log }) => log);
    const isHalfway = [...logs.map((log) => log.stats()), journal].some(
      (one) => one.state === 'failed' || one.pendingApplyBytes > 0,
    );
    if (isReadOnly || isHalfway) {
      // Without room for the torn tail's copy nothing was changed: once more, with room. And what
      // the journal gave back may wait for room, too, or have failed a writer in the background.
      if (injector.firedCount === 0) world.fault('open', 'read-only without a reason');
      await world.drive(found.store.close());
      return false;
    }
    world.topics.adopt(found.topics, when);
    this.#checkCommits(found);
    if (world.closedHash !== null) checkHash(world, found.store, world.closedHash, 'before');
    world.closedHash = null;
    for (const { topic, partition, found: log } of found.partitions) {
      this.#checkPosition(found, topic, partition, log.endOffset);
      world.logOracle(topic, partition).reopened(this.#ending, log);
      tally.add('checkedRecords', log.records.length);
    }
    for (const [topic, positions] of found.positions) {
      world.groupOracle(topic).adopt(positions, when);
      tally.add('checkedPositions', positions.size);
    }
    checkQueues(world, found, this.#ending);
    await checkFiles(world, found);
    if (chance(world.random, 0.3)) await checkSecondOpening(world, found);
    return true;
  }

  /** Where a log ends, whose own data end there: behind that may stand what commits brought. */
  #endOf(place: string, { records }: FoundLog, dataEnd: number): number {
    const { commits } = this.#world;
    const ids = records.filter(({ offset }) => offset >= dataEnd).map(recordIdOf);
    const others = ids.findIndex((id) => id === null || !commits.mayHave({ place, id }));
    return dataEnd + (others < 0 ? ids.length : others);
  }

  #checkCommits({ partitions, marks }: FoundStore): void {
    const keyOf = ({ place, id }: CommitPart) => `${id} in ${place}`;
    const there = new Set(marks.map(keyOf));
    for (const { topic, partition, found } of partitions) {
      for (const record of found.records) {
        there.add(keyOf({ place: `${topic}/${partition}`, id: recordIdOf(record) ?? -1 }));
      }
    }
    const foundAt = new Map(partitions.map((one) => [`${one.topic}/${one.partition}`, one.found]));
    this.#world.commits.reopened((part) => {
      const log = foundAt.get(part.place);
      if (there.has(keyOf(part))) return true;
      return log !== undefined && this.#world.mayBeGone(part, log) ? null : false;
    });
  }

  /** What was visible was durable: no position is ahead of what is left (F5). */
  #checkPosition(found: FoundStore, topic: string, partition: number, endOffset: number): void {
    const position = found.positions.get(topic)?.get(partition);
    const offset = Number.parseInt(position ?? '0', 10);
    if (offset <= endOffset) return;
    this.#world.fault('F5', `${topic}/${partition}: committed at ${offset}, ends at ${endOffset}`);
  }

  async #live({ store, open }: FoundStore): Promise<void> {
    const world = this.#world;
    const { random, injector } = world;
    const session = new StoreSession(world, store, open);
    const queues = new QueueSession(session);
    world.fileSystem.clearFaults(); // What a short write left would come unannounced.
    injector.isOn = !world.hasQueues || chance(random, 0.6);
    this.#ending = 'close';
    const willCrash = chance(random, 0.7);
    if (willCrash) world.planCrash(pick(random, world.hasQueues ? LONG_LIVES : LIVES));
    const outcome = await world.drive(runStoreProgram(session, queues));
    if (outcome.status === 'failed') throw outcome.error;
    world.fileSystem.crashAt = null;
    const isPowerCut = outcome.status === 'done' && outcome.value;
    if (outcome.status === 'crashed' || willCrash || isPowerCut) {
      world.fileSystem.crash();
      this.#restart(isPowerCut ? 1 : undefined);
      return;
    }
    await this.#drain(queues);
    injector.isOn = chance(random, 0.5);
    queues.ending();
    await this.#close(session);
    injector.isOn = false;
    if (chance(random, 0.3)) this.#restart();
  }

  /** Now and then what a life leaves is taken in that same life: nothing may be stuck there. */
  async #drain(queues: QueueSession): Promise<void> {
    const world = this.#world;
    const { random, injector, fileSystem } = world;
    if (!chance(random, DRAIN_SHARE)) return;
    injector.isOn = false;
    fileSystem.clearFaults();
    await fileSystem.runUntilIdle(); // What is on its way may still fail.
    if (!queues.session.isWhole) return;
    const outcome = await world.drive(drain(queues));
    if (outcome.status === 'failed') throw outcome.error;
  }

  async #close(session: StoreSession): Promise<void> {
    const world = this.#world;
    const { fileSystem, tally } = world;
    const outcome = await world.drive(session.store.close());
    await fileSystem.runUntilIdle();
    tally.add('closes');
    world.narrate(`closed: ${outcome.status}`);
    if (outcome.status === 'failed') {
      this.#ending = 'kill';
      if (!session.isExplained(outcome.error)) world.fault('close', describeError(outcome.error));
    } else this.#closedWell(session);
    world.checkLeaks('store');
  }

  #closedWell({ topics, queueTopic, store }: StoreSession): void {
    // A deletion whose files stayed goes on at the next opening, and says so.
    const isDeleting = store.deletingTopicIds.length > 0;
    this.#world.closedHash = isDeleting ? null : store.stateHash();
    const all = [...topics.values(), ...(queueTopic === null ? [] : [queueTopic])];
    for (const { name, logs } of all) {
      logs.forEach((_, at) => this.#world.logOracle(name, at).closed());
    }
  }

  /** The machine, or the process, begins anew. */
  #restart(powerCutOdds?: number): void {
    this.#ending = endingAfter(this.#ending, this.#world.restart(powerCutOdds));
  }
}
