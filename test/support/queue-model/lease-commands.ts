/** Commands on records: sending, acquiring, settling. */
import { deepStrictEqual, ok, rejects } from 'node:assert/strict';

import * as fc from 'fast-check';

import type { Delivery } from '../../../src/queue/delivery.ts';
import { CONSUMERS, groupOf, LEASE_MS, PARTITIONS, type HeldLease } from './consumers.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';

export const anyConsumer = fc.nat(CONSUMERS.length - 1);
export const anyPartition = fc.nat(PARTITIONS - 1);
export const any = fc.nat(99);

export async function send(world: QueueWorld, partition: number, total: number): Promise<void> {
  const records = Array.from({ length: total }, () => ({ value: `job ${world.sentCount++}` }));
  const [only] = records;
  if (total === 1 && only !== undefined) await world.queue.send(only.value, { partition });
  else await world.queue.sendBatch(records, { partition });
  deepStrictEqual(
    await world.takeArrivals(),
    records.map(({ value }) => value),
  );
}

export async function acquire(
  world: QueueWorld,
  at: number,
  max: number,
  leaseMs: number,
): Promise<void> {
  const name = groupOf(at);
  const group = world.modelOf(at);
  const deliveries = await world.consumer(at).acquire({ max, leaseMs });
  world.openModel(name);
  if (group.data.isPaused) return deepStrictEqual(deliveries, []);
  const goneCount = await world.noteGone();
  const room = Math.max(0, world.roomOf(at));
  for (const delivery of deliveries) take(world, at, delivery, leaseMs);
  ok(deliveries.length <= Math.min(max, room), 'more than there is room for');
  count('acquired', deliveries.length);
  if (deliveries.length === Math.min(max, room)) return undefined;
  // What was deleted took a place until it was looked for, among others that were there.
  if (deliveries.length > 0 && goneCount > 0) return undefined;
  deepStrictEqual(isReadyFor(world, at), false, 'a ready record is not handed out');
}

/** Whether there is a record that a consumer could have now. */
export function isReadyFor(world: QueueWorld, at: number): boolean {
  return [...world.records.keys()].some(
    (partition) => nextOf(world, at, partition, world.startOffset(partition)) !== null,
  );
}

function nextOf(world: QueueWorld, at: number, partition: number, from: number): number | null {
  const name = groupOf(at);
  return world.modelOf(at).next(partition, from, (crashes) => world.allows(name, crashes));
}

/** Leases that ended in the same step in which delays did: their records are ready a little later. */
const late = new WeakMap<QueueWorld, readonly HeldLease[]>();

/** Runs `action` while the records of `leases` may be passed over. */
export async function whileLate<R>(
  world: QueueWorld,
  leases: readonly HeldLease[],
  action: () => Promise<R>,
): Promise<R> {
  late.set(world, leases);
  try {
    return await action();
  } finally {
    late.delete(world);
  }
}

/**
 * Which may be the next one of a partition: what was deleted need not come, for somebody may be looking
 * for it in vain, and if so it may have had the place of a suspect, or of a doubtful one.
 */
export function nextsOf(world: QueueWorld, at: number, partition: number): (number | null)[] {
  const name = groupOf(at);
  const start = world.startOffset(partition);
  const limits = world.goneCount === 0 ? [Infinity] : [Infinity, 3, 2];
  return limits.flatMap((limit) => {
    const allows = (crashes: number) => crashes < limit && world.allows(name, crashes);
    const isLate = (offset: number) =>
      late.get(world)?.some((one) => {
        return one.group === name && one.partition === partition && one.offset === offset;
      }) ?? false;
    return [0, start].flatMap((from) => {
      const nexts = [world.modelOf(at).next(partition, from, allows)];
      for (
        let next = nexts[0] ?? null;
        next !== null && isLate(next);
        next = nexts.at(-1) ?? null
      ) {
        nexts.push(world.modelOf(at).next(partition, next + 1, allows));
      }
      return nexts;
    });
  });
}

/** Each is the next one of its partition, and tells what happened to it before. */
export function take(
  world: QueueWorld,
  at: number,
  delivery: Delivery<string>,
  leaseMs: number,
): void {
  const { partition, offset } = delivery;
  const nexts = nextsOf(world, at, partition);
  ok(
    nexts.includes(offset),
    `the next one of partition ${partition} is ${nexts.join(' or ')}, not ${offset}`,
  );
  const place = { partition, offset };
  const item = world.modelOf(at).acquire(place);
  const { attempt: attempts, failures, expiries, crashes, value } = delivery;
  deepStrictEqual({ ...item, attempts, failures, expiries, crashes }, item);
  deepStrictEqual(value, world.records[partition]?.[offset]?.value);
  const group = groupOf(at);
  const elapsed = { elapsedMinMs: 0, elapsedMaxMs: 0 };
  const opening = world.openingCount;
  world.hold({ ...place, ...elapsed, group, consumer: at, opening, delivery, crashes, leaseMs });
  if (crashes === 2) count('doubtful');
  if (crashes > 2) count('suspect');
  if (item.attempts > 1) count('again');
}

/** One that runs, or begins now; undefined when there is nothing to lease. */
async function leaseAt(world: QueueWorld, at: number): Promise<HeldLease | undefined> {
  if (world.held.length === 0) {
    await acquire(world, at % CONSUMERS.length, 2, LEASE_MS);
    await world.settle();
  }
  return world.held[at % Math.max(1, world.held.length)];
}

