/** Steps of the program: time passes, stands still for the event loop, or is set anew. */
import { pick } from '../../plan.ts';
import type { QueueSession } from './queue-session.ts';

const HOUR_MS = 3_600_000;
/** Longer than it takes until somebody looks for segments whose records are all settled. */
const RETENTION_MS = 31_000;

export function advance({ world }: QueueSession): void {
  world.clock.advance(pick(world.random, [20, 100, 450, 1100]));
}

/** Settled segments go, and almost all leases end. */
export function advanceFar({ world }: QueueSession): void {
  world.narrate('half a minute passes');
  world.clock.advance(RETENTION_MS);
}

/** The event loop is blocked: no lease ends by that. */
export function stall({ world }: QueueSession): void {
  const stallMs = pick(world.random, [40, 120, 700, 5000]);
  world.narrate(`the event loop stands still for ${stallMs} ms`);
  world.queues.loopTime.stall(world.clock, stallMs);
  world.tally.add('stalls');
}

/** The wall clock is set: delays go by it, leases do not. */
export function jump({ world }: QueueSession): void {
  const { clock } = world;
  const byMs = pick(world.random, [-HOUR_MS, -1000, 1000, HOUR_MS]);
  world.narrate(`the wall clock is set by ${byMs} ms`);
  world.noteTime();
  clock.jumpTo(Math.max(0, clock.now() + byMs));
  if (byMs < 0) world.clockWentBack();
  world.tally.add('jumps');
}
