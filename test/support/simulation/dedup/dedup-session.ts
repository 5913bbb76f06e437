/** One open store of the simulation of ids: its topics, and what callers are told of their records. */
import { utf8 } from '../../../../src/codec/codec.ts';
import { present } from '../../../../src/core/assert.ts';
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
  IoError,
  OffsetOutOfRangeError,
} from '../../../../src/core/errors.ts';
import { LeaseLostError } from '../../../../src/core/ownership-errors.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { LogRecord } from '../../../../src/log/record.ts';
import type { Delivery } from '../../../../src/queue/delivery.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { StoreQueue } from '../../../../src/store/store-queue.ts';
import type { StoreTopic } from '../../../../src/store/store-topic.ts';
import type { TopicOptions } from '../../../../src/topic/topic-options.ts';
import type { TopicRecordInput } from '../../../../src/topic/topic-results.ts';
import { Life } from '../life.ts';
import type { DedupOracle, FoundOne, FoundTopic } from './dedup-oracle.ts';
import {
  CONFIGS,
  PARTITIONS,
  QUEUE,
  TOPIC_NAMES,
  type DedupWorld,
  type TopicName,
} from './dedup-world.ts';

const QUEUE_CONFIG = { leaseMs: 30_000, failuresMax: null, expiriesMax: null } as const;
/** Longer than what waits for room takes to try again. */
const STEPS_MAX = 200;
/** By which a record is known again by those who test, whatever it is for the engine. */
export const NUMBER_HEADER = 'number';

export interface DedupTopic {
  readonly name: TopicName;
  readonly topic: StoreTopic<string>;
  readonly oracle: DedupOracle;
  /** By partition. */
  readonly logs: readonly Log<Uint8Array>[];
}

export type Input = TopicRecordInput<string>;

export class DedupSession extends Life<DedupWorld> {
  readonly store: Store;
  readonly queue: StoreQueue<string>;
  readonly topics: readonly DedupTopic[];
  /** Where records go that are sent without a partition. */
  readonly partitionOf: WeakMap<object, number>;
  held: Delivery<string>[] = [];
  /** Topic and identity of those that were refused, until they are stored. */
  readonly refusedIds = new Set<string>();
  isClosing = false;

  private constructor(
    world: DedupWorld,
    parts: Pick<DedupSession, 'store' | 'queue' | 'topics' | 'partitionOf'>,
  ) {
    super(world);
    this.store = parts.store;
    this.queue = parts.queue;
    this.topics = parts.topics;
    this.partitionOf = parts.partitionOf;
  }

  /** Makes what is not there. */
  static async open(world: DedupWorld, store: Store): Promise<DedupSession> {
    const partitionOf = new WeakMap<object, number>();
    const options = {
      codec: utf8,
      partitions: PARTITIONS,
      partitioner: (record: object) => partitionOf.get(record) ?? 0,
    } satisfies TopicOptions<string>;
    const queue = await store.queue(QUEUE, { ...CONFIGS[QUEUE], ...QUEUE_CONFIG, ...options });
    const topics: DedupTopic[] = [];
    for (const name of TOPIC_NAMES) {
      const topic = await store.topic(name, { ...CONFIGS[name], ...options });
      const logs: Log<Uint8Array>[] = [];
      for (let at = 0; at < PARTITIONS; at++) logs.push(await topic.partitions.at(at).log());
      topics.push({ name, topic, oracle: world.oracle(name), logs });
    }
    return new DedupSession(world, { store, queue, topics, partitionOf });
  }

  /** What a topic holds. */
  async look({ topic, logs }: DedupTopic): Promise<FoundTopic> {
    const records: FoundOne[] = [];
    for (let partition = 0; partition < logs.length; partition++) {
      records.push(...(await readAll(topic, partition)));
    }
    const starts = logs.map(({ startOffset }) => startOffset);
    return { records, starts, nowMs: this.world.clock.now() };
  }

  /** What has to be there is there now. */
  observe(): void {
    if (this.isOver) return;
    for (const { oracle, logs } of this.topics) {
      const starts = logs.map(({ startOffset }) => startOffset);
      oracle.observe(starts, this.world.clock.now());
    }
  }

  logOf({ logs }: DedupTopic, partition: number): Log<Uint8Array> {
    return present(logs[partition], 'all are open');
  }

  /** Waits until every call was answered; where something failed not for ever: some wait for that. */
  override async settle(): Promise<void> {
    let left = STEPS_MAX;
    while (!this.isSettled && !this.isOver && left > 0) {
      if (this.hasMishap) left--;
      await new Promise<void>((resolve) => {
        this.world.clock.setTimer(resolve, 10);
      });
    }
  }

  override isExplained(error: unknown): boolean {
    if (error instanceof DiskFullError) this.world.tally.add('diskFull');
    if (error instanceof BackpressureError || error instanceof LeaseLostError) return true;
    if (error instanceof ClosedError) return this.isClosing || this.hasMishap;
    return (error instanceof IoError || error instanceof FailedError) && this.hasMishap;
  }
}

/** What is there when retention has not taken the beginning meanwhile. */
async function readAll(topic: StoreTopic<string>, partition: number): Promise<FoundOne[]> {
  for (;;) {
    try {
      const found: FoundOne[] = [];
      for await (const record of topic.records({ partitions: partition }))
        found.push(foundOne(record));
      return found;
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
    }
  }
}

export function foundOne(record: LogRecord<unknown>): FoundOne {
  const { partition, offset, appendTimeMs: appendMs } = record;
  return { number: numberIn(record.headers), partition, offset, appendMs };
}

/** @returns -1 when there is none */
export function numberIn(headers: ReadonlyMap<string, Uint8Array>): number {
  const bytes = headers.get(NUMBER_HEADER);
  return bytes === undefined ? -1 : Number(Buffer.from(bytes).toString());
}
