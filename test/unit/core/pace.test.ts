/** Work in steps: how often it gives the event loop back, and how many bytes per second it moves. */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';

import { ManualClock, nextTurn, systemClock, type Timer } from '../../../src/core/clock.ts';
import { Pace, type PaceOptions } from '../../../src/core/pace.ts';
import { rejectionOf } from '../../support/log-fixture.ts';

/** Says what timers were asked for. */
class NotingClock extends ManualClock {
  readonly delays: number[] = [];
  keepsAlive = false;
  /** So much earlier than it should a timer fires. */
  earlyMs = 0;

  override setTimer(
    callback: () => void,
    delayMs: number,
    options: { readonly keepsAlive?: boolean } = {},
  ): Timer {
    this.delays.push(delayMs);
    this.keepsAlive = options.keepsAlive === true;
    return super.setTimer(callback, Math.max(1, delayMs - this.earlyMs));
  }
}

function paceOf(clock: NotingClock, options: Partial<PaceOptions> = {}): Pace {
  return new Pace({ clock, bytesPerSecondMax: null, keepsAlive: false, ...options });
}

/** Whether something ends before the event loop has turned. */
async function endsInThisTurn(work: () => Promise<unknown>): Promise<boolean> {
  let hasTurned = false;
  const turned = nextTurn().then(() => (hasTurned = true)); // Before what the work waits for.
  await work();
  const isQuick = !hasTurned;
  await turned;
  return isQuick;
}

describe('slices', () => {
  test('the turn of the event loop is given back when 5 ms are over, and not before', async () => {
    const clock = new NotingClock();
    const pace = paceOf(clock);
    clock.advance(4.5);
    expect(await endsInThisTurn(() => pace.turn())).toBe(true);
    clock.advance(0.5);
    expect(await endsInThisTurn(() => pace.turn())).toBe(false);
    // The next slice begins behind it.
    clock.advance(4.5);
    expect(await endsInThisTurn(() => pace.turn())).toBe(true);
    clock.advance(0.5);
    expect(await endsInThisTurn(() => pace.turn())).toBe(false);
    expect(clock.delays).toEqual([]);
  });

  test('a clock that stands still ends none', async () => {
    const pace = paceOf(new NotingClock());
    const all = async (): Promise<void> => {
      for (let turn = 0; turn < 1000; turn++) {
        pace.spend(2 ** 40);
        await pace.turn();
      }
    };
    expect(await endsInThisTurn(all)).toBe(true);
  });

  test('a jump of the wall clock is no time', async () => {
    const clock = new NotingClock();
    const pace = paceOf(clock, { bytesPerSecondMax: 1000 });
    clock.jumpTo(clock.now() + 3_600_000);
    pace.spend(100);
    expect(await endsInThisTurn(() => pace.turn())).toBe(true);
    pace.spend(1);
    const turn = pace.turn();
    expect(clock.delays).toEqual([1]);
    clock.advance(1);
    await turn;
  });
});

describe('bytes per second', () => {
  test('those of 100 ms go at once, what is more waits for as long as it takes', async () => {
    const clock = new NotingClock();
    const pace = paceOf(clock, { bytesPerSecondMax: 1_000_000 });
    pace.spend(100_000);
    expect(await endsInThisTurn(() => pace.turn())).toBe(true);
    pace.spend(250_000);
    let isOver = false;
    const turn = pace.turn().then(() => (isOver = true));
    expect(clock.delays).toEqual([250]);
    clock.advance(249);
    await nextTurn();
    expect(isOver).toBe(false);
    clock.advance(1);
    await turn;
    expect(clock.delays).toEqual([250]);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('a pause saves up those of 100 ms and no more', async () => {
    const clock = new NotingClock();
    const pace = paceOf(clock, { bytesPerSecondMax: 1_000_000 });
    pace.spend(100_000);
    clock.advance(3_600_000);
    pace.spend(100_001);
    const turn = pace.turn();
    expect(clock.delays).toEqual([1]);
    clock.advance(1);
    await turn;
  });

  test('over a long time it is the rate, whatever the steps', async () => {
    for (const stepBytes of [1000, 65_536, 1_048_576, 3_333_333]) {
      const clock = new NotingClock();
      const pace = paceOf(clock, { bytesPerSecondMax: 1_000_000 });
      const startMs = clock.monotonic();
      let bytes = 0;
      while (bytes < 50_000_000) {
        pace.spend(stepBytes);
        bytes += stepBytes;
        const turn = pace.turn();
        const delayMs = clock.delays.pop();
        if (delayMs !== undefined) clock.advance(delayMs);
        await turn;
      }
      // The bucket is for nothing; of the last step all but the bucket is waited for.
      const expectedMs = (bytes - 100_000) / 1000;
      const ms = clock.monotonic() - startMs;
      expect(ms).toBeGreaterThanOrEqual(expectedMs - 1);
      expect(ms).toBeLessThanOrEqual(expectedMs + 1);
    }
  });

  test('a timer that is early is set again for what is left', async () => {
    const clock = new NotingClock();
    clock.earlyMs = 30;
    const pace = paceOf(clock, { bytesPerSecondMax: 1000 });
    pace.spend(200);
    let isOver = false;
    const turn = pace.turn().then(() => (isOver = true));
    clock.advance(70);
    await nextTurn();
    expect(isOver).toBe(false);
    clock.advance(30);
    await turn;
    expect(clock.monotonic()).toBe(100);
  });

  test('its pauses keep the process alive where somebody waits for it, and else do not', async () => {
    for (const keepsAlive of [true, false]) {
      const clock = new NotingClock();
      const pace = paceOf(clock, { bytesPerSecondMax: 1000, keepsAlive });
      pace.spend(101);
      const turn = pace.turn();
      expect(clock.keepsAlive).toBe(keepsAlive);
      clock.advance(1);
      await turn;
    }
  });
});

describe('an abort', () => {
  test('ends a pause at once, with the reason as it is, and leaves no timer and no listener', async () => {
    const clock = new NotingClock();
    const ending = new AbortController();
    const { signal } = ending;
    const pace = paceOf(clock, { bytesPerSecondMax: 1000, signal });
    pace.spend(5000);
    const turn = rejectionOf(pace.turn());
    expect(clock.pendingTimerCount).toBe(1);
    const reason = new Error('enough');
    ending.abort(reason);
    expect(await turn).toBe(reason);
    expect(clock.pendingTimerCount).toBe(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(await rejectionOf(pace.turn())).toBe(reason);
  });

  test('that comes while the event loop turns is noticed behind it', async () => {
    const clock = new NotingClock();
    const ending = new AbortController();
    const pace = paceOf(clock, { signal: ending.signal });
    clock.advance(5);
    const turn = rejectionOf(pace.turn());
    const reason = new Error('enough');
    ending.abort(reason);
    expect(await turn).toBe(reason);
  });

  test('leaves no listener where none came', async () => {
    const clock = new NotingClock();
    const { signal } = new AbortController();
    const pace = paceOf(clock, { bytesPerSecondMax: 1000, signal });
    pace.spend(101);
    const turn = pace.turn();
    clock.advance(1);
    await turn;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

test('on the clock of the system it waits, too', async () => {
  const pace = new Pace({ clock: systemClock, bytesPerSecondMax: 100_000, keepsAlive: true });
  const startMs = systemClock.monotonic();
  pace.spend(13_000);
  await pace.turn();
  expect(systemClock.monotonic() - startMs).toBeGreaterThanOrEqual(29.9);
});
