/** The process or the power is gone while leases are being settled and records acquired. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import * as fc from 'fast-check';

import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { differenceOf, foundAt, realGroups, wantedOf, type RealGroups } from './compare.ts';
import { LEASE_MS, type GroupName, type HeldLease } from './consumers.ts';
import { acquire } from './lease-commands.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';

type Ending = 'kill' | 'cut';
type How = 'ack' | 'giveBack' | 'release' | 'reject';

/** A lease that is being settled when it happens. */
interface Step {
  readonly lease: HeldLease;
  readonly how: How;
  isAnswered: boolean;
}

const HOWS: readonly How[] = ['ack', 'reject', 'release', 'giveBack'];

class Race {
  readonly #world: QueueWorld;
  readonly #fileSystem: FaultyFileSystem;
  /** By group, deaths of which all is over. */
  readonly #deathCounts: Record<GroupName, number>;
  #steps: Step[] = [];
  readonly #handed: { readonly partition: number; readonly offset: number }[] = [];

  constructor(world: QueueWorld) {
    const { queue, audit } = world.groups;
    this.#world = world;
    this.#fileSystem = world.disk.fileSystem; // The one that stops.
    this.#deathCounts = { queue: queue.data.deaths.length, audit: audit.data.deaths.length };
  }

  /** @param callCount  calls to the disk before the end comes */
  async run(ending: Ending, callCount: number, order: number): Promise<void> {
    const world = this.#world;
    await acquire(world, 0, 3, LEASE_MS);
    this.#steps = world.held.slice(0, 6).map((lease, at) => {
      return { lease, how: HOWS[(at + order) % HOWS.length] ?? 'ack', isAnswered: false };
    });
    const { fileSystem } = world.disk;
    if (ending === 'cut') await world.sync();
    fileSystem.crashAt = { call: fileSystem.callCount + 1 + callCount, when: 'inside' };
    const answers = this.#begin();
    await Promise.race([fileSystem.crashed, Promise.all(answers)]);
    if (ending === 'kill') world.disk.kill();
    else world.disk.cutPower({});
    const real = await recovered(world);
    if (real !== null) this.#adopt(ending, real);
    world.forgetProcess();
    count(`race: ${ending}`);
  }

  #begin(): Promise<void>[] {
    const answers = this.#steps.map((step) =>
      this.#told(settle(step), () => (step.isAnswered = true)),
    );
    const acquired = this.#told(this.#world.consumer(0).acquire({ max: 2 }), (deliveries) => {
      for (const { partition, offset } of deliveries) this.#handed.push({ partition, offset });
    });
    return [...answers, acquired];
  }

  /** Nobody is told anything any more when it is over. */
  async #told<R>(answer: Promise<R>, action: (result: R) => void): Promise<void> {
    const fileSystem = this.#fileSystem;
    const result = await answer.catch((error: unknown) => {
      ok(fileSystem.isCrashed, `refused without a reason: ${String(error)}`);
    });
    if (result !== undefined && !fileSystem.isCrashed) action(result);
  }

  /** Takes over what is there, when it is possible. */
  #adopt(ending: Ending, real: RealGroups): void {
    const world = this.#world;
    for (const { lease, how, isAnswered } of this.#steps) {
      const group = world.groups[lease.group];
      const partition = real[lease.group].partitions.get(lease.partition);
      ok(partition !== undefined);
      if (foundAt(partition, lease.offset) === wantedOf(group.item(lease))) {
        const isSure = ending === 'kill' || how !== 'giveBack'; // What is only written may be lost.
        ok(!isAnswered || !isSure, `a ${how} that was answered is lost`);
        count(`${how} in vain`);
        continue;
      }
      if (how === 'ack') group.ack(lease);
      if (how === 'giveBack') group.giveBack(lease);
      if (how === 'reject') group.reject(lease, 'no use');
      if (how === 'release') {
        const { nowMs } = world;
        group.release(lease, { failed: true, dueMs: 0, nowMs, error: 'broke' });
      }
      count(`${how} in time`);
    }
    this.#unbury('queue', real);
    this.#unbury('audit', real);
    this.#adoptAttempts(ending, real);
    deepStrictEqual(differenceOf('queue', world.groups.queue.data, real.queue), null);
    deepStrictEqual(differenceOf('audit', world.groups.audit.data, real.audit), null);
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
      const isHanded = this.#handed.some(
        (each) => each.partition === place.partition && each.offset === place.offset,
      );
      if (ending === 'kill') ok(isLeased || !isHanded, 'an attempt was not journaled in time');
      if (!isLeased) continue;
      queue.acquire(place);
      count(isHanded ? 'handed out' : 'not handed out');
    }
  }
}

async function settle({ lease: { delivery }, how }: Step): Promise<true> {
  if (how === 'ack') await delivery.ack();
  if (how === 'giveBack') await delivery.giveBack();
  if (how === 'reject') await delivery.reject('no use');
  if (how === 'release') await delivery.release({ failed: true, error: 'broke' });
  return true;
}

/** What the journal says behind the recovery of a store, which may undo a commit. */
async function recovered({ disk }: QueueWorld): Promise<RealGroups | null> {
  const copy = disk.copy();
  const store = await copy.open();
  await store.close();
  return realGroups(copy.fileSystem);
}

export const raceCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(fc.constantFrom('kill' as const, 'cut' as const), fc.nat(9), fc.nat(3))
  .map(([ending, callCount, order]) =>
    command(`race ${order} to a ${ending} after ${callCount} calls`, async (world) => {
      await new Race(world).run(ending, callCount, order);
      await world.open();
      world.noteSynced();
    }),
  );
