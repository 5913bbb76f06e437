/** A store with transactions, real and as a model, through closes, kills and power cuts. */
import { deepStrictEqual } from 'node:assert/strict';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { Log } from '../../../src/log/log.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Producer } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreQueue } from '../../../src/store/store-queue.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { CrashChoice } from '../crash-choice.ts';
import { HeldSyncs } from '../held-syncs.ts';
import type { StoreDisk } from '../store-disk.ts';
import { TransactionModel } from './model.ts';
import type { RealTransaction } from './real-transaction.ts';
import type { ModelTransaction } from './wanted.ts';

export const LEASE_MS = 1000;
export const DAY_MS = 86_400_000;
export const QUEUES = ['jobs', 'mails'] as const;
export const GROUP = 'g';

export type QueueName = (typeof QUEUES)[number];

const ONCE = { codec: utf8, dedupWindowMs: DAY_MS } as const;
const QUEUE_CONFIG = { ...ONCE, leaseMs: LEASE_MS, expiriesMax: null, failuresMax: null } as const;

/** One transaction, in both worlds. */
export interface Pair {
  readonly wanted: ModelTransaction;
  readonly real: RealTransaction;
}

interface Handles {
  readonly store: Store;
  readonly orders: StoreTopic<string>;
  readonly queues: Readonly<Record<QueueName, StoreQueue<string>>>;
  readonly copies: StoreTopic<string>;
  readonly events: Exchange<string>;
  readonly source: StoreTopic<string>;
  audit: StoreTopic<string>;
  member: ConsumerGroup<string>;
  producer: Producer;
}

export class TransactionWorld {
  readonly model = new TransactionModel();
  readonly disk: StoreDisk;
  /** By place and offset: what is leased. */
  readonly held = new Map<string, Delivery<string>>();
  /** By place: what readers may see of each is in their marks. */
  readonly logs = new Map<string, Log<Uint8Array>>();
  readonly #real = new Map<number, RealTransaction>();
  #handles: Handles | null = null;
  /** Of the topic with records that are not synced. */
  #auditSyncs: HeldSyncs | null = null;

  private constructor(disk: StoreDisk) {
    this.disk = disk;
  }

  static async make(disk: StoreDisk): Promise<TransactionWorld> {
    const world = new TransactionWorld(disk);
    await world.open();
    return world;
  }

  get handles(): Handles {
    return present(this.#handles, 'it is open');
  }

  /** Holds what must be synced before a commit that appends to the same log. */
  get auditSyncs(): HeldSyncs {
    return present(this.#auditSyncs, 'it is open');
  }

  /** Those that collect, oldest first. */
  get pairs(): Pair[] {
    return this.model.open.map((wanted) => ({
      wanted,
      real: present(this.#real.get(wanted.number), 'it is open in both'),
    }));
  }

  begun({ wanted, real }: Pair): void {
    this.model.open.push(wanted);
    this.#real.set(wanted.number, real);
  }

  over({ wanted }: Pair): void {
    this.model.open = this.model.open.filter((one) => one !== wanted);
    this.#real.delete(wanted.number);
  }

  /** Makes what is not there, and opens all logs: transactions are secured in the order in which they end. */
  async open(): Promise<void> {
    this.#auditSyncs = new HeldSyncs(this.disk.fileSystem, 'audit');
    const store = await this.disk.open();
    const isNew = store.topics().length === 0;
    const partitions = isNew ? { partitions: 2 } : {};
    const orders = await store.topic('orders', { ...ONCE, segmentBytesMax: 4096, ...partitions });
    const queues = {
      jobs: await store.queue('jobs', QUEUE_CONFIG),
      mails: await store.queue('mails', QUEUE_CONFIG),
    };
    const copies = await store.topic('copies', { codec: utf8 });
    const exchange = { codec: utf8, type: 'fanout', source: { dedupWindowMs: DAY_MS } } as const;
    const events = await store.exchange('events', exchange);
    if (isNew) await events.bind('copies');
    const source = await store.topic('exchange:events', { codec: utf8, create: false });
    const audit = await openAudit(store);
    const member = await orders.consumerGroup(GROUP, { pollMsMax: DAY_MS });
    const producer = await store.producer('copier');
    const topics = { store, orders, queues, copies, events, source };
    this.#handles = { ...topics, audit, member, producer };
    for (const topic of [orders, queues.jobs.topic, queues.mails.topic, source, copies]) {
      await this.openLogs(topic);
    }
    await this.openLogs(audit, this.model.auditPlace);
  }

  async openLogs(topic: StoreTopic<string>, only?: string): Promise<void> {
    for (let at = 0; at < topic.partitionCount; at++) {
      this.logs.set(only ?? `${topic.name} ${at}`, await topic.partitions.at(at).log());
    }
  }

  async replaceAudit(): Promise<void> {
    const { handles, model } = this;
    await handles.store.deleteTopic('audit');
    this.logs.delete(model.auditPlace);
    handles.audit = await openAudit(handles.store);
    model.auditCount++;
    model.syncedAuditCount = 0;
    await this.openLogs(handles.audit, model.auditPlace);
  }

  /** Another member takes over: nothing of the one before counts any more. */
  async rejoin(): Promise<void> {
    const { handles, model } = this;
    const leaving = handles.member.close();
    handles.member = await handles.orders.consumerGroup(GROUP, { pollMsMax: DAY_MS });
    await leaving;
    model.member++;
  }

  /** Another process of the same producer: the one before is fenced. */
  async rehire(): Promise<void> {
    this.handles.producer = await this.handles.store.producer('copier');
    this.model.producer++;
  }

  /** In the middle of whatever collects. */
  async close(): Promise<void> {
    await this.handles.store.close();
    deepStrictEqual(this.disk.clock.pendingTimerCount, 0, 'timers are left');
    deepStrictEqual(this.disk.fileSystem.openFileCount, 0, 'files are left open');
    this.#forget(false);
  }

  kill(): void {
    this.disk.kill();
    this.#forget(true);
  }

  cutPower(choice?: CrashChoice): void {
    this.disk.cutPower(choice);
    this.#forget(true);
  }

  #forget(hasCrashed: boolean): void {
    this.#handles = null;
    this.held.clear();
    this.logs.clear();
    this.#real.clear();
    this.model.restart(hasCrashed);
  }
}

function openAudit(store: Store): Promise<StoreTopic<string>> {
  return store.topic('audit', { codec: utf8, durability: 'os' });
}
