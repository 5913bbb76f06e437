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
import { differenceOf, foundAt, realGroups, type RealGroups } from './compare.ts';
import {
  CONFIGS,
  CONSUMERS,
  entriesOf,
  groupOf,
  PARTITIONS,
  type GroupName,
  type HeldLease,
} from './consumers.ts';
import { GroupModel, SUSPECT } from './group-model.ts';
import { statsDifference } from './expected-stats.ts';
import { compareLetters } from './letters.ts';
import { count } from './queue-command.ts';
import { UnsyncedStates, type WorldData } from './unsynced-states.ts';

/** When a lease or a delay ends, after its time is over: a tick of the loop's clock, and one of the wheel. */
export const LATE_MS = 60;
/** Turns after which what goes on in the background is over. */
const TURNS_MAX = 256;

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
  readonly #unsynced = new UnsyncedStates();
  /** Deaths of the queue when all was known to be synced. */
  #syncedDeaths = 0;
  /** Whether that was noted of which nobody knows yet whether it is synced. */
  #areGone = false;
  /** Values of dead letters that went back. */
  readonly redriven: string[] = [];
  sentCount = 0;
  openingCount = 0;
  /** Records that were looked for in vain at the last acquire. */
  goneCount = 0;

  private constructor(disk: StoreDisk) {
    this.disk = disk;
    this.records = Array.from({ length: PARTITIONS }, () => []);
    this.startOffsets = Array.from({ length: PARTITIONS }, () => 0);
    const model = (name: GroupName) => new GroupModel(CONFIGS[name], this.startOffsets);
    this.groups = { queue: model('queue'), audit: model('audit') };
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
    this.groups[group].open(this.nowMs);
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
    const states = this.#unsynced.latestFirst();
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

  #differenceFrom(state: WorldData, real: RealGroups | null): string | null {
    if (real === null) return null;
    return (
      differenceOf('queue', state.queue, real.queue) ??
      differenceOf('audit', state.audit, real.audit)
    );
  }

  /** Takes up records that are new in the topic. @returns their values */
  async takeArrivals(): Promise<string[]> {
    const { topic } = this.queue;
    const values: string[] = [];
    for (const [partition, there] of this.records.entries()) {
      const read = { partitions: partition, from: there.length };
      for await (const { value, appendTimeMs: appendMs } of topic.records(read)) {
        const given = present(value, 'each has one');
        there.push({ value: given, appendMs }); // The log's time: it never goes back.
        this.#arrived(partition);
        values.push(given);
      }
    }
    return values;
  }

  /** Values of dead letters that are still there. */
  lettersLeft(): string[] {
    const left = this.groups.queue.data.deaths
      .filter(({ hasLetter }) => hasLetter)
      .map(({ partition, offset }) => this.valueAt(partition, offset));
    for (const value of this.redriven) left.splice(left.indexOf(value), 1);
    return left;
  }

  valueAt(partition: number, offset: number): string {
    return present(this.records[partition]?.[offset], 'a record').value;
  }

  /** A record is there, whatever is lost of what groups did. */
  #arrived(partition: number): void {
    for (const group of Object.values(this.groups)) group.arrived(partition);
    this.#unsynced.arrived(partition);
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
    this.#syncedDeaths = this.groups.queue.data.deaths.length;
    this.#unsynced.synced(this.#data());
  }

  /** The state is another, perhaps, and what made it so may be lost in a power cut. */
  noteWritten(): void {
    this.#unsynced.written(this.#data());
  }

  /** Waits for what goes on, compares, and notes what a power cut may leave of it. */
  async settle(): Promise<void> {
    await this.compare();
    // Copies of the dead were committed, and a commit syncs all that was journaled before.
    if (this.groups.queue.data.deaths.length > this.#syncedDeaths) this.noteSynced();
    else this.noteWritten();
  }

  #data(): WorldData {
    const { queue, audit } = this.groups;
    return { queue: queue.copyData(), audit: audit.copyData() };
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

  /**
   * Groups have come past what was deleted, or looked for a record that was: they need not, as long as
   * they have it in memory.
   *
   * @returns how many records they looked for in vain
   */
  async noteGone(): Promise<number> {
    this.goneCount = 0;
    if (this.startOffsets.every((start) => start === 0)) return 0;
    const real = await realGroups(this.disk.fileSystem.killImage());
    if (real === null) return 0;
    let missingCount = 0;
    for (const [name, group] of entriesOf(this.groups)) {
      for (const [number, start] of this.startOffsets.entries()) {
        const partition = present(real[name].partitions.get(number), 'a partition');
        const isGone = (offset: number) => foundAt(partition, offset) === 'settled';
        const missing = group
          .offsetsIn(number, 'ready')
          .filter((offset) => offset < start && isGone(offset))
          .slice(0, partition.tally.missing - group.tally(number).missing);
        for (const offset of missing) group.miss({ partition: number, offset });
        const isPassed = partition.tally.trimmed > group.tally(number).trimmed;
        if (isPassed) group.trim(number, start, isGone);
        missingCount += missing.length;
        if (isPassed || missing.length > 0) this.#areGone = true;
        count('passed', isPassed ? 1 : 0);
      }
    }
    count('missing', missingCount);
    this.goneCount = missingCount;
    return missingCount;
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
    let expired = 0;
    const before = this.#data();
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
      expired++;
    }
    if (expired > 0) this.#unsynced.torn(before, this.#data());
    for (const group of Object.values(this.groups)) group.endDelays(this.nowMs);
    return expired;
  }

  /** Also of those that may not be tried again, under limits that were set meanwhile. */
  hasDelaysThatEndedSince(ms: number): boolean {
    return Object.values(this.groups).some((group) =>
      group.places('ready', 'dead', 'settled').some((place) => {
        const { dueMs } = group.item(place);
        return group.isLive && dueMs > ms && dueMs <= this.nowMs;
      }),
    );
  }

  /** Waits until nothing goes on in the background, and compares everything there is. */
  async compare(): Promise<void> {
    let difference = await this.#difference();
    for (let many = 1; many <= TURNS_MAX && difference !== null; many *= 2) {
      await turns(many);
      difference = await this.#difference();
    }
    deepStrictEqual(difference, null);
    const deaths = this.groups.queue.data.deaths.filter(({ hasLetter }) => hasLetter);
    await compareLetters(this.store, deaths, (partition, offset) =>
      this.valueAt(partition, offset),
    );
    if (!this.#areGone) return;
    this.#areGone = false; // In which order was not to be seen.
    await this.sync();
  }

  async #difference(): Promise<string | null> {
    for (const consumer of [this.#consumers[0], this.#consumers[2]]) {
      if (consumer == null) continue;
      const problem = await statsDifference(this, consumer);
      if (problem !== null) return problem;
    }
    const real = await realGroups(this.disk.fileSystem.killImage());
    const { queue, audit } = this.groups;
    return this.#differenceFrom({ queue: queue.data, audit: audit.data }, real);
  }

  startOffset(partition: number): number {
    return present(this.startOffsets[partition], 'a partition');
  }
}
