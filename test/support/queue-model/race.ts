/** Leases are being settled and records acquired while something happens to the process or its disk. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { isStoreError } from '../../../src/core/errors.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { differenceOf, foundAt, realGroups, wantedOf, type RealGroups } from './compare.ts';
import type { GroupName, HeldLease } from './consumers.ts';
import { count } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';

/**
 * A power cut takes what was only written, and so does a disk that fails. On one that is `full`, or was,
 * the process goes on.
 */
export type Ending = 'kill' | 'cut' | 'failed' | 'full';
/** `expire` = nobody settles it, and its time is over. */
export type How = 'ack' | 'giveBack' | 'release' | 'reject' | 'expire';

/** A lease that is being settled when it happens. */
export interface Step {
  readonly lease: HeldLease;
  readonly how: How;
  answer: 'none' | 'done' | 'refused';
}

export const HOWS: readonly How[] = ['ack', 'reject', 'release', 'giveBack'];
/** What is not over before all of it is. */
export const LONG_MS = 60_000;
/** What a disk may make of a call. */
const REFUSALS = ['ERR_VARVE_DISK_FULL', 'ERR_VARVE_IO', 'ERR_VARVE_FAILED'] as const;

export class Race {
  readonly steps: Step[] = [];
  readonly handed: Delivery<string>[] = [];
  /** Whether the disk refuses things. */
  isFaulty = false;
  isAnswered = false;
  readonly #world: QueueWorld;
  readonly #fileSystem: FaultyFileSystem;
  /** By group, deaths of which all is over. */
  readonly #deathCounts: Record<GroupName, number>;

  constructor(world: QueueWorld) {
    const { queue, audit } = world.groups;
    this.#world = world;
    this.#fileSystem = world.disk.fileSystem; // The one that stops.
    this.#deathCounts = { queue: queue.data.deaths.length, audit: audit.data.deaths.length };
  }

  /** Settles leases, and acquires more. @returns resolves when all is answered, if it ever is */
  async begin(steps: readonly Omit<Step, 'answer'>[]): Promise<void> {
    for (const step of steps) this.steps.push({ ...step, answer: 'none' });
    const answers = this.steps.map(async (step) => {
      if (step.how !== 'expire') step.answer = await this.#told(settle(step));
    });
    const acquired = this.#world.consumer(0).acquire({ max: 2, leaseMs: LONG_MS });
    await Promise.all([...answers, this.#told(acquired.then((more) => this.handed.push(...more)))]);
    this.isAnswered = true;
  }

  /** Nobody is told anything any more when the process is gone. */
  async #told(answer: Promise<unknown>): Promise<Step['answer']> {
    const fileSystem = this.#fileSystem;
    try {
      await answer;
      return fileSystem.isCrashed ? 'none' : 'done';
    } catch (error) {
      if (fileSystem.isCrashed) return 'none';
      const isTyped = REFUSALS.some((code) => isStoreError(error, code));
      ok(this.isFaulty && isTyped, `refused without a reason: ${String(error)}`);
      return 'refused';
    }
  }

  /** Takes over what is there, when it is possible. */
  adopt(ending: Ending, real: RealGroups): void {
    const world = this.#world;
    for (const { lease, how, answer } of this.steps) {
      const group = world.groups[lease.group];
      const partition = real[lease.group].partitions.get(lease.partition);
      ok(partition !== undefined);
      if (foundAt(partition, lease.offset) === wantedOf(group.item(lease))) {
        const isSure = ending === 'kill' || how !== 'giveBack'; // What is only written may be lost.
        ok(answer !== 'done' || !isSure, `a ${how} that was answered is lost`);
        ok(ending !== 'full' || answer === 'refused', `${how} was not done`);
        count(`${how} in vain`);
        continue;
      }
      ok(ending !== 'full' || answer !== 'refused', `${how} was refused, and done`);
      this.#settled(lease, how);
      world.drop(lease);
      count(`${how} in time`);
    }
    this.#unbury('queue', real);
    this.#unbury('audit', real);
    this.#adoptAttempts(ending, real);
    deepStrictEqual(differenceOf('queue', world.groups.queue.data, real.queue), null);
    deepStrictEqual(differenceOf('audit', world.groups.audit.data, real.audit), null);
  }

  #settled(lease: HeldLease, how: How): void {
    const group = this.#world.groups[lease.group];
    const { nowMs } = this.#world;
    if (how === 'ack') group.ack(lease);
    if (how === 'giveBack') group.giveBack(lease);
    if (how === 'reject') group.reject(lease, 'no use');
    if (how === 'expire') group.expire(lease);
    if (how === 'release') {
      group.release(lease, { failed: true, dueMs: 0, nowMs, error: 'broke' });
    }
  }

  /**
   * What came back and may not be tried again is buried behind that, in a commit of its own: by the next
   * process, if this one was gone. What is rejected never came back.
   */
  #unbury(name: GroupName, real: RealGroups): void {
    const group = this.#world.groups[name];
    for (const death of group.data.deaths.slice(this.#deathCounts[name])) {
      const partition = real[name].partitions.get(death.partition);
      ok(partition !== undefined);
      const back = wantedOf({ ...death.item, state: 'ready' });
      if (death.reason === 'rejected' || foundAt(partition, death.offset) !== back) continue;
      group.unbury(death);
      count('unburied');
    }
  }

  /** Each attempt was journaled before its record was handed out. */
  #adoptAttempts(ending: Ending, real: RealGroups): void {
    const { queue } = this.#world.groups;
    for (const place of queue.places('ready', 'delayed', 'unread')) {
      const partition = real.queue.partitions.get(place.partition);
      ok(partition !== undefined);
      const isLeased = foundAt(partition, place.offset).startsWith('leased');
      const isHanded = this.handed.some(
        (each) => each.partition === place.partition && each.offset === place.offset,
      );
      const isSure = ending === 'kill' || ending === 'full';
      if (isSure) ok(isLeased || !isHanded, 'an attempt was not journaled in time');
      if (ending === 'full') ok(isHanded || !isLeased, 'nobody has what is leased');
      if (!isLeased) continue;
      queue.acquire(place);
      count(isHanded ? 'handed out' : 'not handed out');
    }
  }
}

async function settle({ lease: { delivery }, how }: Step): Promise<void> {
  if (how === 'ack') await delivery.ack();
  if (how === 'giveBack') await delivery.giveBack();
  if (how === 'reject') await delivery.reject('no use');
  if (how === 'release') await delivery.release({ failed: true, error: 'broke' });
}

/** What the journal says behind the recovery of a store, which may undo a commit. */
export async function recovered({ disk }: QueueWorld): Promise<RealGroups | null> {
  const copy = disk.copy();
  const store = await copy.open();
  await store.close();
  return realGroups(copy.fileSystem);
}
