/** A lease table does what its slow twin does, whatever is asked of it, and refuses the rest alike. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { AssertionError } from '../../src/core/assert.ts';
import { LeaseTable } from '../../src/queue/lease-table.ts';
import { ReadyKind } from '../../src/queue/ready-kind.ts';
import { SlotState } from '../../src/queue/record-state.ts';
import type { TimerWheel } from '../../src/queue/timer-wheel.ts';
import { propertyOptions } from '../support/property.ts';
import {
  ReferenceLeaseTable,
  type Counter,
  type ReferenceRecord,
} from '../support/reference/lease-table.ts';

/** The n-th offset of a family. */
const families = fc.oneof(
  fc.constant((n: number) => n),
  fc.constant((n: number) => 2 ** 53 - 1 - n),
  fc.integer({ min: 1, max: 24 }).map((bits) => (n: number) => 1000 + n * 2 ** bits),
  // Two stretches, just near enough to each other or not.
  fc.integer({ min: -9, max: 9 }).map((more) => (n: number) => (n % 2) * (2 ** 32 + more) + n),
  // Far apart: the table has to move on.
  fc.constant((n: number) => n * 2 ** 30),
);

const places = fc.nat(12);
const states = fc.constantFrom(...Object.values(SlotState));
const kinds = fc.constantFrom(...Object.values(ReadyKind));
const counters = fc.constantFrom<Counter[]>('attempts', 'failures', 'expiries', 'crashes');
const counts = fc.constantFrom(0, 1, 2, 3, 4, 254, 255, 256, 65_535, 65_536, 2 ** 40, -1);
const leases = fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -1);
const times = fc.integer({ min: 0, max: 3000 });

const commands = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('add' as const), n: places, state: states }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('addMany' as const),
      n: places,
      count: fc.integer({ min: 50, max: 200 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('removeMany' as const), n: places }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), n: places }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('setState' as const), n: places, state: states }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('setPending' as const), n: places, is: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('count' as const),
      n: places,
      counter: counters,
      counts,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('setTime' as const), n: places, times }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('beginLease' as const), n: places, leases, times }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pushReady' as const), n: places }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('popReady' as const), of: kinds }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('removeReady' as const), n: places }) },
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('insert' as const), n: places }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('takeOut' as const), n: places }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      byMs: fc.integer({ min: 8, max: 900 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('shrink' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), n: fc.nat(4) }) },
);

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never;

type Command = ValueOf<typeof commands>;

const SETTERS = {
  attempts: 'setAttempts',
  failures: 'setFailures',
  expiries: 'setExpiries',
  crashes: 'setCrashes',
} as const;

class Pair {
  readonly #table = new LeaseTable();
  readonly #twin = new ReferenceLeaseTable();
  readonly #offsetOf: (n: number) => number;
  #nowMs = 0;
  readonly seen = { done: 0, refused: 0, shrunk: 0, due: 0 };
  /** Transitions that were asked for, from and to. */
  readonly asked = new Set<string>();

  constructor(offsetOf: (n: number) => number) {
    this.#offsetOf = offsetOf;
  }

  run(command: Command): void {
    this.#do(command);
    this.#compare();
  }

