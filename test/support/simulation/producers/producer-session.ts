/** One open store, its producers, and a random program over them. */
import { utf8 } from '../../../../src/codec/codec.ts';
import {
  BackpressureError,
  ClosedError,
  ConflictError,
  DiskFullError,
  FailedError,
  IoError,
} from '../../../../src/core/errors.ts';
import { FencedError } from '../../../../src/core/ownership-errors.ts';
import { SequenceGapError } from '../../../../src/core/producer-errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import type { Producer } from '../../../../src/store/producer.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { StoreTopic } from '../../../../src/store/store-topic.ts';
import { turns } from '../../log-fixture.ts';
import { Life } from '../life.ts';
import { chance, pick } from '../plan.ts';
import type { FoundNumber } from './producer-oracle.ts';
import type { ProducerWorld } from './producer-world.ts';

export const PARTITIONS = 2;
const TOPICS = [
  { name: 'synced', durability: 'sync' },
  { name: 'written', durability: 'os' },
] as const;
/** Numbers of one follow each other, those of the other have gaps. */
const PRODUCERS = [
  { name: 'strict', gaps: 'refuse', stride: 1 },
  { name: 'loose', gaps: 'allow', stride: 3 },
] as const;
const LEVELS = ['sync', 'os', undefined] as const;

type ProducerKind = (typeof PRODUCERS)[number];

/** What one producer sends to one topic. */
interface Lane {
  readonly kind: ProducerKind;
  readonly topic: StoreTopic<string>;
  /** How many numbers come before the next one. */
  next: number;
  /** A call failed: what is stored has to be asked for before the next. */
  isOpen: boolean;
}

export async function openTopics(store: Store): Promise<readonly StoreTopic<string>[]> {
  const topics: StoreTopic<string>[] = [];
  for (const { name, durability } of TOPICS) {
    topics.push(await store.topic(name, { codec: utf8, partitions: PARTITIONS, durability }));
  }
  return topics;
}

/** All records of a topic, by partition. */
export async function numbersIn(topic: StoreTopic<string>): Promise<readonly FoundNumber[]> {
  const found: FoundNumber[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for await (const { value, offset } of topic.records({ partitions: partition })) {
      const [producer = '', sequence] = String(value).split(' ');
      if (producer === 'plain') continue;
      found.push({ producer, sequence: Number(sequence), partition, offset });
    }
  }
  return found;
}

export class ProducerSession extends Life<ProducerWorld> {
  readonly store: Store;
  readonly topics: readonly StoreTopic<string>[];
  readonly #lanes: Lane[];
  readonly #producers = new Map<string, Producer>();

