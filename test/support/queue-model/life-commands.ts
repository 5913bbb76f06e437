/** Commands on time, on groups as a whole, and on the process. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';

import type { ShareSettings } from '../../../src/queue/share-settings.ts';
import { groupOf, LEASE_MS } from './consumers.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import { acquire, any, anyConsumer, anyPartition, send } from './lease-commands.ts';
import { LATE_MS, type QueueWorld } from './queue-world.ts';

type Limits = Partial<Pick<ShareSettings, 'failuresMax' | 'expiriesMax' | 'leasedMax'>>;

/** Delays are looked at so often, at least. */
const POLL_MS = 1200;
/** Of the log; a group has two of them in memory. */
const BATCHES = 4;
/** How much of a stall may count against a lease. */
const TICK_MS = 50;

export function advance(world: QueueWorld, ms: number): void {
  let leftMs = ms;
  do {
    world.disk.clock.advance(leftMs);
    count('expired', world.passed(leftMs, leftMs));
    leftMs = LATE_MS; // A delay that has just ended is seen so much later.
  } while (world.hasDelaysThatEndedSince(world.nowMs - LATE_MS));
}

/** Everything may be late, and no lease ends for it. */
function stall(world: QueueWorld, ms: number): void {
  const { clock } = world.disk;
  clock.stall(ms);
  world.passed(0, TICK_MS);
  advance(world, LATE_MS); // Where the wall clock went back, delays are only put in their places.
  count('stalled', world.held.length);
}

function jump(world: QueueWorld, ms: number): void {
  const { clock } = world.disk;
  clock.jumpTo(clock.now() + ms);
  advance(world, POLL_MS);
}

async function cancel(world: QueueWorld, at: number, partition: number, odds: number) {
  const name = groupOf(at);
  const length = world.records[partition]?.length ?? 0;
  const place = { partition, offset: odds % (length + 1) };
  const found = await world.consumer(at).cancel(place);
  world.openModel(name);
  await world.noteGone();
  deepStrictEqual(found, world.groups[name].cancel(place));
  if (found) world.noteSynced();
  if (found) count('cancelled');
}

async function purge(world: QueueWorld, at: number): Promise<void> {
  const name = groupOf(at);
  const found = await world.consumer(at).purge();
  world.openModel(name);
  deepStrictEqual(found, world.groups[name].purge());
  count('purged', found);
  world.noteSynced();
}

async function undoPurge(world: QueueWorld, at: number): Promise<void> {
  const name = groupOf(at);
  const found = await world.consumer(at).undoPurge();
  world.openModel(name);
  deepStrictEqual(found, world.groups[name].undoPurge(world.nowMs));
  count('undone', found);
  if (found > 0) world.noteSynced();
}

export async function setPaused(world: QueueWorld, at: number, isPaused: boolean): Promise<void> {
  const { data } = world.groups[groupOf(at)];
  const consumer = world.consumer(at);
  await (isPaused ? consumer.pause() : consumer.resume());
  if (data.isPaused === isPaused) return;
  data.isPaused = isPaused;
  count(isPaused ? 'paused' : 'resumed');
  world.noteSynced();
}

/** What is leased goes on; what comes back from now on is held to the new limits. */
export async function alter(world: QueueWorld, at: number, changes: Limits): Promise<void> {
  const { data } = world.groups[groupOf(at)];
  const topic = await world.topic();
  await topic.alterShareGroup(groupOf(at), changes);
  data.settings = { ...data.settings, ...changes };
  world.noteSynced();
  count('altered');
}

/** What is deleted: a few records, those up to one that came back, or more than a group has in memory. */
type Deletion = 'few' | 'tried' | 'many';

/** Also what is leased, or dead; whoever has it in memory may still hand it out. */
async function deleteBefore(world: QueueWorld, partition: number, what: Deletion): Promise<void> {
  const start = world.startOffset(partition);
  let offset = start + 2;
  if (what === 'tried') {
    const groups = Object.values(world.groups);
    const [tried = -1] = groups
      .flatMap((group) => group.offsetsIn(partition, 'ready'))
      .filter((each) => each >= start);
    offset = tried + 1;
  } else if (what === 'many') {
    for (let batch = 0; batch < BATCHES; batch++) await send(world, partition, 1);
    offset = (world.records[partition]?.length ?? 0) - 1;
  }
  offset = Math.min(offset, world.records[partition]?.length ?? 0);
  if (offset <= start) return;
  await world.queue.topic.deleteBefore({ partition, offset });
  world.startOffsets[partition] = offset;
  count('deleted', offset - start);
  if (what === 'many') await acquire(world, 0, 9, LEASE_MS);
}

async function reopen(world: QueueWorld): Promise<void> {
  await world.close();
  world.noteSynced();
  await world.open();
  count('reopened');
}

