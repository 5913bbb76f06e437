/** Whatever is put into a timing wheel comes out at its tick, in order, as in its slow twin. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { AssertionError } from '../../src/core/assert.ts';
import { Row, SlotRows } from '../../src/queue/slot-rows.ts';
import { TimerWheel, WHEEL_BUCKETS } from '../../src/queue/timer-wheel.ts';
import { propertyOptions } from '../support/property.ts';
import { ReferenceWheel, TICK_MS } from '../support/reference/timer-wheel.ts';

const SLOTS = 48;
const SPAN_MS = 2 ** 32 * TICK_MS;

/** Near, at the borders of levels, and beyond the horizon. */
const distances = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -50, max: 3000 }) },
  { weight: 2, arbitrary: fc.double({ min: -20, max: 100_000, noNaN: true }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(8, 16, 24, 32), fc.integer({ min: -3, max: 3 }))
      .map(([bits, ticks]) => (2 ** bits + ticks) * TICK_MS),
  },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 * SPAN_MS }) },
);
const starts = fc.constantFrom(0, 7, -12_345, 1_700_000_000_000, SPAN_MS - 20, 49 * SPAN_MS - 5000);
const slots = fc.nat(SLOTS - 1);

/** What is done, also from within `onDue`. */
const changes = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), slot: slots, distance: distances }),
  fc.record({ kind: fc.constant('remove' as const), slot: slots }),
);
const commands = fc.oneof(
  { weight: 8, arbitrary: changes },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      distance: distances,
      meanwhile: fc.array(changes, { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('rebase' as const), distance: distances }),
  },
);

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Change = ValueOf<typeof changes>;
type Command = ValueOf<typeof commands>;

/** A wheel beside its twin. */
class Pair {
  readonly #rows;
  readonly #wheel;
  readonly #twin = new ReferenceWheel();
  #nowMs: number;
  handedOut = 0;

  constructor(startMs: number, base: number) {
    this.#rows = new SlotRows(SLOTS);
    this.#wheel = new TimerWheel(this.#rows, base);
    this.#nowMs = startMs;
    this.#wheel.rebase(startMs);
    this.#twin.rebase(startMs, () => 0);
  }

  run(command: Command): void {
    if (command.kind === 'advance') this.#advance(command.distance, command.meanwhile);
    else if (command.kind === 'rebase') this.#rebase(command.distance);
    else this.#change(command);
    this.#check();
  }

  #change(command: Change): void {
    const { slot } = command;
    const { times } = this.#rows;
    if (command.kind === 'remove') {
      if (this.#twin.remove(slot)) this.#wheel.remove(slot);
      else expect(() => this.#wheel.remove(slot)).toThrow(AssertionError);
      return;
    }
    const timeMs = this.#nowMs + command.distance;
    if (this.#twin.insert(slot, timeMs)) {
      times[(slot << Row.TIMES) | Row.TIME] = timeMs;
      this.#wheel.insert(slot);
    } else {
      expect(() => this.#wheel.insert(slot)).toThrow(AssertionError);
    }
  }

  #advance(distance: number, meanwhile: readonly Change[]): void {
    this.#nowMs += distance;
    this.#twin.begin(this.#nowMs);
    const left = [...meanwhile];
    this.#wheel.advance(this.#nowMs, (slot) => {
      expect(this.#twin.handOut(slot)).toBe(true);
      expect(this.#wheel.isLinked(slot)).toBe(false);
      // Never early: the twin counts in ticks, this in ms.
      expect(this.#rows.times[(slot << Row.TIMES) | Row.TIME]).toBeLessThanOrEqual(this.#nowMs);
      this.handedOut++;
      const change = left.pop();
      if (change !== undefined) this.#change(change);
    });
    expect(this.#twin.isDone()).toBe(true);
  }

  #rebase(distance: number): void {
    this.#nowMs -= distance;
    this.#wheel.rebase(this.#nowMs);
    this.#twin.rebase(
      this.#nowMs,
      (slot) => this.#rows.times[(slot << Row.TIMES) | Row.TIME] ?? NaN,
    );
  }

  #check(): void {
    expect(this.#wheel.count).toBe(this.#twin.due.size);
    const firstMs = this.#twin.firstTick() * TICK_MS;
    const boundMs = this.#wheel.nextDueMs();
    if (firstMs === Infinity) expect(boundMs).toBe(Infinity);
    else expect(boundMs).toBeLessThanOrEqual(firstMs);
    if (boundMs !== Infinity) expect(boundMs).toBeGreaterThan(this.#nowMs - TICK_MS);
  }
}

test('a wheel hands out what its slow twin does', () => {
  const seen = { handedOut: 0 };
  fc.assert(
    fc.property(
      starts,
      fc.constantFrom(0, WHEEL_BUCKETS),
      fc.array(commands, { maxLength: 120, size: 'max' }),
      (startMs, base, history) => {
        const pair = new Pair(startMs, base);
        for (const command of history) pair.run(command);
        seen.handedOut += pair.handedOut;
      },
    ),
    propertyOptions(),
  );
  expect(seen.handedOut).toBeGreaterThan(500);
});