/** A command on a lease that runs, if there is any. */
export function onLease(
  name: string,
  at: number,
  run: (world: QueueWorld, lease: HeldLease) => Promise<void>,
): QueueCommand {
  return command(name, async (world) => {
    const lease = await leaseAt(world, at);
    if (lease === undefined) return;
    await run(world, lease);
    count(name.split(' ', 1)[0] ?? name);
  });
}

async function ack(world: QueueWorld, lease: HeldLease): Promise<void> {
  const first = lease.delivery.ack();
  await Promise.all([first, lease.delivery.ack()]);
  await lease.delivery.ack(); // The second is the first one.
  world.groups[lease.group].ack(lease);
  world.drop(lease);
  world.noteSynced();
}

async function ackAll(world: QueueWorld, odds: number, total: number): Promise<void> {
  const first = await leaseAt(world, odds);
  if (first === undefined) return;
  const at = first.consumer;
  const own = world.held.filter(({ consumer }) => consumer === at).slice(0, total);
  const deliveries = own.map(({ delivery }) => delivery);
  await world.consumer(at).ackAll([...deliveries, ...deliveries.slice(0, 1)]);
  for (const lease of own) {
    world.groups[lease.group].ack(lease);
    world.drop(lease);
  }
  count('ackAll', own.length);
  world.noteSynced();
}

export async function release(
  world: QueueWorld,
  lease: HeldLease,
  how: { failed: boolean; delayMs: number; error: string },
): Promise<void> {
  const { nowMs } = world;
  const dueMs = how.delayMs === 0 ? 0 : nowMs + how.delayMs;
  await lease.delivery.release(how);
  world.groups[lease.group].release(lease, { ...how, dueMs, nowMs });
  world.drop(lease);
  world.noteSynced();
}

/** Whatever is tried with a lease that is over: refused, and nothing changes. */
async function stale(world: QueueWorld, lease: HeldLease): Promise<void> {
  const { delivery } = lease;
  const lost = { code: 'ERR_VARVE_LEASE_LOST' };
  const isAcked = delivery.settlement === 'ack';
  if (isAcked) await delivery.ack();
  else await rejects(delivery.ack(), lost);
  await rejects(delivery.release({ failed: true }), lost);
  await rejects(delivery.reject('late'), lost);
  await rejects(delivery.giveBack(), lost);
  await rejects(
    delivery.transaction(() => undefined),
    lost,
  );
  try {
    delivery.renew(LEASE_MS);
    ok(false, 'renewed');
  } catch (error) {
    deepStrictEqual(Reflect.get(Object(error), 'code'), lost.code);
  }
  // One that runs is acknowledged beside it.
  const running = world.held.find(({ consumer }) => consumer === lease.consumer);
  if (running === undefined || isAcked) return;
  const both = [running.delivery, delivery];
  if (lease.opening !== world.openingCount) {
    // Not of this group, as it is now: nothing is done.
    const foreign = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
    await rejects(world.consumer(lease.consumer).ackAll(both), foreign);
    return;
  }
  await rejects(world.consumer(lease.consumer).ackAll(both), lost);
  world.groups[running.group].ack(running);
  world.drop(running);
  world.noteSynced();
}

const leaseMs = fc.constantFrom(LEASE_MS, LEASE_MS, 400, 5000);
const how = fc.record({
  failed: fc.constantFrom(true, true, false),
  delayMs: fc.constantFrom(0, 0, 400, 1000, 60_000),
  error: fc.constantFrom('', 'broke', 'again'),
});

export const sendCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(anyPartition, fc.integer({ min: 1, max: 5 }))
  .map(([partition, total]) =>
    command(`send ${total} to ${partition}`, (world) => send(world, partition, total)),
  );

export const acquireCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(anyConsumer, fc.integer({ min: 1, max: 6 }), leaseMs)
  .map(([at, max, ms]) =>
    command(`acquire ${max} by ${at} for ${ms}`, (world) => acquire(world, at, max, ms)),
  );

export const releaseCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(any, how)
  .map(([at, given]) =>
    onLease(`release ${at} ${JSON.stringify(given)}`, at, (world, lease) =>
      release(world, lease, given),
    ),
  );

export const ackAllCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(any, fc.integer({ min: 1, max: 4 }))
  .map(([at, total]) => command(`ackAll ${total} of ${at}`, (world) => ackAll(world, at, total)));

export const settleCommands: fc.Arbitrary<QueueCommand>[] = [
  any.map((at) => onLease(`ack ${at}`, at, ack)),
  any.map((at) =>
    onLease(`reject ${at}`, at, async (world, lease) => {
      await lease.delivery.reject('no use');
      world.groups[lease.group].reject(lease, 'no use');
      world.drop(lease);
      world.noteSynced();
    }),
  ),
  any.map((at) =>
    onLease(`giveBack ${at}`, at, async (world, lease) => {
      await lease.delivery.giveBack();
      world.groups[lease.group].giveBack(lease);
      world.drop(lease);
    }),
  ),
  fc.tuple(any, leaseMs).map(([at, ms]) =>
    onLease(`renew ${at} for ${ms}`, at, async (_world, lease) => {
      lease.delivery.renew(ms);
      Object.assign(lease, { leaseMs: ms, elapsedMinMs: 0, elapsedMaxMs: 0 });
    }),
  ),
  any.map((at) =>
    command(`stale ${at}`, async (world) => {
      const lease = world.over[at % Math.max(1, world.over.length)];
      if (lease === undefined) return;
      await stale(world, lease);
      count('stale');
    }),
  ),
];
