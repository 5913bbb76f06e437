/** What all parts of one simulated seed of ids share, and the topics that they are sent to. */
import { present } from '../../../../src/core/assert.ts';
import { openStore } from '../../../../src/store/open-store.ts';
import type { Store } from '../../../../src/store/store.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { Machine } from '../machine.ts';
import { drawPlan } from '../plan.ts';
import type { Tally } from '../tally.ts';
import { DedupOracle } from './dedup-oracle.ts';

const IDLE = { stepMs: 10, stepsMax: 4000, stepsWithoutRoom: 3000 };
const MINUTE_MS = 60_000;

export const PARTITIONS = 2;
export const QUEUE = 'q';
/** Small, so that segments are rolled, and their tables are what is loaded. */
const SEGMENTS = { segmentBytesMax: 4096, batchBytesMax: 1024 } as const;

/** Records of which are stored once, by what, and for how long. Retention would take all of them at once. */
export const CONFIGS = {
  byId: {
    ...SEGMENTS,
    durability: 'sync',
    retentionBytes: 0,
    dedupWindowMs: 10 * MINUTE_MS,
    dedupBy: 'id',
    dedupScope: 'topic',
  },
  byContent: {
    ...SEGMENTS,
    durability: 'os',
    retentionMs: 1000,
    dedupWindowMs: MINUTE_MS,
    dedupBy: 'content',
    dedupScope: 'key',
  },
  [QUEUE]: {
    ...SEGMENTS,
    durability: 'sync',
    dedupWindowMs: 'settled',
    dedupBy: 'id',
    dedupScope: 'topic',
  },
} as const;

export type TopicName = keyof typeof CONFIGS;
export const TOPIC_NAMES: readonly TopicName[] = ['byId', 'byContent', QUEUE];

/** What is counted is named where it happens. */
export type DedupTally = Tally<string>;

export class DedupWorld extends Machine<string> {
  readonly #oracles: ReadonlyMap<TopicName, DedupOracle>;

  constructor(seed: number, tally: DedupTally, narrate: (what: string) => void) {
    super({ seed, plan: drawPlan(seed ^ 0xdedb), tally, narrate }, IDLE);
    this.#oracles = new Map(
      TOPIC_NAMES.map((name) => {
        const { dedupWindowMs } = CONFIGS[name];
        const windowMs = dedupWindowMs === 'settled' ? null : dedupWindowMs;
        return [name, new DedupOracle(name, windowMs, this.fault)];
      }),
    );
  }

  oracle(name: TopicName): DedupOracle {
    return present(this.#oracles.get(name), 'one for each');
  }

  open(): Promise<Store> {
    const { fileSystem, clock, engineRandom: random } = this;
    return openStore(STORE_PATH, { fileSystem, clock, random });
  }
}
