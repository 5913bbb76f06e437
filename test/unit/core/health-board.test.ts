import { describe, expect, it } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { HealthBoard } from '../../../src/core/health-board.ts';

const CODE = 'projection-behind';

function open() {
  const clock = new ManualClock(1_000_000);
  return { clock, board: new HealthBoard(clock) };
}

describe('a problem that may be nothing', () => {
  const stalled = { code: CODE, message: 'stalled', tellAfterMs: 1000 } as const;

  it('is told when it has lasted, since when it was noticed', () => {
    const { clock, board } = open();
    board.raise(stalled);
    clock.advance(600);
    board.raise(stalled); // It is not new.
    clock.advance(399);
    expect(board.read()).toEqual({ status: 'ok', problems: [] });
    clock.advance(1);
    const { status, problems } = board.read();
    expect(status).toBe('degraded');
    expect(problems).toMatchObject([{ code: CODE, message: 'stalled', sinceMs: 1_000_000 }]);
  });

  it('begins anew when it was over meanwhile', () => {
    const { clock, board } = open();
    board.raise(stalled);
    clock.advance(999);
    board.clear({ code: CODE });
    board.raise(stalled);
    clock.advance(999);
    expect(board.read().problems).toEqual([]);
    clock.advance(1);
    expect(board.read().problems).toMatchObject([{ sinceMs: 1_000_999 }]);
  });

  it('is told at once when it turns out to be one, and stays as it was told', () => {
    const { clock, board } = open();
    board.raise(stalled);
    clock.advance(10);
    board.raise({ code: CODE, message: 'refused' });
    const told = { message: 'refused', sinceMs: 1_000_000 };
    expect(board.read().problems).toMatchObject([told]);
    clock.advance(5000);
    board.raise(stalled);
    board.raise({ code: CODE, message: 'refused again' });
    expect(board.read().problems).toMatchObject([told]);
  });

  it('does not wait for a wall clock that was set back', () => {
    const { clock, board } = open();
    board.raise(stalled);
    clock.jumpTo(0);
    clock.advance(1000);
    expect(board.read().problems).toMatchObject([{ message: 'stalled' }]);
  });
});
