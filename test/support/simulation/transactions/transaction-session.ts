/** One open store of transactions: its topics, queues, members and leases, and what readers see of it. */
import { utf8 } from '../../../../src/codec/codec.ts';
import { present } from '../../../../src/core/assert.ts';
import {
  BackpressureError,
  ClosedError,
  DiskFullError,
  FailedError,
  IoError,
} from '../../../../src/core/errors.ts';
import { FencedError, LeaseLostError } from '../../../../src/core/ownership-errors.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { Delivery } from '../../../../src/queue/delivery.ts';
import type { Exchange } from '../../../../src/routing/exchange.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { StoreQueue } from '../../../../src/store/store-queue.ts';
import type { StoreTopic } from '../../../../src/store/store-topic.ts';
import { Life } from '../life.ts';
import type { GroupMember } from './group-member.ts';
import { QUEUES } from './deed-oracle.ts';
import type { TransactionWorld } from './transaction-world.ts';

/** Small, so that segments are rolled. */
const CONFIG = { codec: utf8, segmentBytesMax: 4096, batchBytesMax: 1024 };
const QUEUE_CONFIG = { ...CONFIG, leaseMs: 400, failuresMax: null, expiriesMax: null } as const;
/** Records of one topic are the same at whatever level: transactions are synced. */
const AUDIT_CONFIG = { ...CONFIG, durability: 'os' } as const;
/** Longer than a transaction takes to time out, and what waits for room to try again. */
const STEPS_MAX = 200;
export const GROUP = 'g';
export const SCRAP = 'scrap';

export type TextTopic = StoreTopic<string>;
export type TextQueue = StoreQueue<string>;

export interface Handles {
  readonly orders: TextTopic;
  readonly audit: TextTopic;
  readonly copies: TextTopic;
  readonly queues: readonly TextQueue[];
  readonly events: Exchange<string>;
}

/** A log of this life. */
export interface OpenLog {
  readonly topic: TextTopic;
  readonly partition: number;
  readonly log: Log<Uint8Array>;
}

/** Makes what is not there. */
export async function openHandles(store: Store): Promise<Handles> {
  const orders = await store.topic('orders', {
    ...CONFIG,
    ...(store.topics().some(({ name }) => name === 'orders') ? {} : { partitions: 2 }),
  });
  const audit = await store.topic('audit', AUDIT_CONFIG);
  const copies = await store.topic('copies', CONFIG);
  const queues: TextQueue[] = [];
  for (const [at, name] of QUEUES.entries()) {
    queues.push(await store.queue(name, { ...QUEUE_CONFIG, partitions: 2 - at }));
  }
  const events = await store.exchange('events', { codec: utf8, type: 'fanout' });
  if (events.bindings().length === 0) await events.bind('copies');
  return { orders, audit, copies, queues, events };
}

export class TransactionSession extends Life<TransactionWorld> {
  readonly store: Store;
  readonly handles: Handles;
  /** By place. */
  readonly logs = new Map<string, OpenLog>();
  /** A topic that comes and goes. */
  scrap: { readonly topic: TextTopic; readonly place: string } | null = null;
  /** By number. */
  held = new Map<number, Delivery<string>>();
  /** How many wanted to settle one. */
  readonly uses = new WeakMap<Delivery<string>, number>();
  members: GroupMember[] = [];
  isClosing = false;
  /** One change of a topic at a time. */
  isChanging = false;

  constructor(world: TransactionWorld, store: Store, handles: Handles) {
    super(world);
    this.store = store;
    this.handles = handles;
  }

  /** Opens all logs, so that readers can be watched. */
  async openLogs(): Promise<void> {
    const { orders, audit, queues } = this.handles;
    const source = await this.store.topic('exchange:events', { codec: utf8, create: false });
    for (const topic of [orders, audit, source, ...queues.map((queue) => queue.topic)]) {
      const partitions = Array.from({ length: topic.partitionCount }, (_, at) => at);
      for (const at of partitions) await this.openLog(topic, at);
    }
    await this.openScrap();
  }

  async openLog(topic: TextTopic, partition: number, place = placeOf(topic, partition)) {
    if (this.logs.has(place)) return;
    const log = await topic.partitions.at(partition).log();
    if (!this.logs.has(place)) this.logs.set(place, { topic, partition, log });
  }

  /** Takes up the topic that comes and goes, when it is there. */
  async openScrap(): Promise<void> {
    const { store, world } = this;
    if (this.scrap !== null || !store.topics().some(({ name }) => name === SCRAP)) return;
    const topic = await store.topic(SCRAP, { ...CONFIG, create: false });
    const place = `${scrapName(store)}/0`;
    if (world.oracle.isGone(place)) return;
    await this.openLog(topic, 0, place);
    this.scrap = { topic, place };
  }

  createScrap(): Promise<TextTopic> {
    return this.store.topic(SCRAP, CONFIG);
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

  use(delivery: Delivery<string>): void {
    this.uses.set(delivery, (this.uses.get(delivery) ?? 0) + 1);
  }

  logOf(place: string): OpenLog {
    return present(this.logs.get(place), place);
  }

  /** Watches what readers see, in the middle of whatever the engine does. */
  watch(): void {
    let isDue = false;
    const look = (): void => {
      isDue = false;
      this.look();
    };
    this.world.onCall = () => {
      if (!isDue) queueMicrotask(look);
      isDue = true;
    };
  }

  look(): void {
    if (this.isOver || this.isClosing) return;
    const visible = new Map<string, number>();
    for (const [place, { log }] of this.logs) {
      if (this.world.oracle.isGone(place) || log.stats().state === 'failed') continue;
      visible.set(place, log.visibleOffset);
    }
    const [member] = this.members;
    const { partitionCount } = this.handles.orders;
    const positions = Array.from({ length: member === undefined ? 0 : partitionCount }, (_, at) =>
      Number(member?.handle.committed(at)?.metadata ?? 0),
    );
    this.world.film.add({ visible, positions });
  }

  override isExplained(error: unknown): boolean {
    if (error instanceof DiskFullError) this.world.tally.add('diskFull');
    if (error instanceof BackpressureError) return true;
    if (error instanceof LeaseLostError || error instanceof FencedError) return true;
    if (error instanceof ClosedError) return this.isClosing || this.hasMishap || isOfScrap(error);
    const isFailure = error instanceof IoError || error instanceof FailedError;
    return (isFailure || error instanceof DiskFullError) && this.hasMishap;
  }
}

export function placeOf(topic: { readonly name: string }, partition: number): string {
  return `${topic.name}/${partition}`;
}

/** As the journal numbers it: one of its name that comes later is another one. */
export function scrapName(store: Store): string {
  return `${SCRAP}@${store.describeTopic(SCRAP).topicId}`;
}

function isOfScrap({ details }: ClosedError): boolean {
  return details.name.includes(SCRAP);
}
