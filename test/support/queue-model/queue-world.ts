/** A topic with two share groups, real and as a model, through closes, kills and power cuts. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { Queue } from '../../../src/queue/queue.ts';
import type { ShareGroup } from '../../../src/queue/share-group.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import type { Store } from '../../../src/store/store.ts';
import { turns } from '../log-fixture.ts';
import type { StoreDisk } from '../store-disk.ts';
import { differenceOf, realGroups, type RealGroups } from './compare.ts';
import {
  CONFIGS,
  CONSUMERS,
  groupOf,
  PARTITIONS,
  type GroupName,
  type HeldLease,
} from './consumers.ts';
import { GroupModel, NEW_ITEM, SUSPECT, type GroupData, type Place } from './group-model.ts';
import { compareLetters } from './letters.ts';

/** When a lease ends, after its time is over: a tick of the loop's clock, and one of the wheel. */
const LATE_MS = 60;
/** Turns after which what goes on in the background is over. */
const TURNS_MAX = 400;

export class QueueWorld {
  readonly disk: StoreDisk;
  readonly groups: Record<GroupName, GroupModel>;
  /** Values by partition, and when they were appended. */
  readonly records: { readonly value: string; readonly appendMs: number }[][];
  readonly startOffsets: number[];
  held: HeldLease[] = [];
  /** Leases that are over, one way or another. */
  over: HeldLease[] = [];
  readonly #tokens = new Set<string>();
  #store: Store | null = null;
  /** Whether the groups are still being made. */
  #isNew = true;
  #consumers: (ShareGroup<string> | null)[] = CONSUMERS.map(() => null);
  /** States since the journal was synced last, oldest first. */
  #unsynced: Record<GroupName, GroupData>[] = [];
  sentCount = 0;
  openingCount = 0;

  private constructor(disk: StoreDisk) {
    this.disk = disk;
    const model = (name: GroupName) => new GroupModel(CONFIGS[name], PARTITIONS);
    this.groups = { queue: model('queue'), audit: model('audit') };
    this.records = Array.from({ length: PARTITIONS }, () => []);
    this.startOffsets = Array.from({ length: PARTITIONS }, () => 0);
  }

  static async make(disk: StoreDisk): Promise<QueueWorld> {
    const world = new QueueWorld(disk);
    await world.open();
    world.#isNew = false;
    world.noteSynced();
    return world;
  }

  get nowMs(): number {
    return this.disk.clock.now();
  }