  #do(command: Command): void {
    const table = this.#table;
    const twin = this.#twin;
    const offset = 'n' in command ? this.#offsetFor(command.kind, command.n) : -1;
    // -1 for an offset that is not there: what is asked of it must be refused.
    const slot = table.find(offset);
    switch (command.kind) {
      case 'add':
        return this.#alike(twin.add(offset, command.state), () => table.add(offset, command.state));
      case 'addMany':
        for (let n = command.n; n < command.n + command.count; n++) {
          const more = this.#offsetOf(n);
          if (!twin.fits(more) || twin.records.has(more)) continue;
          twin.add(more, SlotState.acquired);
          table.add(more, SlotState.acquired);
        }
        return;
      case 'removeMany':
        for (const record of twin.sorted().slice(command.n)) {
          table.remove(table.find(record.offset));
          twin.remove(record.offset);
        }
        return;
      case 'remove':
        return this.#alike(twin.remove(offset), () => table.remove(slot));
      case 'setState':
        if (slot >= 0) this.asked.add(`${table.stateAt(slot)} ${command.state}`);
        return this.#alike(twin.setState(offset, command.state), () =>
          table.setState(slot, command.state),
        );
      case 'setPending':
        return this.#alike(twin.setPending(offset, command.is), () =>
          table.setPending(slot, command.is),
        );
      case 'count':
        return this.#alike(twin.setCounter(offset, command.counter, command.counts), () =>
          table[SETTERS[command.counter]](slot, command.counts),
        );
      case 'setTime': {
        const timeMs = this.#nowMs + command.times;
        return this.#alike(twin.setTime(offset, timeMs), () => table.setTime(slot, timeMs));
      }
      case 'beginLease': {
        const timeMs = this.#nowMs + command.times;
        return this.#alike(twin.beginLease(offset, command.leases, timeMs), () =>
          table.beginLease(slot, command.leases, timeMs),
        );
      }
      case 'pushReady':
        return this.#alike(twin.pushReady(offset), () => table.pushReady(slot));
      case 'popReady': {
        const popped = table.popReady(command.of);
        expect(popped < 0 ? -1 : table.offsetAt(popped)).toBe(twin.popReady(command.of));
        return;
      }
      case 'removeReady':
        if (slot >= 0) table.removeReady(slot);
        twin.removeReady(offset);
        return;
      case 'insert':
        // Which wheel fits a state is the engine's to know.
        if (slot < 0 || table.stateAt(slot) === SlotState.available) return;
        return this.#alike(twin.insert(offset), () => this.#wheelOf(slot).insert(slot));
      case 'takeOut':
        if (slot < 0 || table.stateAt(slot) === SlotState.available) return;
        return this.#alike(twin.takeOut(offset), () => this.#wheelOf(slot).remove(slot));
      case 'advance':
        this.#nowMs += command.byMs;
        this.#advance('lease', table.leaseWheel);
        this.#advance('delay', table.delayWheel);
        return;
      case 'shrink': {
        const { capacity, count } = table;
        const isDue = capacity > 40 && count < capacity / 8;
        expect(table.shrink()).toBe(isDue);
        expect(table.capacity < capacity).toBe(isDue);
        this.seen.shrunk += isDue ? 1 : 0;
        return;
      }
      case 'clear':
        if (command.n !== 3) return;
        table.clear();
        twin.records.clear();
        return;
    }
  }

  /** Mostly of a record that is there. */
  #offsetFor(kind: Command['kind'], n: number): number {
    const present = kind === 'add' || n > 10 ? [] : this.#twin.sorted();
    return present[n % present.length]?.offset ?? this.#offsetOf(n);
  }

  /** What the twin refuses, the table refuses by throwing. */
  #alike(isDone: boolean, act: () => unknown): void {
    if (isDone) act();
    else expect(act).toThrow(AssertionError);
    this.seen[isDone ? 'done' : 'refused']++;
  }

  #wheelOf(slot: number): TimerWheel {
    const isAcquired = this.#table.stateAt(slot) === SlotState.acquired;
    return isAcquired ? this.#table.leaseWheel : this.#table.delayWheel;
  }

  #advance(name: 'lease' | 'delay', wheel: TimerWheel): void {
    const due = this.#twin.due(name, this.#nowMs);
    const found: number[] = [];
    wheel.advance(this.#nowMs, (slot) => found.push(this.#table.offsetAt(slot)));
    // One that was due when it was inserted, in this tick, comes with the next.
    deepStrictEqual(
      found.filter((offset) => !due.includes(offset)),
      [],
    );
    const late = due.filter((offset) => !found.includes(offset));
    deepStrictEqual(late, []);
    for (const offset of due) this.#twin.takeOut(offset);
    this.seen.due += due.length;
  }

  #compare(): void {
    const table = this.#table;
    const twin = this.#twin;
    const slots = [...table.sortedSlots()];
    deepStrictEqual(
      slots.map((slot) => this.#recordAt(slot)),
      twin.sorted().map(({ isReady, inWheel, ...record }) => ({
        ...record,
        isLinked: isReady || inWheel !== null,
      })),
    );
    deepStrictEqual(
      [table.count, table.availableCount, table.delayedCount, table.leasedCount],
      [twin.records.size, ...[1, 2, 3].map((state) => twin.countOf(state as SlotState))],
    );
    for (const slot of slots) expect(table.find(table.offsetAt(slot))).toBe(slot);
    for (const kind of Object.values(ReadyKind)) {
      const slot = table.minReady(kind);
      expect(slot < 0 ? -1 : table.offsetAt(slot)).toBe(twin.minReady(kind));
    }
    const inWheel = (name: string) => twin.sorted().filter((record) => record.inWheel === name);
    expect(table.leaseWheel.count).toBe(inWheel('lease').length);
    expect(table.delayWheel.count).toBe(inWheel('delay').length);
    for (let n = 0; n < 25; n += 3) {
      const offset = this.#offsetOf(n);
      expect(table.fits(offset)).toBe(twin.fits(offset));
      if (!twin.records.has(offset)) expect(table.find(offset)).toBe(-1);
    }
  }

  #recordAt(slot: number): Omit<ReferenceRecord, 'isReady' | 'inWheel'> & { isLinked: boolean } {
    const table = this.#table;
    return {
      offset: table.offsetAt(slot),
      state: table.stateAt(slot),
      attempts: table.attemptsAt(slot),
      failures: table.failuresAt(slot),
      expiries: table.expiriesAt(slot),
      crashes: table.crashesAt(slot),
      isPending: table.isPending(slot),
      timeMs: table.timeAt(slot),
      lease: table.leaseAt(slot),
      isLinked: table.leaseWheel.isLinked(slot),
    };
  }
}

test('a lease table does what its slow twin does', () => {
  const seen = { done: 0, refused: 0, shrunk: 0, due: 0 };
  const asked = new Set<string>();
  fc.assert(
    fc.property(
      families,
      fc.array(commands, { maxLength: 120, size: 'max' }),
      (offsetOf, history) => {
        const pair = new Pair(offsetOf);
        for (const command of history) pair.run(command);
        for (const transition of pair.asked) asked.add(transition);
        for (const name of ['done', 'refused', 'shrunk', 'due'] as const) {
          seen[name] += pair.seen[name];
        }
      },
    ),
    propertyOptions(),
  );
  // Each state of a record that is there, to each state there is.
  const all = Object.values(SlotState);
  expect(asked.size).toBe((all.length - 1) * all.length);
  expect(seen.done).toBeGreaterThan(500);
  expect(seen.refused).toBeGreaterThan(500);
  expect(seen.due).toBeGreaterThan(40);
  expect(seen.shrunk).toBeGreaterThan(2);
});
