/** Exchanges as the jobs need them: a topic exchange before some queues, and how far their copies are. */
import type { Queue, Store, Topic } from '../../src/index.ts';
import { present } from '../../src/core/assert.ts';
import { nextTurn } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Exchange } from '../../src/routing/exchange.ts';
import { QUEUE_OPTIONS } from './queue-filled.ts';
import { flightKeys, threeBindings, threeKeys } from './route-load.ts';

const SEED = 1;
const FLIGHT_KEYS = 10_000;
const THREE_KEYS = 100_000;
/** Bindings that are made at a time: they share syncs. */
const BINDS_IN_FLIGHT = 1000;

export type ExchangeShape = {
  /** `flights`: one for each queue, and all of them match. `three`: three match, whatever there are. */
  readonly load: 'flights' | 'three';
  /** One more than a multiple of 3 for `three`. */
  readonly bindings: number;
};

export interface BoundQueue {
  readonly queue: Queue<Uint8Array>;
  /** The log of its records. */
  readonly topic: Topic<Uint8Array>;
}

export interface OpenedExchange {
  readonly exchange: Exchange<Uint8Array>;
  /** Every record goes to every one of them. */
  readonly queues: readonly BoundQueue[];
  readonly keys: readonly string[];
}

/** Published to open all logs; without a byte, and in every queue. */
const FIRST_VALUE = Buffer.alloc(0);
const FIRST_RECORDS = 1;

/**
 * Makes an exchange, its queues and its bindings in an empty store; all at level `sync`. Their logs are
 * open: every queue has a first record, without a byte.
 */
export async function makeExchange(
  store: Store,
  { load, bindings }: ExchangeShape,
): Promise<OpenedExchange> {
  const random = new SeededRandom(SEED);
  const isThree = load === 'three';
  const exchange = await store.exchange('exchange', { type: 'topic' });
  const queues: BoundQueue[] = [];
  for (let n = 0; n < (isThree ? 3 : bindings); n++) {
    const name = `queue-${n}`;
    const queue = await store.queue(name, QUEUE_OPTIONS);
    queues.push({ queue, topic: await store.topic(name) });
  }
  const patterns = isThree
    ? threeBindings(bindings)
    : Array.from({ length: bindings }, () => 'flight.#');
  for (let from = 0; from < bindings; from += BINDS_IN_FLIGHT) {
    const some = patterns.slice(from, from + BINDS_IN_FLIGHT);
    await Promise.all(
      some.map((pattern, n) =>
        exchange.bind({ queue: `queue-${(from + n) % queues.length}` }, { pattern }),
      ),
    );
  }
  const keys = isThree ? threeKeys(random, THREE_KEYS, bindings) : flightKeys(random, FLIGHT_KEYS);
  const routingKey = nextKey(keys, 0);
  await exchange.publish(FIRST_VALUE, { routingKey, confirm: 'routed' });
  return { exchange, queues, keys };
}

/** Copies that consumers of a queue can see, without the first; no records are read for it. */
export function copiesIn({ topic }: BoundQueue): Promise<number> {
  return topic.partitions.at(0).use((log) => Promise.resolve(log.visibleOffset - FIRST_RECORDS));
}

/** Waits until every queue has so many copies; looks in each turn of the event loop. */
export async function drained(queues: readonly BoundQueue[], records: number): Promise<void> {
  for (const bound of queues) {
    let copies = await copiesIn(bound);
    while (copies < records) {
      await nextTurn();
      copies = await copiesIn(bound);
    }
    if (copies !== records) throw new Error(`${copies} copies of ${records} records in a queue`);
  }
}

/** The next of the keys, over and over. */
export function nextKey(keys: readonly string[], n: number): string {
  return present(keys[n % keys.length], 'one of the keys');
}
