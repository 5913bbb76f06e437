/** What all parts of one simulated seed of producers share. */
import { openStore } from '../../../../src/store/open-store.ts';
import type { Store } from '../../../../src/store/store.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { Machine } from '../machine.ts';
import { drawPlan } from '../plan.ts';
import type { Tally } from '../tally.ts';
import { ProducerOracle } from './producer-oracle.ts';

const IDLE = { stepMs: 10, stepsMax: 4000, stepsWithoutRoom: 3000 };

/** What is counted is named where it happens. */
export type ProducerTally = Tally<string>;

export class ProducerWorld extends Machine<string> {
  readonly oracle: ProducerOracle;

  constructor(seed: number, tally: ProducerTally, narrate: (what: string) => void) {
    super({ seed, plan: drawPlan(seed ^ 0x940d), tally, narrate }, IDLE);
    this.oracle = new ProducerOracle(this.fault);
  }

  open(): Promise<Store> {
    const { fileSystem, clock, engineRandom: random } = this;
    return openStore(STORE_PATH, { fileSystem, clock, random });
  }
}
