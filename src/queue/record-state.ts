/**
 * The states of a record that has a slot in a lease table, and how it may pass between them.
 *
 * Small integers, so that the table can keep them in a byte.
 */
import { assert } from '../core/assert.ts';

export const SlotState = {
  /** No record: never acquired, or settled, and settled stays settled. */
  free: 0,
  /** Acquired before and ready to be acquired again. */
  available: 1,
  /** As available, but not before its due time. */
  delayed: 2,
  /** Leased. */
  acquired: 3,
} as const;

export type SlotState = (typeof SlotState)[keyof typeof SlotState];

const STATE_COUNT = 4;

const LEGAL: readonly (readonly SlotState[])[] = [
  // Any: a snapshot restores what it finds. Live, a record begins as acquired.
  /* free      */ [SlotState.available, SlotState.delayed, SlotState.acquired],
  /* available */ [SlotState.acquired, SlotState.free],
  // Also acquired at once: that a due time has come is not journaled, so replay does not see it.
  /* delayed   */ [SlotState.available, SlotState.acquired, SlotState.free],
  /* acquired  */ [SlotState.available, SlotState.delayed, SlotState.free],
];

/** The table, flat: 1 at `from * 4 + to` where the transition is legal. */
const IS_LEGAL = Uint8Array.from({ length: STATE_COUNT * STATE_COUNT }, (_, at) =>
  LEGAL[at >> 2]?.some((to) => to === (at & (STATE_COUNT - 1))) === true ? 1 : 0,
);

assert(LEGAL.length === STATE_COUNT, 'each state has a row');

/** Throws an `AssertionError` unless a record may pass from one state to the other. */
export function assertTransition(from: SlotState, to: SlotState): void {
  if (IS_LEGAL[from * STATE_COUNT + to] !== 1) throwIllegal(from, to);
}

const NAMES = Object.keys(SlotState);

/** Cold on purpose: building the message must not bloat its caller. */
function throwIllegal(from: SlotState, to: SlotState): never {
  const [before = String(from), after = String(to)] = [NAMES[from], NAMES[to]];
  assert(false, `a record may pass from ${before} to ${after}`);
}
