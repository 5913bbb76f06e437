/** Steps of the program: what consumers do with what they hold. */
import { LeaseLostError } from '../../../../../src/core/ownership-errors.ts';
import { randomBelow } from '../../../../../src/core/random.ts';
import { chance, pick } from '../../plan.ts';
import type { HeldLease } from './held-lease.ts';
import type { SentTransaction } from './queue-oracles.ts';
import { LETTERS_ID, RESULT_TOPIC } from './queue-topics.ts';
import type { QueueSession } from './queue-session.ts';
import { resultOf } from './side-topics.ts';

/** A lease that runs; null = there is none. */
function pickHeld({ running, world }: QueueSession): HeldLease | null {
  return running.length === 0 ? null : pick(world.random, running);
}

/** Whether what consumers settle in the topic of a lease is synced when they are answered. */
function isSynced({ world }: QueueSession, { handle }: HeldLease): boolean {
  return world.isSynced(handle.ledger.topic);
}

export function ack(queues: QueueSession): void {
  for (let left = 1 + randomBelow(queues.world.random, 3); left > 0; left--) {
    const lease = pickHeld(queues);
    if (lease === null) return;
    const run = () => lease.delivery.ack();
    const how = { what: 'ack', end: 'acked' as const, isSynced: isSynced(queues, lease), run };
    void queues.settle([lease], how);
  }
}

/** All that one consumer of the group holds, or a part. */
export function ackAll(queues: QueueSession): void {
  const first = pickHeld(queues);
  if (first === null) return;
  const { random } = queues.world;
  const leases = queues.running.filter(
    ({ handle }) => handle.ledger === first.handle.ledger && chance(random, 0.8),
  );
  if (leases.length === 0) return;
  const run = () => first.handle.group.ackAll(leases.map(({ delivery }) => delivery));
  const how = { what: 'ack all', end: 'acked' as const, isSynced: isSynced(queues, first), run };
  void queues.settle(leases, how);
}

export function release(queues: QueueSession): void {
  const { world } = queues;
  const { random } = world;
  const lease = pickHeld(queues);
  if (lease === null) return;
  const { delivery, handle } = lease;
  const isFailed = chance(random, 0.5);
  const delayMs = pick(random, [0, 0, 100, 2000]);
  const isDeath = isFailed && delivery.failures + 1 >= handle.config.failuresMax;
  const dueMs = delayMs === 0 ? null : world.clock.now() + delayMs;
  void queues.settle([lease], {
    what: `release, ${isFailed ? 'failed' : 'given up'}, for ${delayMs} ms:`,
    end: isDeath ? 'dead' : null,
    isSynced: isDeath || isSynced(queues, lease),
    dueMs,
    isFailed,
    run: () => delivery.release({ delayMs, failed: isFailed, error: 'no luck' }),
  });
}

export function reject(queues: QueueSession): void {
  const lease = pickHeld(queues);
  if (lease === null || lease.handle.ledger.id === LETTERS_ID) return;
  const run = () => lease.delivery.reject('it is bad');
  void queues.settle([lease], { what: 'reject', end: 'dead', isSynced: true, run });
}

export function giveBack(queues: QueueSession): void {
  const lease = pickHeld(queues);
  if (lease === null) return;
  lease.fate.undelivered();
  const run = () => lease.delivery.giveBack();
  void queues.settle([lease], { what: 'give back', end: null, isSynced: false, run });
}

export function renew(queues: QueueSession): void {
  const { world } = queues;
  const lease = pickHeld(queues);
  if (lease === null) return;
  const leaseMs = pick(world.random, [100, 1000, 5000]);
  world.narrate(`renew ${lease.name} for ${leaseMs} ms`);
  try {
    lease.delivery.renew(leaseMs);
  } catch (error) {
    if (!lease.isOver) world.fault('lease', `renew ${lease.name}: ${String(error)}`);
    return;
  }
  lease.renewed(leaseMs);
}

/** Acknowledged in one commit with a result. */
export async function transact(queues: QueueSession): Promise<void> {
  const { world, session, oracles } = queues;
  const lease = pickHeld(queues);
  if (lease === null) return;
  if (!session.store.topics().some(({ name }) => name === RESULT_TOPIC)) {
    await session.follow(session.store.topic(RESULT_TOPIC), () => undefined);
    return;
  }
  const results = await session.store.topic(RESULT_TOPIC, { create: false });
  if (session.isOver || !lease.isRunning) return;
  const id = world.nextId();
  const { fate } = lease;
  const sent: SentTransaction = { fate, handedCount: fate.handedCount, status: 'open' };
  oracles.transactions.set(id, sent);
  void queues.settle([lease], {
    what: `transaction ${id} for`,
    end: 'acked',
    isSynced: true,
    isCommit: true,
    run: () =>
      lease.delivery.transaction((transaction) => {
        transaction.append(results, { value: resultOf(id) });
      }),
    onOutcome: (outcome) => void (sent.status = outcome),
  });
}

/** Nothing comes of what is asked for with a lease that is over. */
export function useStale(queues: QueueSession): void {
  const { world, session, over } = queues;
  const stale = over.filter(({ delivery }) => delivery.signal.aborted);
  if (stale.length === 0) return;
  const lease = pick(world.random, stale);
  const { delivery } = lease;
  world.narrate(`use ${lease.name}, which is over`);
  const call = pick(world.random, [
    () => delivery.ack(),
    () => delivery.release({ failed: true }),
    () => delivery.reject('late'),
    () => lease.handle.group.ackAll([delivery]),
  ]);
  const refused = call().then(
    () => world.fault('stale', `${lease.name}: a lease that is over was settled`),
    (error: unknown) => {
      if (!(error instanceof LeaseLostError)) throw error;
      world.tally.add('staleCalls');
    },
  );
  void session.follow(refused, () => undefined);
}
