/** Commands that move records: transactions, redrives, and dead records that are ready again. */
import { deepStrictEqual, ok, rejects } from 'node:assert/strict';

import * as fc from 'fast-check';

import { utf8 } from '../../../src/codec/codec.ts';
import { groupOf, type HeldLease } from './consumers.ts';
import { any, anyConsumer, anyPartition, onLease } from './lease-commands.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';

interface TransactionSpec {
  readonly partition: number;
  readonly total: number;
  readonly isRefused: boolean;
}

/** An ack, and what the handler sends, in one commit. */
async function transaction(
  world: QueueWorld,
  lease: HeldLease,
  { partition, total, isRefused }: TransactionSpec,
): Promise<void> {
  const { queue } = world;
  const values = Array.from({ length: total }, () => `job ${world.sentCount++}`);
  const done = lease.delivery.transaction((step) => {
    for (const [at, value] of values.entries()) {
      if (at % 2 === 0) step.send(queue, value, { partition });
      else step.append(queue.topic, { value }, { partition });
    }
    if (isRefused) throw new Error('changed my mind');
  });
  if (isRefused) {
    await rejects(done, { message: 'changed my mind' });
    deepStrictEqual(await world.takeArrivals(), []);
    return;
  }
  await done;
  deepStrictEqual(await world.takeArrivals(), values);
  world.groups[lease.group].ack(lease);
  world.drop(lease);
  world.noteSynced();
}

interface RedriveSpec {
  readonly limit: number;
  /** Calls to the disk before the process is gone; null = it stays. */
  readonly callCount: number | null;
}

/** Dead letters go back to where they came from, each once. */
async function redrive(world: QueueWorld, { limit, callCount }: RedriveSpec): Promise<void> {
  const left = world.lettersLeft();
  if (left.length === 0) return;
  const letters = await world.store.queue('jobs.dead', { codec: utf8, create: false });
  const dry = await letters.redrive({ limit });
  deepStrictEqual(dry.movedCount, Math.min(limit, left.length));
  const { fileSystem } = world.disk;
  if (callCount !== null) {
    fileSystem.crashAt = { call: fileSystem.callCount + 1 + callCount, when: 'inside' };
  }
  let movedCount = 0;
  const run = async () => {
    const report = await letters.redrive({ limit, dryRun: false });
    if (!fileSystem.isCrashed) movedCount = report.movedCount;
  };
  await Promise.race([fileSystem.crashed, run()]);
  if (callCount === null) {
    deepStrictEqual(movedCount, dry.movedCount);
    await letters.close();
  } else {
    world.kill();
    await world.open();
  }
  const moved = await world.takeArrivals();
  ok(moved.length >= movedCount, 'what was said to be moved is not there');
  for (const value of moved) {
    const at = left.indexOf(value);
    ok(at >= 0, `${value} was moved twice, or never died`);
    left.splice(at, 1);
  }
  world.redriven.push(...moved);
  await world.compare(); // What died of the crash is buried by then.
  const there = await world.store.queue('jobs.dead', { codec: utf8, create: false });
  deepStrictEqual((await there.stats()).readyCount, world.lettersLeft().length);
  await there.close();
  if (moved.length > 0 || callCount !== null) world.noteSynced();
  count(callCount === null ? 'redriven' : 'redriven in a crash', moved.length);
}

/** Dead records that were kept are ready again, as if they had never been tried. */
async function revive(world: QueueWorld, at: number, limit: number): Promise<void> {
  const name = groupOf(at);
  const group = world.groups[name];
  const isThere = ({ partition, offset }: { partition: number; offset: number }) =>
    offset >= world.startOffset(partition);
  const dead = group.places('dead').filter(isThere).slice(0, limit);
  const { movedCount } = await world.consumer(at).redrive({ limit, dryRun: false });
  deepStrictEqual(movedCount, dead.length);
  if (movedCount === 0) return;
  world.openModel(name);
  for (const place of dead) group.revive(place);
  world.noteSynced();
  count('revived', movedCount);
}

export const transactionCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(
    any,
    fc.record({
      partition: anyPartition,
      total: fc.integer({ min: 0, max: 3 }),
      isRefused: fc.constantFrom(false, false, true),
    }),
  )
  .map(([at, spec]) =>
    onLease(`transaction ${at} ${JSON.stringify(spec)}`, at, (world, lease) =>
      transaction(world, lease, spec),
    ),
  );

export const redriveCommand: fc.Arbitrary<QueueCommand> = fc
  .record({ limit: fc.integer({ min: 1, max: 5 }), callCount: fc.option(fc.nat(20), { freq: 2 }) })
  .map((spec) => command(`redrive ${JSON.stringify(spec)}`, (world) => redrive(world, spec)));

export const reviveCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(anyConsumer, fc.integer({ min: 1, max: 4 }))
  .map(([at, limit]) => command(`revive ${limit} of ${at}`, (world) => revive(world, at, limit)));