/** Has groups come past all that was deleted. */
export async function passDeleted(world: QueueWorld): Promise<void> {
  const states = ['unread', 'ready', 'delayed', 'leased', 'dead'] as const;
  const isLeft = Object.values(world.groups).some((group) =>
    group.places(...states).some(({ partition, offset }) => offset < world.startOffset(partition)),
  );
  if (isLeft) await reopen(world);
}

/** The state is written into the journal while records are leased. */
async function snapshot(world: QueueWorld): Promise<void> {
  await Promise.all([world.store.snapshot(), acquire(world, 0, 3, LEASE_MS)]);
  await world.sync();
  count('snapshot of leases', world.held.length);
}

async function restart(world: QueueWorld, how: 'kill' | 'cut'): Promise<void> {
  const leased = world.held.length;
  if (how === 'kill') world.kill();
  else count('lost', await world.cutPower());
  const suspects = Object.values(world.groups).map(
    (group) => group.places('leased').filter((place) => group.item(place).crashes >= 3).length,
  );
  count('caught', suspects.filter((each) => each === 1).length);
  await world.open();
  world.noteSynced(); // Leases that were taken over are synced, or there are none.
  count(how);
  if (leased > 0) count(`${how} with leases`);
}

export const deleteCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(anyPartition, fc.constantFrom<Deletion[]>('few', 'tried', 'many', 'many'))
  .map(([partition, what]) =>
    command(`delete ${what} of ${partition}`, (world) => deleteBefore(world, partition, what)),
  );

export const stallCommand: fc.Arbitrary<QueueCommand> = fc
  .constantFrom(600, 3000)
  .map((ms) => command(`stall ${ms}`, async (world) => stall(world, ms)));

export const cancelCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(anyConsumer, anyPartition, any)
  .map(([at, partition, odds]) =>
    command(`cancel ${at} ${partition} ${odds}`, (world) => cancel(world, at, partition, odds)),
  );

export const pauseCommand: fc.Arbitrary<QueueCommand> = anyConsumer.map((at) =>
  command(`pause ${at}`, (world) => setPaused(world, at, true)),
);

export const cutCommand: fc.Arbitrary<QueueCommand> = fc.constant(
  command('cut the power', (world) => restart(world, 'cut')),
);

export const lifeCommands: fc.Arbitrary<QueueCommand>[] = [
  fc
    .constantFrom(-3_600_000, -2000, 2000, 3_600_000)
    .map((ms) => command(`jump ${ms}`, async (world) => jump(world, ms))),
  anyConsumer.map((at) => command(`purge ${at}`, (world) => purge(world, at))),
  anyConsumer.map((at) =>
    command(`purge and undo ${at}`, async (world) => {
      await purge(world, at);
      await undoPurge(world, at);
    }),
  ),
  anyConsumer.map((at) => command(`undoPurge ${at}`, (world) => undoPurge(world, at))),
  fc.constant(
    command('close a consumer', async (world) => {
      if ((await world.closeConsumer(1)) > 0) world.noteSynced();
      await world.openConsumer(1);
      count('closed');
    }),
  ),
  fc
    .tuple(
      anyConsumer,
      fc.record({
        failuresMax: fc.constantFrom(null, 1, 2, 3),
        expiriesMax: fc.constantFrom(null, 1, 3),
        leasedMax: fc.constantFrom(1, 4, 9),
      }),
    )
    .map(([at, changes]) =>
      command(`alter ${at} ${JSON.stringify(changes)}`, (world) => alter(world, at, changes)),
    ),
  cutCommand,
];

export const snapshotCommand: fc.Arbitrary<QueueCommand> = fc.constant(
  command('snapshot', snapshot),
);

export const reopenCommand: fc.Arbitrary<QueueCommand> = fc.constant(command('reopen', reopen));

export const killCommand: fc.Arbitrary<QueueCommand> = fc.constant(
  command('kill', (world) => restart(world, 'kill')),
);

export const resumeCommand: fc.Arbitrary<QueueCommand> = anyConsumer.map((at) =>
  command(`resume ${at}`, (world) => setPaused(world, at, false)),
);

/** What kills whoever has it, and its neighbours. */
export const crashCommand: fc.Arbitrary<QueueCommand> = fc
  .tuple(anyConsumer, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 5 }))
  .map(([at, max, times]) =>
    command(`crash with ${max} of ${at} ${times} times`, async (world) => {
      for (let left = times; left > 0; left--) {
        await acquire(world, at, max, LEASE_MS);
        await world.compare(); // What is condemned is buried by then.
        await restart(world, 'kill');
        await world.compare();
      }
    }),
  );

export const advanceCommand: fc.Arbitrary<QueueCommand> = fc
  .constantFrom(200, 400, 1000, 2000, 70_000)
  .map((ms) => command(`advance ${ms}`, async (world) => advance(world, ms)));
