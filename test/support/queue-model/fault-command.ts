/** The disk refuses a write or a sync, or is full, while leases are settled, run out and begin. */
import { ok } from 'node:assert/strict';

import * as fc from 'fast-check';

import { present } from '../../../src/core/assert.ts';
import { turns } from '../log-fixture.ts';
import { CONSUMERS, LEASE_MS } from './consumers.ts';
import { realGroups } from './compare.ts';
import { acquire } from './lease-commands.ts';
import { advance, passDeleted } from './life-commands.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';
import { LONG_MS, Race, recovered, type How } from './race.ts';

type Fault =
  /** Nothing is free but so many bytes. */
  | { readonly kind: 'full'; readonly freeBytes: number }
  /** One write finds no room. */
  | { readonly kind: 'no room'; readonly skip: number; readonly isShort: boolean }
  | { readonly kind: 'write' | 'datasync'; readonly skip: number };

interface FaultSpec {
  readonly fault: Fault;
  /** Which leases are settled how. */
  readonly order: number;
}

const HOWS: readonly How[] = ['ack', 'release', 'expire', 'reject', 'giveBack', 'expire'];
/** Turns of the event loop in which all is done that does not wait for room. */
const TURNS = 60;
/** So that what was refused is tried again, twice. */
const RETRY_MS = 1100;
const ROUNDS_MAX = 10;
const ROOM_BYTES = 2 ** 40;

/** @returns ends it */
function begin({ disk }: QueueWorld, fault: Fault): () => void {
  const { fileSystem } = disk;
  if (fault.kind === 'full') {
    const freeBytes = fileSystem.disk.tree.freeBytes;
    fileSystem.capacityBytes += fault.freeBytes - freeBytes;
    return () => (fileSystem.capacityBytes = ROOM_BYTES);
  }
  const { kind, skip } = fault;
  if (kind === 'no room') {
    const short = fault.isShort ? { shortBytes: 'half' as const } : {};
    const path = /\.log$/u; // What is only written over needs no room.
    fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, skip, ...short });
  } else fileSystem.addFault({ errno: 'EIO', operations: [kind], skip });
  return () => fileSystem.clearFaults();
}

async function meetFault(world: QueueWorld, { fault, order }: FaultSpec): Promise<void> {
  await passDeleted(world);
  await acquire(world, 0, 3, LEASE_MS);
  await world.compare(); // Nothing of what was before is still to come.
  await world.sync();
  const race = new Race(world);
  const steps = world.held.map((lease, at) => {
    return { lease, how: present(HOWS[(at + order) % HOWS.length], 'one of them') };
  });
  for (const { lease, how } of steps) {
    const leaseMs = how === 'expire' ? LEASE_MS : LONG_MS;
    lease.delivery.renew(leaseMs);
    Object.assign(lease, { leaseMs, elapsedMinMs: 0, elapsedMaxMs: 0 });
  }
  race.isFaulty = true;
  const end = begin(world, fault);
  const answered = race.begin(steps);
  answered.catch(() => undefined); // It is looked at below.
  await turns(TURNS);
  world.disk.clock.advance(2 * LEASE_MS);
  await turns(TURNS);
  end();
  await Promise.race([answered, turns(1)]);
  if (fault.kind === 'write' || fault.kind === 'datasync') await fail(world, race);
  else {
    // What found no room for its copy is tried again after a time that doubles.
    for (let round = 0; round === 0 || !(race.isAnswered && (await isBuried(world))); round++) {
      ok(round < ROUNDS_MAX, 'there is room, and it goes on');
      world.disk.clock.advance(RETRY_MS);
      await turns(TURNS);
    }
    ok(race.isAnswered, 'there is room, and no answer');
    await answered;
    await goOn(world, race);
  }
  const refused = race.steps.filter(({ answer }) => answer === 'refused');
  for (const { how } of refused) count(`${how} refused`);
  count(`fault: ${fault.kind}`);
}

async function isBuried(world: QueueWorld): Promise<boolean> {
  const consumers = [...CONSUMERS.keys()].map((at) => world.consumer(at));
  const stats = await Promise.all(consumers.map((consumer) => consumer.stats()));
  return stats.every(({ condemnedCount }) => condemnedCount === 0);
}

/** What has failed is of no more use: its process ends. */
async function fail(world: QueueWorld, race: Race): Promise<void> {
  world.disk.kill();
  const real = await recovered(world);
  if (real !== null) race.adopt('failed', real);
  world.forgetProcess();
  await world.open();
  world.noteSynced();
}

/** There is room again, and nothing is lost. */
async function goOn(world: QueueWorld, race: Race): Promise<void> {
  const real = present(await realGroups(world.disk.fileSystem.killImage()), 'the groups are there');
  race.adopt('full', real);
  for (const { lease, answer } of race.steps) {
    if (answer === 'refused')
      ok(!lease.delivery.signal.aborted, 'it was refused, and the lease is over');
  }
  for (const delivery of race.handed) {
    const { partition, offset, crashes } = delivery;
    world.hold({
      partition,
      offset,
      crashes,
      delivery,
      group: 'queue',
      consumer: 0,
      opening: world.openingCount,
      leaseMs: LONG_MS,
      elapsedMinMs: 0,
      elapsedMaxMs: 0,
    });
  }
  // Leases of a minute are all that is left, of which less than half is over.
  for (const lease of world.held) Object.assign(lease, { elapsedMaxMs: LONG_MS / 2 });
  advance(world, 0);
  world.noteWritten();
  await world.sync();
}

const skip = fc.nat(4);

export const faultCommand: fc.Arbitrary<QueueCommand> = fc
  .record({
    fault: fc.oneof(
      fc.record({ kind: fc.constant('full' as const), freeBytes: fc.nat(1500) }),
      fc.record({ kind: fc.constant('no room' as const), skip, isShort: fc.boolean() }),
      fc.record({ kind: fc.constant('write' as const), skip }),
      fc.record({ kind: fc.constant('datasync' as const), skip }),
    ),
    order: fc.nat(5),
  })
  .map((spec) => command(`fault ${JSON.stringify(spec)}`, (world) => meetFault(world, spec)));
