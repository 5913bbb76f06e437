/** Gives back what a consumer has leased: of very many some at a time, so that everything else goes on. */
import { nextTurn } from '../core/clock.ts';
import { settleAll } from '../core/settle-all.ts';
import { isRunning, type Lease, type Settlement } from './lease.ts';

/** Leases that are given back in one turn of the event loop: some milliseconds. */
const STEP = 2048;

const UNDELIVERED: Settlement = { kind: 'undelivered' };
const RELEASE: Settlement = { kind: 'release', dueMs: 0, isFailed: false, error: '' };

/**
 * Gives back those that run when it is their turn.
 *
 * @param given  gets those that it settled
 * @throws as `settle`, when all is done that could be
 */
export async function giveBack(
  leases: readonly Lease[],
  given: Lease[],
  settle: (leases: readonly Lease[], how: Settlement) => Promise<void>,
): Promise<void> {
  const settled: Promise<void>[] = [];
  const end = (some: readonly Lease[], how: Settlement): void => {
    const ended = settle(some, how);
    ended.catch(() => undefined); // Some turns may pass before somebody looks at it.
    settled.push(ended);
    for (const lease of some) given.push(lease);
  };
  for (let at = 0; at < leases.length; at += STEP) {
    if (at > 0) await nextTurn();
    const running = leases.slice(at, at + STEP).filter(isHeld);
    const ahead = running.filter(({ isHandedOut }) => !isHandedOut);
    const handed = running.filter(({ isHandedOut }) => isHandedOut);
    if (ahead.length > 0) end(ahead, UNDELIVERED);
    if (handed.length > 0) end(handed, RELEASE);
  }
  await settleAll(settled);
}

/** One that was not settled, as its holder was told, may be all the same: a failed journal wrote it late. */
function isHeld(lease: Lease): boolean {
  return isRunning(lease) && lease.partitionLeases.find(lease) >= 0;
}
