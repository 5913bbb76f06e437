/** When writes begin, so that no writer keeps the event loop to itself: it is one for all of them. */
import { inNextTurn } from '../core/clock.ts';

/**
 * Small writes end within the turn in which they begin, and who waits for them goes on at once: a caller
 * that awaits one append after the other would hold up timers, sockets, and syncs that have ended. After
 * so many, half a millisecond or so, the next one waits for the next turn.
 */
const WRITES_PER_TURN = 64;

let writeCount = 0;

/** Runs `write` when all continuations that are ready have run, or, now and then, in the next turn. */
export function atEndOfTurn(write: () => void): void {
  writeCount = (writeCount + 1) % WRITES_PER_TURN;
  if (writeCount === 0) inNextTurn(write);
  else process.nextTick(write);
}
