/** Consumers that wait for records while others send, settle, and let time pass. */
import { ok, rejects } from 'node:assert/strict';

import * as fc from 'fast-check';

import { present } from '../../../src/core/assert.ts';
import type { Delivery } from '../../../src/queue/delivery.ts';
import { turns } from '../log-fixture.ts';
import { groupOf } from './consumers.ts';
import {
  any,
  anyConsumer,
  anyPartition,
  isReadyFor,
  nextsOf,
  release,
  send,
  take,
  whileLate,
} from './lease-commands.ts';
import { advance, setPaused } from './life-commands.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';

/** What happens while they wait. */
type Event = 'send' | 'release' | 'give back' | 'expire' | 'resume' | 'nothing' | 'abort';

interface WaitSpec {
  /** Consumers, in the order in which they come. */
  readonly waiters: readonly { readonly at: number; readonly max: number }[];
  readonly event: Event;
  readonly partition: number;
  readonly total: number;
  /** Which lease it is about. */
  readonly odds: number;
}

interface Waiter {
  readonly at: number;
  readonly max: number;
  /** Null = no answer yet. */
  found: readonly Delivery<string>[] | null;
  readonly answered: Promise<unknown>;
}

const WAIT_MS = 300;
/** So many turns are enough for what does not wait for time. */
const TURNS_MAX = 200;
const LONG_MS = 60_000;

function begin(world: QueueWorld, spec: WaitSpec, signal: AbortSignal): Waiter[] {
  return spec.waiters.map(({ at, max }) => {
    const acquired = world.consumer(at).acquire({ max, waitMs: WAIT_MS, leaseMs: LONG_MS, signal });
    const waiter: Waiter = {
      at,
      max,
      found: null,
      answered: acquired.then((found) => (waiter.found = found)),
    };
    waiter.answered.catch(() => undefined);
    return waiter;
  });
}

async function happen(world: QueueWorld, spec: WaitSpec, ending: AbortController): Promise<void> {
  const { event, partition, total, odds } = spec;
  const lease = world.held[odds % Math.max(1, world.held.length)];
  if (event === 'send') await send(world, partition, total);
  if (event === 'resume') for (const { at } of spec.waiters) await setPaused(world, at, false);
  if (event === 'abort') ending.abort(new Error('no longer'));
  if (lease === undefined) return;
  if (event === 'release')
    await release(world, lease, { failed: true, delayMs: 0, error: 'broke' });
  if (event === 'give back') await release(world, lease, { failed: false, delayMs: 0, error: '' });
  if (event !== 'expire') return;
  const leaseMs = WAIT_MS / 4;
  lease.delivery.renew(leaseMs);
  Object.assign(lease, { leaseMs, elapsedMinMs: 0, elapsedMaxMs: 0 });
}

/** Takes up what they were answered. @returns how many records */
async function takeUp(world: QueueWorld, waiters: readonly Waiter[]): Promise<number> {
  await world.noteGone();
  const all = waiters.flatMap(({ at, max, found }) => {
    ok((found?.length ?? 0) <= max, 'more than it asked for');
    return (found ?? []).map((delivery) => ({ at, delivery }));
  });
  let left = all;
  while (left.length > 0) {
    // They were chosen in an order that is not to be seen; together they are the next ones.
    const next = left.find(({ at, delivery: { partition, offset } }) => {
      return nextsOf(world, at, partition).includes(offset);
    });
    const { at, delivery } = present(next, 'one of them is the next of its partition');
    ok(world.roomOf(at) > 0, 'more than there is room for');
    take(world, at, delivery, LONG_MS);
    left = left.filter((each) => each !== next);
  }
  for (const waiter of waiters) if (waiter.found !== null) waiter.found = [];
  return all.length;
}

/** Whether somebody waits though there is something to have. */
function isStuck(world: QueueWorld, waiters: readonly Waiter[]): boolean {
  return waiters.some(({ at, found }) => {
    const { isPaused } = world.modelOf(at).data;
    return found === null && !isPaused && world.roomOf(at) > 0 && isReadyFor(world, at);
  });
}

async function settleDown(world: QueueWorld, waiters: readonly Waiter[]): Promise<number> {
  let total = 0;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    await turns(1);
    const answered = waiters.filter(({ found }) => found !== null && found.length > 0);
    total += answered.length === 0 ? 0 : await takeUp(world, answered);
    if (turn > 20 && !isStuck(world, waiters)) break;
  }
  ok(!isStuck(world, waiters), 'a ready record is not handed out');
  await world.noteGone(); // They may have looked for what is deleted.
  return total;
}

async function wait(world: QueueWorld, spec: WaitSpec): Promise<void> {
  const ending = new AbortController();
  const waiters = begin(world, spec, ending.signal);
  for (const { at } of waiters) world.openModel(groupOf(at));
  let total = await settleDown(world, waiters);
  const early = waiters.filter(({ found }) => found !== null);
  await happen(world, spec, ending);
  const forIt = await settleDown(world, waiters);
  total += forIt;
  if (spec.event === 'abort') {
    const rest = waiters.filter(({ found }) => found === null);
    for (const { answered } of rest) await rejects(answered, { message: 'no longer' });
    count('wait aborted', rest.length);
    await world.sync();
    return;
  }
  for (let half = 0; half < 2; half++) {
    const before = [...world.held];
    advance(world, WAIT_MS / 2);
    const ended = before.filter((lease) => !world.held.includes(lease));
    // Delays that ended beside them are over at once; a lease is when that is journaled.
    total += await whileLate(world, ended, () => settleDown(world, waiters));
  }
  for (const { found } of waiters) ok(found !== null, 'it waits for too long');
  await world.sync();
  count('acquired', total);
  count(`waited for ${spec.event}`, waiters.length - early.length);
  count('waited in vain', total === 0 ? 1 : 0);
}

export const waitCommand: fc.Arbitrary<QueueCommand> = fc
  .record({
    waiters: fc.array(fc.record({ at: anyConsumer, max: fc.integer({ min: 1, max: 4 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    event: fc.constantFrom<Event[]>(
      'send',
      'release',
      'give back',
      'expire',
      'resume',
      'nothing',
      'abort',
    ),
    partition: anyPartition,
    total: fc.integer({ min: 1, max: 6 }),
    odds: any,
  })
  .map((spec) => command(`wait ${JSON.stringify(spec)}`, (world) => wait(world, spec)));
