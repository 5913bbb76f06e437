/** What all parts of one simulated seed of a store that routes share. */
import { ManualClock } from '../../../../src/core/clock.ts';
import { randomBelow, SeededRandom, type Random } from '../../../../src/core/random.ts';
import { openStore } from '../../../../src/store/open-store.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { Outcome } from '../../drive.ts';
import { FaultyFileSystem } from '../../faulty-file-system.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { TraceHash } from '../../trace-hash.ts';
import { FaultInjector } from '../fault-injector.ts';
import { chance, drawPlan, type SimulationPlan } from '../plan.ts';
import type { RoutingTally } from './routing-tally.ts';
import { Letters } from './letters.ts';
import { RoutingModel } from './routing-model.ts';
import { RoutingOracle } from './routing-oracle.ts';
import { TopologyTimeline } from './topology-timeline.ts';

/** Steps of 20 ms in which nothing but time moves. */
const IDLE_STEPS_MAX = 40_000;
const IDLE_STEP_MS = 20;
/** Of those, how many are left when a disk that was full has room again. */
const IDLE_STEPS_WITHOUT_ROOM = 39_000;
/** Of seeds: their stores may have so many bytes. */
const CAPPED_SHARE = 0.12;
const CAP_BYTES_MIN = 16_000;
const CAP_BYTES_MORE = 40_000;

export class RoutingWorld {
  readonly plan: SimulationPlan;
  readonly tally: RoutingTally;
  readonly narrate: (what: string) => void;
  readonly violations: string[] = [];
  readonly trace = new TraceHash();
  readonly injector: FaultInjector;
  /** Decides what the program does; the disk, the faults and the engine have their own. */
  readonly random: Random;
  /** A new one for each life. */
  clock = new ManualClock();
  fileSystem: FaultyFileSystem;
  readonly oracle: RoutingOracle;
  readonly letters: Letters;
  /** Exchanges that get the dead records of queues, by the names of the queues. */
  readonly letterWays = new Map<string, string | null>();
  /** Names that somebody had. */
  readonly usedNames = { topic: new Set<string>(), exchange: new Set<string>() };
  /** Names that several had, one after the other. */
  readonly reusedNames = new Set<string>();
  /** `storeBytesMax` of most openings. */
  readonly #bytesMax: number | null;
  /** Whether the store that is open has one. */
  isCapped = false;
  /** What the program wants the topology to be. */
  model = new RoutingModel();
  readonly #engineRandom: Random;
  #nextId = 0;

  constructor(seed: number, tally: RoutingTally, narrate: (what: string) => void) {
    this.plan = drawPlan(seed ^ 0x20071);
    this.tally = tally;
    this.narrate = narrate;
    this.random = new SeededRandom(seed ^ 0x0bad);
    this.#engineRandom = new SeededRandom(seed ^ 0xe41e);
    this.injector = new FaultInjector(new SeededRandom(seed ^ 0xfa17), this.plan.faults);
    const schedule = {
      random: new SeededRandom(seed ^ 0x5ced),
      ...(this.plan.hasSlowSyncs ? { slow: ['datasync' as const] } : {}),
    };
    this.fileSystem = new FaultyFileSystem({
      ...this.plan.disk,
      random: new SeededRandom(seed ^ 0xd15c),
      schedule: this.plan.isScheduled ? schedule : null,
      trace: (number, call) => {
        this.trace.record(number, call);
        const errno = this.injector.onCall(this.fileSystem, number, call);
        if (errno !== null) narrate(`fault: ${errno} for ${call.operation} of ${call.path}`);
      },
    });
    this.oracle = new RoutingOracle(new TopologyTimeline(this.fault), this.fault);
    this.letters = new Letters(this.oracle.published, this.fault);
    const bytesRandom = new SeededRandom(seed ^ 0xb7e5);
    const isCapped = chance(bytesRandom, CAPPED_SHARE);
    this.#bytesMax = isCapped ? CAP_BYTES_MIN + randomBelow(bytesRandom, CAP_BYTES_MORE) : null;
  }

  readonly fault = (promise: string, what: string): void => {
    this.violations.push(`${promise}: ${what}`);
  };

  complaints(): readonly string[] {
    return [...this.violations, ...this.fileSystem.violations];
  }

  chance(odds: number): boolean {
    return chance(this.random, odds);
  }

  nextId(): number {
    return this.#nextId++;
  }

  /** @param isQuiet  there must be room for all that is due */
  open(isQuiet = false): Promise<Store> {
    const { fileSystem, clock } = this;
    const storeBytesMax = isQuiet ? null : this.#bytesMax;
    this.isCapped = storeBytesMax !== null;
    const random = this.#engineRandom;
    return openStore(STORE_PATH, { fileSystem, clock, random, storeBytesMax });
  }

  /** Runs to the end or the crash; time moves when nothing else does. */
  drive<T>(work: Promise<T>): Promise<Outcome<T>> {
    const { clock, fileSystem } = this;
    let idleLeft = IDLE_STEPS_MAX;
    return fileSystem.drive(work, {
      onIdle: () => {
        if (clock.pendingTimerCount === 0 || idleLeft-- <= 0) return false;
        // Who waits for room would wait for ever: somebody makes some.
        if (idleLeft === IDLE_STEPS_WITHOUT_ROOM) fileSystem.capacityBytes = 2 ** 40;
        clock.advance(IDLE_STEP_MS);
        return true;
      },
    });
  }
}
