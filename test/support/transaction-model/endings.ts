/** How transactions of the model test end, some at a time. */
import { ok } from 'node:assert/strict';

import { next } from '../group-transactions.ts';
import { turns } from '../log-fixture.ts';
import { stopStore, type Stop } from './life-commands.ts';
import { MARKS } from './model.ts';
import { DAY_MS, type Pair, type TransactionWorld } from './transaction-world.ts';

/** Where a batch was read first. */
export interface FirstRead {
  readonly partition: number;
  readonly baseOffset: number;
}

/** Of the file system, before it stops. */
export const CALLS_MAX = 12;
/** Longer than leases and transactions. */
export const SLOW_MS = 5000;

/** Of a log, behind the journal. */
const NO_ROOM = { operations: ['write'], path: /audit.*log$/, errno: 'ENOSPC', times: 3 } as const;
const STEP_MS = 1300;
/** Until a transaction that nothing keeps from it is secured. */
const TURNS = 20;
/** Of promises, for each call of the file system, before the store is closed. */
const STEPS = 8;

export async function endAll(all: readonly Pair[]): Promise<void> {
  for (const { real } of all) real.end('return');
  await Promise.all(all.map(({ real }) => real.done));
}

/**
 * While what stands before it is not synced: once it is secured its leases last, it does not time out, and
 * nobody takes its positions from it.
 *
 * @returns what the next member of the group gets first; null = there is nothing
 */
export async function endSlowly(
  world: TransactionWorld,
  all: readonly Pair[],
): Promise<FirstRead | null> {
  const { model, disk, auditSyncs } = world;
  const ended = endAll(all);
  await turns(TURNS);
  disk.clock.advance(SLOW_MS);
  const read = model.log(MARKS).length > 0 ? readFirst(world) : world.rejoin().then(() => null);
  await turns(TURNS);
  auditSyncs.release();
  await ended;
  return read;
}

/** Another member takes over, and reads. */
async function readFirst(world: TransactionWorld): Promise<FirstRead> {
  await world.rejoin();
  return next(world.handles.member);
}

/**
 * The journal has them, and one of the logs finds no room for a while.
 *
 * @returns how long that took, ms
 */
export async function endWithoutRoom(
  world: TransactionWorld,
  all: readonly Pair[],
): Promise<number> {
  const { disk, handles } = world;
  disk.fileSystem.addFault(NO_ROOM);
  const ended = endAll(all);
  let tookMs = 0;
  do {
    await turns(TURNS);
    disk.clock.advance(STEP_MS);
    tookMs += STEP_MS;
    ok(tookMs < DAY_MS, 'it waits for room for ever');
  } while (handles.store.transactions().unsynced.some(({ isPending }) => isPending));
  await ended;
  disk.fileSystem.clearFaults();
  return tookMs;
}

/** Until all are answered, or it is stopped in the middle of it. */
export async function endUntil(
  world: TransactionWorld,
  all: readonly Pair[],
  { how, callCount }: { readonly how: Stop; readonly callCount: number },
): Promise<void> {
  const ended = endAll(all);
  if (how === 'close') {
    for (let left = callCount * STEPS; left > 0; left--) await Promise.resolve();
    return;
  }
  const { fileSystem } = world.disk;
  fileSystem.crashAt = { call: fileSystem.callCount + 1 + callCount, when: 'inside' };
  await Promise.race([fileSystem.crashed, ended]);
}

/** Those that are being committed are told of a close. */
export async function stopUnder(
  world: TransactionWorld,
  how: Stop,
  all: readonly Pair[],
): Promise<void> {
  await stopStore(world, how);
  if (how === 'close') await Promise.all(all.map(({ real }) => real.done));
}
