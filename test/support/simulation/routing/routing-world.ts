/** What all parts of one simulated seed of a store that routes share. */
import { randomBelow, SeededRandom } from '../../../../src/core/random.ts';
import { openStore } from '../../../../src/store/open-store.ts';
import type { Store } from '../../../../src/store/store.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { Machine } from '../machine.ts';
import { chance, drawPlan } from '../plan.ts';
import type { RoutingTally, RoutingTallyKey } from './routing-tally.ts';
import { Letters } from './letters.ts';
import { RoutingModel } from './routing-model.ts';
import { RoutingOracle } from './routing-oracle.ts';
import { TopologyTimeline } from './topology-timeline.ts';

const IDLE = { stepMs: 20, stepsMax: 40_000, stepsWithoutRoom: 39_000 };
/** Of seeds: their stores may have so many bytes. */
const CAPPED_SHARE = 0.12;
const CAP_BYTES_MIN = 16_000;
const CAP_BYTES_MORE = 40_000;

export class RoutingWorld extends Machine<RoutingTallyKey> {
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

  constructor(seed: number, tally: RoutingTally, narrate: (what: string) => void) {
    super({ seed, plan: drawPlan(seed ^ 0x20071), tally, narrate }, IDLE);
    this.oracle = new RoutingOracle(new TopologyTimeline(this.fault), this.fault);
    this.letters = new Letters(this.oracle.published, this.fault);
    const bytesRandom = new SeededRandom(seed ^ 0xb7e5);
    const isCapped = chance(bytesRandom, CAPPED_SHARE);
    this.#bytesMax = isCapped ? CAP_BYTES_MIN + randomBelow(bytesRandom, CAP_BYTES_MORE) : null;
  }

  /** @param isQuiet  there must be room for all that is due */
  open(isQuiet = false): Promise<Store> {
    const { fileSystem, clock } = this;
    const storeBytesMax = isQuiet ? null : this.#bytesMax;
    this.isCapped = storeBytesMax !== null;
    const random = this.engineRandom;
    return openStore(STORE_PATH, { fileSystem, clock, random, storeBytesMax });
  }
}
