/** What all parts of one simulated seed of transactions share. */
import { openStore } from '../../../../src/store/open-store.ts';
import type { Store } from '../../../../src/store/store.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { Machine } from '../machine.ts';
import { drawPlan } from '../plan.ts';
import type { Tally } from '../tally.ts';
import { DeedOracle } from './deed-oracle.ts';
import { Film } from './film.ts';

const IDLE = { stepMs: 10, stepsMax: 4000, stepsWithoutRoom: 3000 };

/** What is counted is named where it happens. */
export type TransactionTally = Tally<string>;

export class TransactionWorld extends Machine<string> {
  readonly oracle: DeedOracle;
  /** Of this life. */
  film = new Film();
  /** Each topic of this name is another one. */
  scrapCount = 0;

  constructor(seed: number, tally: TransactionTally, narrate: (what: string) => void) {
    super({ seed, plan: drawPlan(seed ^ 0x7a45), tally, narrate }, IDLE);
    this.oracle = new DeedOracle(this.fault);
  }

  open(): Promise<Store> {
    const { fileSystem, clock, engineRandom: random } = this;
    return openStore(STORE_PATH, { fileSystem, clock, random });
  }

  /** Value of a record with this number. */
  textOf(id: number): string {
    const paddingBytes = Math.floor(this.random.next() ** 3 * this.plan.records.valueBytesMax);
    return `#${id};${'x'.repeat(Math.min(paddingBytes, 3000))}`;
  }
}

/** The number in a value; null = it has none. */
export function idOf(value: string | null): number | null {
  const id = /^#(\d+);/.exec(value ?? '')?.[1];
  return id === undefined ? null : Number(id);
}
