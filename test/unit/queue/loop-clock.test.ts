import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { LoopClock, type LoopClockUser } from '../../../src/queue/loop-clock.ts';

/** Somebody with leases and delays, who writes down when it is called. */
class Listener implements LoopClockUser {
  runningLeases = 0;
  nextDueMs = Number.POSITIVE_INFINITY;
  readonly ticks: number[] = [];
  onTick = (): void => undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  tick(nowMs: number): void {
    this.ticks.push(nowMs);
    this.onTick();
    if (this.nextDueMs <= this.#clock.now()) this.nextDueMs = Number.POSITIVE_INFINITY;
  }
}

function setUp() {
  const clock = new ManualClock();
  const stalls: number[] = [];
  const loop = new LoopClock(clock, (stallMs) => stalls.push(stallMs));
  const user = new Listener(clock);
  loop.add(user);
  return { clock, stalls, loop, user };
}

describe('the time that leases run on', () => {
  test('is monotonic time, whatever the wall clock does', () => {
    const { clock, loop } = setUp();
    clock.advance(70);
    clock.jumpTo(0);
    clock.advance(30);
    expect(loop.now()).toBe(100);
  });

  test('stands still in a stall, and says how long that was', () => {
    const { clock, stalls, loop, user } = setUp();
    user.runningLeases = 1;
    loop.poke();
    clock.stall(5000);
    expect(stalls).toEqual([4950]);
    expect([loop.now(), loop.stalledMs]).toEqual([50, 4950]);
    expect(user.ticks).toEqual([50]);
    clock.advance(50);
    expect(user.ticks).toEqual([50, 100]);
  });

  test('stands still in a stall between the begin of a lease and the first tick', () => {
    const { clock, stalls, loop, user } = setUp();
    const beganMs = loop.now();
    user.runningLeases = 1;
    clock.stall(5000); // No timer runs yet that could be late.
    loop.poke(beganMs);
    clock.advance(0);
    expect(stalls).toEqual([4950]);
    expect(loop.now() - beganMs).toBe(50);
  });

  test('stands still in a stall while those are called that it ticks for', () => {
    const { clock, stalls, loop, user } = setUp();
    user.runningLeases = 1;
    user.onTick = () => {
      user.onTick = () => undefined;
      clock.stall(5000);
    };
    loop.poke();
    clock.advance(50);
    clock.advance(0);
    expect(stalls).toEqual([4950]);
    expect(loop.now()).toBe(100);
  });

  test('stands still for who asks in a stall, before the tick that counts it', () => {
    const { clock, loop, user } = setUp();
    user.runningLeases = 1;
    loop.poke();
    const asked: number[] = [];
    clock.setTimer(() => asked.push(loop.now()), 40); // Due before the tick, and late as well.
    clock.stall(5000);
    expect([asked, loop.now()]).toEqual([[50], 50]);
  });

  test('goes on where a tick is only a little late', () => {
    const { clock, stalls, loop, user } = setUp();
    user.runningLeases = 1;
    loop.poke();
    clock.stall(150);
    expect([stalls, loop.now()]).toEqual([[], 150]);
    clock.stall(151);
    expect([stalls, loop.now()]).toEqual([[101], 200]);
  });

  test('does not stand still for who waits for a delay alone', () => {
    const { clock, stalls, loop, user } = setUp();
    user.nextDueMs = clock.now() + 300;
    loop.poke();
    clock.stall(5000);
    expect([stalls, loop.now(), user.ticks]).toEqual([[], 5000, [5000]]);
  });

  test('is looked at every 50 ms while somebody has a lease, and not beyond', () => {
    const { clock, loop, user } = setUp();
    expect(clock.pendingTimerCount).toBe(0);
    user.runningLeases = 1;
    loop.poke();
    loop.poke();
    expect(clock.pendingTimerCount).toBe(1);
    clock.advance(100);
    user.runningLeases = 0;
    clock.advance(1000);
    expect(user.ticks).toEqual([50, 100, 150]);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('looks at a far delay every second, for the wall clock may jump', () => {
    const { clock, loop, user } = setUp();
    user.nextDueMs = clock.now() + 3_600_000;
    loop.poke();
    clock.advance(2500);
    expect(user.ticks).toEqual([1000, 2000]);
    user.nextDueMs = clock.now() + 600;
    loop.poke(); // The next look comes early enough.
    clock.advance(500);
    expect(user.ticks).toEqual([1000, 2000, 3000]);
    clock.advance(100);
    expect(user.ticks).toEqual([1000, 2000, 3000, 3100]);
  });

  test('a lease makes it look sooner than a delay did', () => {
    const { clock, loop, user } = setUp();
    user.nextDueMs = clock.now() + 3_600_000;
    loop.poke();
    clock.advance(10);
    user.runningLeases = 1;
    loop.poke();
    clock.advance(50);
    expect(user.ticks).toEqual([60]);
    expect(clock.pendingTimerCount).toBe(1);
  });

  test('leaves no timer behind when nobody is left', () => {
    const { clock, loop, user } = setUp();
    user.runningLeases = 1;
    loop.poke();
    loop.remove(user);
    expect(clock.pendingTimerCount).toBe(0);
    loop.add(user);
    clock.advance(50);
    expect(user.ticks).toEqual([50]);
  });
});