  constructor(world: ProducerWorld, store: Store, topics: readonly StoreTopic<string>[]) {
    super(world);
    this.store = store;
    this.topics = topics;
    this.#lanes = topics.flatMap((topic) =>
      PRODUCERS.map((kind) => ({ kind, topic, next: 0, isOpen: true })),
    );
  }

  isExplained(error: unknown): boolean {
    if (error instanceof FencedError) return true; // Somebody else produces under the name.
    if (error instanceof BackpressureError || error instanceof SequenceGapError) {
      return this.hasMishap;
    }
    // The journal failed: nothing is deleted that it should have noted first.
    if (error instanceof ConflictError) return this.hasMishap;
    const isFailure = error instanceof IoError || error instanceof FailedError;
    if (error instanceof DiskFullError) this.world.tally.add('diskFull');
    return (isFailure || error instanceof ClosedError) && this.hasMishap;
  }

  /** Opens all producers, and sees where they are. */
  async begin(): Promise<void> {
    for (const kind of PRODUCERS) await this.#take(kind);
    for (const lane of this.#lanes) await this.#ask(lane, true);
  }

  async run(): Promise<void> {
    const { random, plan } = this.world;
    for (let left = 5 + randomBelow(random, plan.stepCount); left > 0; left--) {
      if (this.isOver) return;
      await this.#step();
      if (chance(random, 0.3)) await turns(1 + randomBelow(random, 4));
    }
    this.resizeDisk(null);
    await this.settle();
  }

  async #step(): Promise<void> {
    const { random, clock, plan } = this.world;
    const lane = pick(random, this.#lanes);
    const draw = randomBelow(random, 100);
    if (draw < 40) return this.#sendOn(lane);
    if (draw < 52) return this.#commit();
    if (draw < 62) return this.#sendAgain(lane);
    if (draw < 68) return void this.follow(lane.topic.append({ value: 'plain' }), () => undefined);
    if (draw < 73) return this.#replace(lane.kind);
    if (draw < 78) return this.#trim(lane.topic);
    if (draw < 82) return void this.follow(this.store.snapshot(), () => undefined);
    if (draw < 88) return clock.advance(pick(random, [10, 250, 1500]));
    if (draw < 92 && plan.fullDiskBytes !== null) {
      return this.resizeDisk(this.isDiskLimited ? null : plan.fullDiskBytes);
    }
    await this.settle();
    return this.#ask(lane, false);
  }

  /** The next numbers of a lane. */
  async #sendOn(lane: Lane): Promise<void> {
    const { random } = this.world;
    if (!lane.isOpen && !(await this.#reopen(lane))) return;
    const count = 1 + randomBelow(random, 3);
    const first = lane.next;
    lane.next += count;
    this.#send(
      lane,
      Array.from({ length: count }, (_, at) => first + at),
    );
  }

  /** Numbers that were sent before: stored, or not. */
  #sendAgain(lane: Lane): void {
    if (!lane.isOpen || lane.next === 0) return;
    const back = 1 + randomBelow(this.world.random, Math.min(6, lane.next));
    const count = 1 + randomBelow(this.world.random, back);
    this.world.tally.add('repeats');
    this.#send(
      lane,
      Array.from({ length: count }, (_, at) => lane.next - back + at),
    );
  }

  /** @param places  how many numbers of the lane stand before each */
  #send(lane: Lane, places: readonly number[]): void {
    const { world } = this;
    const { kind, topic } = lane;
    const producer = this.#producers.get(kind.name);
    if (producer === undefined) return;
    const sequences = places.map((place) => place * kind.stride);
    const durability = pick(world.random, LEVELS);
    for (const sequence of sequences) world.oracle.told(topic.name, kind.name, sequence, 'sent');
    world.narrate(`send ${sequences.join()} of ${kind.name} to ${topic.name}`);
    // One that is sent again goes where it went, or the order would say nothing.
    for (const [at, sequence] of sequences.entries()) {
      const partition = (places[at] ?? 0) % PARTITIONS;
      const record = { value: valueOf(kind, sequence) };
      const answer = producer.append(topic, record, { sequence, partition, durability });
      void this.follow(
        answer,
        ({ duplicate, durability: reached }) => {
          const isSynced = reached === 'sync';
          world.oracle.told(topic.name, kind.name, sequence, isSynced ? 'synced' : 'written');
          world.tally.add(duplicate ? 'duplicates' : 'answers');
        },
        (error) => {
          this.#refused(lane, sequence);
          this.#broken(lane, producer, error);
        },
      );
    }
  }

  /** One number of each lane of a producer, all or nothing. */
  async #commit(): Promise<void> {
    const { world, store } = this;
    const kind = pick(world.random, PRODUCERS);
    const producer = this.#producers.get(kind.name);
    const lanes = this.#lanes.filter((lane) => lane.kind === kind);
    if (producer === undefined || lanes.some((lane) => !lane.isOpen)) return;
    const sent = lanes.map((lane) => ({ lane, place: lane.next++ }));
    for (const { lane, place } of sent) {
      world.oracle.told(lane.topic.name, kind.name, place * kind.stride, 'sent');
    }
    world.narrate(`commit ${sent.map(({ place }) => place * kind.stride).join()} of ${kind.name}`);
    const answer = store.transaction((tx) => {
      for (const { lane, place } of sent) {
        const sequence = place * kind.stride;
        const record = { value: valueOf(kind, sequence) };
        const partition = place % PARTITIONS;
        tx.append(lane.topic, record, { producer, sequence, partition });
      }
    });
    // Who sends on before it is committed overtakes it.
    await this.follow(
      answer,
      () => {
        world.tally.add('commits');
        for (const { lane, place } of sent) {
          world.oracle.told(lane.topic.name, kind.name, place * kind.stride, 'synced');
        }
      },
      (error) => {
        for (const { lane, place } of sent) {
          this.#refused(lane, place * kind.stride);
          this.#broken(lane, producer, error);
        }
      },
    );
  }

  /** Those that are on their way behind it are refused as well, unless there may be gaps. */
  #refused({ kind, topic }: Lane, sequence: number): void {
    if (kind.gaps === 'allow') this.world.oracle.overtaken(topic.name, kind.name, sequence);
  }

  /** Somebody else produces under the name; what the one before was sending is answered by then. */
  async #replace(kind: ProducerKind): Promise<void> {
    const { world } = this;
    const older = this.#producers.get(kind.name);
    const lane = this.#lanes.find((one) => one.kind === kind);
    world.narrate(`take over ${kind.name}`);
    await this.follow(this.#take(kind), () => world.tally.add('takeovers'));
    for (const one of this.#lanes) if (one.kind === kind) one.isOpen = false;
    if (older === undefined || lane === undefined || this.isOver) return;
    if (this.#producers.get(kind.name) === older) return; // A fault kept it from that.
    const late = older.append(lane.topic, { value: 'plain' });
    await this.follow(
      late,
      () => world.fault('A9', `an older ${kind.name} is not fenced`),
      (error) => {
        if (!(error instanceof FencedError)) this.explain(error);
      },
    );
  }

  /** Deletes the beginning of a partition: what was stored there stays known. */
  async #trim(topic: StoreTopic<string>): Promise<void> {
    const { world } = this;
    await this.settle();
    const partition = randomBelow(world.random, PARTITIONS);
    const cut = async (): Promise<void> => {
      await topic.sync();
      const all = await numbersIn(topic);
      const end = await topic.partitions
        .at(partition)
        .use(async ({ visibleOffset }) => visibleOffset);
      const offset = randomBelow(world.random, end + 1);
      const gone = all.filter((one) => one.partition === partition && one.offset < offset);
      if (this.isOver) return;
      world.oracle.deleting(topic.name, gone);
      world.narrate(`delete before ${offset} of ${topic.name}/${partition}`);
      await topic.deleteBefore({ partition, offset });
    };
    await this.follow(cut(), () => world.tally.add('trims'));
  }

  async #take(kind: ProducerKind): Promise<void> {
    this.#producers.set(kind.name, await this.store.producer(kind.name, { gaps: kind.gaps }));
  }

  async #reopen(lane: Lane): Promise<boolean> {
    await this.settle();
    await this.follow(this.#ask(lane, false), () => undefined);
    return lane.isOpen && !this.isOver;
  }

  /** Where a lane is. @param isFirst  right behind an opening: all that is stored was found */
  async #ask(lane: Lane, isFirst: boolean): Promise<void> {
    const { world } = this;
    const { kind, topic } = lane;
    const producer = this.#producers.get(kind.name);
    if (producer === undefined) return;
    const ask = async (): Promise<void> => {
      const last = await producer.last(topic);
      if (this.isOver) return;
      if (isFirst) world.oracle.checkLast(topic.name, kind.name, last);
      world.tally.add('lasts');
      lane.next = Math.ceil(last.resumeFrom / kind.stride);
      lane.isOpen = true;
    };
    if (isFirst) return ask();
    await this.follow(
      ask(),
      () => undefined,
      (error) => {
        lane.isOpen = false;
        this.explain(error);
      },
    );
  }

  #broken(lane: Lane, producer: Producer, error: unknown): void {
    lane.isOpen = false;
    this.world.tally.add('refusals');
    const isOlder = this.#producers.get(lane.kind.name) !== producer;
    if (!(isOlder && error instanceof FencedError)) this.explain(error);
  }
}

function valueOf({ name }: ProducerKind, sequence: number): string {
  return `${name} ${sequence}`;
}
