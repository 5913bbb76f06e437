/** A program of a producer over two partitions, and what must be true of every disk that it leaves. */
import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Producer } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import type { Mishap } from './oracle.ts';

const PARTITIONS = 2;
/** Of the earlier life: two in each partition. */
const FIRST_COUNT = 4;
const SEQUENCES = 13;
/** Of partition 0: the two records of the earlier life. */
const DELETED_BELOW = 2;

interface Place {
  readonly partition: number;
  readonly offset: number;
}

interface Life {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly producer: Producer;
}

async function openOn(
  fileSystem: FaultyFileSystem,
  durability: DurabilityLevel,
  number: number,
): Promise<Life> {
  const clock = new ManualClock(Date.UTC(2026, 0, number));
  const random = new SeededRandom(number);
  const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
  const topic = await store.topic('t', { codec: utf8, partitions: PARTITIONS, durability });
  return { store, topic, producer: await store.producer('p') };
}

/** The store before the program: closed, everything on the disk. */
export async function prepareProducer(durability: DurabilityLevel): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const { store, topic, producer } = await openOn(fileSystem, durability, 1);
  for (let sequence = 0; sequence < FIRST_COUNT; sequence++) {
    await producer.append(topic, { value: String(sequence) }, { durability: 'sync' });
  }
  await store.close();
  return fileSystem;
}

/** The program: alone and together, a number twice, records that go, and a sync at the end. */
export class ProducerProgram {
  /** Where the records of calls that were answered are. */
  readonly answered = new Map<number, Place>();
  /** Of those that were answered at `sync`. */
  readonly synced = new Set<number>();
  readonly #fileSystem: FaultyFileSystem;
  readonly #durability: DurabilityLevel;

  constructor(fileSystem: FaultyFileSystem, durability: DurabilityLevel) {
    this.#fileSystem = fileSystem;
    this.#durability = durability;
  }

  async run(): Promise<void> {
    const life = await openOn(this.#fileSystem, this.#durability, 2);
    await this.#send(life, 4);
    await Promise.all([this.#send(life, 5), this.#send(life, 6), this.#batch(life, 7, 4)]);
    await this.#send(life, 5);
    await life.topic.deleteBefore({ partition: 0, offset: DELETED_BELOW });
    await this.#send(life, 11);
    await this.#send(life, 12, 'sync');
    await life.store.close();
  }

  async #send(
    { topic, producer }: Life,
    sequence: number,
    durability: DurabilityLevel = this.#durability,
  ): Promise<void> {
    const record = { value: String(sequence) };
    const answer = await producer.append(topic, record, { sequence, durability });
    const { partition, offset } = answer;
    if (partition === null || offset === null) throw new Error(`${sequence} has no place`);
    this.#told(sequence, { partition, offset }, durability);
  }

  async #batch({ topic, producer }: Life, sequence: number, count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, at) => ({ value: String(sequence + at) }));
    const { placements } = await producer.appendBatch(topic, records, { sequence });
    for (const { partition, baseOffset } of placements) {
      let offset = baseOffset;
      for (let next = sequence; next < sequence + count; next++) {
        if (next % PARTITIONS === partition) {
          this.#told(next, { partition, offset: offset++ }, this.#durability);
        }
      }
    }
  }

  #told(sequence: number, place: Place, durability: DurabilityLevel): void {
    const known = this.answered.get(sequence) ?? place;
    if (known.partition !== place.partition || known.offset !== place.offset) {
      throw new Error(`${sequence} was told to be elsewhere`);
    }
    this.answered.set(sequence, place);
    if (durability === 'sync') this.synced.add(sequence);
  }
}

type Told = Pick<ProducerProgram, 'answered' | 'synced'>;

/** Places by value. */
async function placesIn({ topic }: Life): Promise<ReadonlyMap<number, readonly Place[]>> {
  const places = new Map<number, Place[]>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for await (const { value, offset } of topic.records({ partitions: partition })) {
      const sequence = Number(value);
      places.set(sequence, [...(places.get(sequence) ?? []), { partition, offset }]);
    }
  }
  return places;
}

/**
 * Opens the disk that a crash left, sends everything again, and does so once more after a power cut.
 *
 * @throws Error that says what is wrong
 */
export async function checkProducer(
  disk: FaultyFileSystem,
  told: Told,
  { durability, mishap }: { readonly durability: DurabilityLevel; readonly mishap: Mishap },
): Promise<void> {
  const life = await openOn(disk, durability, 3);
  const found = await placesIn(life);
  const mustStay = mishap === 'kill' ? [...told.answered.keys()] : [...told.synced];
  for (const sequence of mustStay) {
    const { partition, offset } = found.get(sequence)?.[0] ?? {};
    const place = told.answered.get(sequence);
    if (partition !== place?.partition || offset !== place?.offset) {
      throw new Error(`${sequence} was answered, and is at ${partition}/${offset}`);
    }
  }
  const { sequence: last, resumeFrom } = await life.producer.last(life.topic);
  const highest = Math.max(FIRST_COUNT - 1, ...found.keys());
  if (last !== highest) throw new Error(`the last is ${last}, found ${highest}`);
  for (let sequence = FIRST_COUNT; sequence < resumeFrom; sequence++) {
    if (!found.has(sequence)) throw new Error(`${sequence} is missing below ${resumeFrom}`);
  }
  await sendAll(life, found);
  const left = disk.crashImage({ data: 'none', names: 'none' });
  await life.store.close();
  const again = await openOn(left, durability, 4);
  await sendAll(again, await placesIn(again));
  await again.store.close();
}

/** @param found  what was there before */
async function sendAll(life: Life, found: ReadonlyMap<number, readonly Place[]>): Promise<void> {
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const record = { value: String(sequence) };
    const options = { sequence, durability: 'sync' } as const;
    const { duplicate } = await life.producer.append(life.topic, record, options);
    const isKnown = sequence < FIRST_COUNT || found.has(sequence);
    if (duplicate !== isKnown) throw new Error(`${sequence} is told as duplicate: ${duplicate}`);
  }
  const places = await placesIn(life);
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const count = places.get(sequence)?.length ?? 0;
    const mayBeDeleted = sequence < FIRST_COUNT && sequence % PARTITIONS === 0;
    if (count !== 1 && !(mayBeDeleted && count === 0)) {
      throw new Error(`${sequence} is there ${count} times`);
    }
  }
}