  get store(): Store {
    return present(this.#store, 'it is open');
  }

  /** Also for the other group: they are of one topic. */
  topic(): Promise<StoreTopic<string>> {
    return this.store.topic('jobs', { codec: utf8, create: false });
  }

  get queue(): Queue<string> {
    const queue = this.consumer(0);
    if (!(queue instanceof Queue)) throw new TypeError('the first consumer is one of a queue');
    return queue;
  }

  consumer(at: number): ShareGroup<string> {
    return present(this.#consumers[at], 'it is open');
  }

  modelOf(consumer: number): GroupModel {
    return this.groups[groupOf(consumer)];
  }

  heldBy(group: GroupName): HeldLease[] {
    return this.held.filter((lease) => lease.group === group);
  }

  /** Opens the store, and every consumer; takes over what a dead process had leased. */
  async open(): Promise<void> {
    this.#store = await this.disk.open();
    this.openingCount++;
    for (const at of CONSUMERS.keys()) await this.openConsumer(at);
  }

  async openConsumer(at: number): Promise<void> {
    const { prefetch } = present(CONSUMERS[at], 'a consumer');
    const group = groupOf(at);
    // Settings are changed later on: what is not given is not compared.
    const share = { prefetch, ...(this.#isNew ? CONFIGS[group] : {}) };
    const given = { codec: utf8, partitions: PARTITIONS };
    this.#consumers[at] =
      group === 'queue'
        ? await this.store.queue('jobs', { ...given, ...share })
        : await (await this.store.topic('jobs', given)).shareGroup(group, share);
    const model = this.groups[group];
    if (model.isLive || model.places('leased').length === 0) return;
    this.openModel(group);
    model.crash();
  }

  /** @returns how many leases it gave back */
  async closeConsumer(at: number): Promise<number> {
    await this.consumer(at).close();
    this.#consumers[at] = null;
    const own = this.held.filter(({ consumer }) => consumer === at);
    for (const lease of own) this.#freed(lease);
    return own.length;
  }

  #freed(lease: HeldLease): void {
    const how = { failed: false, dueMs: 0, nowMs: this.nowMs, error: '' };
    this.groups[lease.group].release(lease, how);
    this.drop(lease);
  }

  openModel(group: GroupName): void {
    if (this.groups[group].isLive) return;
    this.groups[group].open(this.nowMs, this.startOffsets);
    this.noteSynced(); // No lease begins before.
  }

  async close(): Promise<void> {
    await this.store.close();
    this.#store = null;
    for (const lease of this.held) this.#freed(lease);
    for (const group of Object.values(this.groups)) group.restarted();
    deepStrictEqual(this.disk.clock.pendingTimerCount, 0, 'timers are left');
    deepStrictEqual(this.disk.fileSystem.openFileCount, 0, 'files are left open');
  }

  /** The process is gone; what the kernel holds stays. */
  kill(): void {
    this.disk.kill();
    this.forgetProcess();
  }

  /** The power is gone, and with it what was not synced. @returns how many steps back it is */
  async cutPower(): Promise<number> {
    this.disk.cutPower({});
    const real = await realGroups(this.disk.fileSystem);
    const states = this.#unsynced.toReversed();
    const problems: string[] = [];
    for (const [back, state] of states.entries()) {
      const problem = this.#differenceFrom(state, real);
      problems.push(`${back} back: ${problem}`);
      if (problem !== null) continue;
      this.groups.queue.data = state.queue;
      this.groups.audit.data = state.audit;
      this.forgetProcess();
      return back;
    }
    throw new Error(`what is left of the journal is none of what it was:\n${problems.join('\n')}`);
  }

  forgetProcess(): void {
    this.#store = null;
    this.#consumers = CONSUMERS.map(() => null);
    this.held = [];
    this.over = [];
    for (const group of Object.values(this.groups)) group.restarted();
  }

  #differenceFrom(state: Record<GroupName, GroupData>, real: RealGroups | null): string | null {
    if (real === null) return null;
    return (
      differenceOf('queue', state.queue, real.queue) ??
      differenceOf('audit', state.audit, real.audit)
    );
  }

  /** A record is there, whatever is lost of what groups did. */
  arrived(partition: number): void {
    for (const group of Object.values(this.groups)) group.arrived(partition);
    for (const { queue, audit } of this.#unsynced) {
      for (const { partitions } of [queue, audit]) partitions[partition]?.push({ ...NEW_ITEM });
    }
  }

  /** Has the journal synced, and changes nothing. */
  async sync(): Promise<void> {
    const { isPaused } = this.groups.audit.data;
    const audit = this.consumer(2);
    await (isPaused ? audit.resume() : audit.pause());
    await (isPaused ? audit.pause() : audit.resume());
    this.noteSynced();
  }

  /** What was journaled up to now is synced. */
  noteSynced(): void {
    this.#unsynced = [];
    this.noteWritten();
  }

  /** The state is another, perhaps, and what made it so may be lost in a power cut. */
  noteWritten(): void {
    const { queue, audit } = this.groups;
    this.#unsynced.push({ queue: queue.copyData(), audit: audit.copyData() });
  }

  /** Whether a record that crashed so often may be acquired now. */
  allows(group: GroupName, crashes: number): boolean {
    if (crashes < SUSPECT - 1) return true;
    const held = this.heldBy(group);
    if (crashes >= SUSPECT) return !held.some((lease) => lease.crashes >= SUSPECT);
    const { leasedMax } = this.groups[group].data.settings;
    const doubtful = held.filter((lease) => lease.crashes === SUSPECT - 1);
    return doubtful.length < Math.ceil(Math.sqrt(leasedMax));
  }

  /** How many more records a consumer may have. */
  roomOf(consumer: number): number {
    const group = groupOf(consumer);
    const { prefetch } = present(CONSUMERS[consumer], 'a consumer');
    const own = this.held.filter((lease) => lease.consumer === consumer).length;
    const { leasedMax } = this.groups[group].data.settings;
    const room = leasedMax - this.heldBy(group).length;
    return Math.min(room, prefetch === null ? room : prefetch - own);
  }

  /** Whether groups have come past what was deleted: they need not, as long as they have it in memory. */
  async noteTrims(): Promise<boolean> {
    let isNew = false;
    const real = await realGroups(this.disk.fileSystem.killImage());
    for (const [name, group] of [
      ['queue', this.groups.queue],
      ['audit', this.groups.audit],
    ] as const) {
      for (const [number, start] of this.startOffsets.entries()) {
        const found = real?.[name].partitions.get(number)?.tally.trimmed ?? 0;
        if (found <= group.tally(number).trimmed) continue;
        group.trim(number, start);
        this.noteWritten();
        isNew = true;
      }
    }
    return isNew;
  }

  hold(lease: HeldLease): void {
    const token = `${lease.group} ${lease.delivery.token}`;
    ok(!this.#tokens.has(token), `token ${token} was there before`);
    this.#tokens.add(token);
    this.held.push(lease);
  }

  drop(lease: HeldLease): void {
    this.held = this.held.filter((each) => each !== lease);
    this.over.push(lease);
  }

  /** Time moved on, and what was due has come. @returns how many leases ran out */
  passed(minMs: number, maxMs: number): number {
    let count = 0;
    for (const lease of this.held) {
      lease.elapsedMinMs += minMs;
      lease.elapsedMaxMs += maxMs;
      const isOver = lease.delivery.signal.aborted;
      const { elapsedMinMs, elapsedMaxMs, leaseMs } = lease;
      if (elapsedMinMs >= leaseMs + LATE_MS) ok(isOver, 'a lease goes on for too long');
      if (elapsedMaxMs < leaseMs) ok(!isOver, 'a lease ends too early');
      if (!isOver) continue;
      this.groups[lease.group].expire(lease);
      this.drop(lease);
      count++;
    }
    for (const group of Object.values(this.groups)) group.endDelays(this.nowMs);
    return count;
  }

  /** Waits until nothing goes on in the background, and compares everything there is. */
  async compare(): Promise<void> {
    let difference = await this.#difference();
    for (let turn = 0; turn < TURNS_MAX && difference !== null; turn++) {
      await turns(1);
      difference = await this.#difference();
    }
    deepStrictEqual(difference, null);
    const { deaths } = this.groups.queue.data;
    await compareLetters(this.store, deaths, (partition, offset) => {
      return this.records[partition]?.[offset]?.value ?? null;
    });
  }

  async #difference(): Promise<string | null> {
    for (const [at, { group }] of CONSUMERS.entries()) {
      const consumer = this.#consumers[at] ?? null;
      if (consumer === null) continue;
      const found = await consumer.stats();
      const { settled, ...wanted } = this.#expectedStats(group);
      for (const [name, value] of Object.entries(wanted)) {
        const other: unknown = Reflect.get(found, name);
        if (other !== value) return `${group}: ${name} is ${String(other)}, not ${String(value)}`;
      }
      for (const [name, value] of Object.entries(settled)) {
        const other: unknown = Reflect.get(found.settled, name);
        if (other !== value) return `${group}: ${String(other)} are ${name}, not ${value}`;
      }
    }
    const real = await realGroups(this.disk.fileSystem.killImage());
    const { queue, audit } = this.groups;
    return this.#differenceFrom({ queue: queue.data, audit: audit.data }, real);
  }

  #expectedStats(name: GroupName) {
    const group = this.groups[name];
    const { nowMs } = this;
    const isReady = (place: Place) => {
      const { state, dueMs } = group.item(place);
      if (state === 'unread') return place.offset >= this.startOffset(place.partition);
      return state === 'ready' || (!group.isLive && dueMs <= nowMs);
    };
    const waiting = group.places('unread', 'ready', 'delayed');
    const ready = waiting.filter(isReady);
    const delayed = group.places('ready', 'delayed').filter((place) => !isReady(place));
    const oldest = this.records.flatMap((records, partition) => {
      const [first] = ready.filter((place) => place.partition === partition);
      if (first === undefined) return [];
      const offset = Math.max(first.offset, this.startOffset(partition));
      return [nowMs - present(records[offset], 'a record').appendMs];
    });
    const settled = this.#settled(group);
    return {
      readyCount: ready.length,
      leasedCount: group.places('leased').length,
      delayedCount: delayed.length,
      condemnedCount: 0,
      deadCount: group.places('dead').length,
      unsettledCount: ready.length + delayed.length + group.places('leased').length,
      oldestReadyAgeMs: oldest.length === 0 ? null : Math.max(0, ...oldest),
      isPaused: group.data.isPaused,
      settled,
    };
  }

  #settled({ data }: GroupModel): Record<string, number> {
    const sum: Record<string, number> = {};
    for (const tally of data.tallies) {
      for (const [name, count] of Object.entries(tally)) sum[name] = (sum[name] ?? 0) + count;
    }
    return sum;
  }

  startOffset(partition: number): number {
    return present(this.startOffsets[partition], 'a partition');
  }
}
