/**
 * The protocol of compaction by key, with the decisions of the engine: in random schedules of appends, passes
 * with tiny maps, stops, crashes, damage and slow readers, nothing is lost and nothing comes back. Each of
 * the faults that the protocol is there to exclude is found.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  diskComplaint,
  restComplaint,
  SlowReader,
} from '../support/compaction/compaction-checks.ts';
import { CompactionModel, FAULTS, type Fault } from '../support/compaction/compaction-model.ts';
import { manyExamples, propertyOptions } from '../support/property.ts';

const PASSES_MAX = 500;
/** Of appends under load. */
const ROUNDS = 200;
/** Schedules that are tried for a fault. */
const SEARCHES_MAX = 20_000;

/** A few that come again and again, and many of which the last record is soon an old one. */
const keys = fc.oneof(
  fc.constantFrom('a', 'b', 'c'),
  fc.nat(25).map((number) => `k${number}`),
);

const steps = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      keys: fc.array(fc.tuple(keys, fc.boolean()), {
        minLength: 1,
        maxLength: 6,
      }),
      isSynced: fc.nat(9).map((one) => one > 0),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('roll' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      isAsked: fc.boolean(),
      keysMax: fc.integer({ min: 1, max: 8 }),
      swapsMax: fc.option(fc.nat(5)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('crash' as const), chances: fc.nat(2 ** 31 - 1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('damage' as const),
      at: fc.option(fc.nat(60), { freq: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('guard' as const),
      at: fc.option(fc.nat(60), { freq: 1 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reader' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      which: fc.nat(3),
      count: fc.integer({ min: 1, max: 12 }),
    }),
  },
);

/**
 * A reader that stops, passes meanwhile, and goes on to the end. Before it comes, perhaps a pass that does not
 * get far, and as long a time as tombstones stay.
 */
const overtaken = fc.record({
  kind: fc.constant('overtaken' as const),
  firstKeysMax: fc.option(fc.integer({ min: 1, max: 4 })),
  isLater: fc.boolean(),
  count: fc.integer({ min: 1, max: 30 }),
  keysMax: fc.integer({ min: 1, max: 8 }),
  passes: fc.integer({ min: 2, max: 5 }),
});

const allSteps = fc.oneof({ weight: 47, arbitrary: steps }, { weight: 6, arbitrary: overtaken });

type Step = typeof allSteps extends fc.Arbitrary<infer S> ? S : never;

const schedules = fc.record({
  steps: fc.array(allSteps, { minLength: 20, maxLength: 90, size: 'max' }),
  tombstoneRetentionMs: fc.integer({ min: 1, max: 100 }),
  compactionShareMin: fc.constantFrom(0.01, 0.5, 1),
  compactionLagMsMin: fc.constantFrom(0, 0, 20),
  compactionLagMsMax: fc.option(fc.integer({ min: 1, max: 100 })),
});

type Schedule = typeof schedules extends fc.Arbitrary<infer S> ? S : never;

/** A log, and who reads it. */
class Run {
  readonly model: CompactionModel;
  #readers: SlowReader[] = [];
  readers = 0;
  complaint: string | null = null;

  constructor(schedule: Schedule, fault: Fault | null) {
    this.model = new CompactionModel(schedule, fault);
  }

  step(step: Step): void {
    const { model } = this;
    if (step.kind === 'append') {
      for (const [key, isTombstone] of step.keys) model.append(key, isTombstone);
      if (step.isSynced) model.sync();
    } else if (step.kind === 'roll') model.roll();
    else if (step.kind === 'time') model.nowMs += step.ms;
    else if (step.kind === 'pass') model.run(step);
    else if (step.kind === 'crash') this.#crash(step.chances);
    else if (step.kind === 'damage') model.damagedOffset = step.at ?? Infinity;
    else if (step.kind === 'guard') model.guardedOffset = step.at ?? Infinity;
    else if (step.kind === 'reader') this.#readers.push(new SlowReader(model.nowMs));
    else if (step.kind === 'read') this.#read(step.which, step.count);
    else this.#overtake(step);
    this.complaint ??= diskComplaint(model);
  }

  #crash(chances: number): void {
    this.model.crash(chances);
    this.#readers = [];
  }

  #read(which: number, count: number): void {
    const reader = this.#readers[which % Math.max(1, this.#readers.length)];
    if (reader?.step(this.model, count) !== true) return;
    this.complaint ??= reader.complaint(this.model);
    this.#readers = this.#readers.filter((other) => other !== reader);
    this.readers++;
  }

  #overtake(step: Extract<Step, { kind: 'overtaken' }>): void {
    const { model } = this;
    const { count, firstKeysMax, isLater, keysMax, passes } = step;
    if (firstKeysMax !== null) {
      model.run({ isAsked: true, keysMax: firstKeysMax, swapsMax: null });
    }
    if (isLater) model.nowMs += model.settings.tombstoneRetentionMs;
    const reader = new SlowReader(model.nowMs);
    reader.step(model, count);
    for (let left = passes; left > 0; left--) model.run({ isAsked: true, keysMax, swapsMax: null });
    reader.step(model, Infinity);
    this.complaint ??= reader.complaint(model);
    this.readers++;
  }

  /** Compacts all there is, waits until all tombstones are due, and compacts that. */
  rest(): void {
    const { model } = this;
    model.damagedOffset = Infinity;
    model.guardedOffset = Infinity;
    model.append('last', false);
    model.roll();
    model.append('active', false);
    model.sync();
    model.nowMs += model.settings.compactionLagMsMin;
    this.#runToEnd();
    model.nowMs += model.settings.tombstoneRetentionMs;
    const { limitOffset, cleanOffset } = this.#runToEnd();
    this.complaint ??= diskComplaint(model) ?? restComplaint(model, limitOffset);
    if (cleanOffset !== limitOffset) this.complaint ??= `clean to ${cleanOffset} of ${limitOffset}`;
    if (limitOffset !== model.endOffset - 1) this.complaint ??= `limited to ${limitOffset}`;
  }

  #runToEnd() {
    const { model } = this;
    for (let passes = 0; passes < PASSES_MAX; passes++) {
      if (model.run({ isAsked: true, keysMax: 2, swapsMax: null }) === null)
        return model.choose(true);
    }
    this.complaint ??= `not done after ${PASSES_MAX} passes`;
    return model.choose(true);
  }
}

function runAll(schedule: Schedule, fault: Fault | null): Run {
  const run = new Run(schedule, fault);
  for (const step of schedule.steps) {
    run.step(step);
    if (run.complaint !== null) return run;
  }
  run.rest();
  return run;
}

test('nothing is lost, nothing comes back, and at rest nothing superseded is left', () => {
  const totals = { swaps: 0, crashes: 0, readers: 0 };
  fc.assert(
    fc.property(schedules, (schedule) => {
      const run = runAll(schedule, null);
      expect(run.complaint).toBeNull();
      totals.swaps += run.model.swapCount;
      totals.crashes += run.model.crashCount;
      totals.readers += run.readers;
    }),
    manyExamples(400),
  );
  // It did something.
  expect(totals.swaps).toBeGreaterThan(1000);
  expect(totals.crashes).toBeGreaterThan(100);
  expect(totals.readers).toBeGreaterThan(100);
});

test('under load, and stopped after each segment, rounds still come to their end', () => {
  const settings = { compactionLagMsMin: 0, compactionLagMsMax: null, compactionShareMin: 1 };
  const model = new CompactionModel({ ...settings, tombstoneRetentionMs: 1000 });
  // Whatever comes supersedes something in the first segment, so each pass would have to do with that.
  for (let round = 0; round < ROUNDS; round++) model.append(`k${round}`, false);
  for (let round = 0; round < ROUNDS; round++) {
    model.roll();
    for (const key of [`k${round}`, 'a', 'b', 'a']) model.append(key, false);
    model.sync();
    model.run({ isAsked: true, keysMax: 2 * ROUNDS, swapsMax: 1 });
  }
  // Each takes as many stops as there were segments, which are twice as many by then.
  expect(model.choose(true).cleanOffset).toBeGreaterThan(ROUNDS + (model.endOffset - ROUNDS) / 8);
});

describe('it is found where there is', () => {
  test.each(FAULTS)('%s', (fault) => {
    const broken = fc.property(schedules, (schedule) => runAll(schedule, fault).complaint === null);
    const { reporter: _, ...options } = propertyOptions<[Schedule]>();
    const search = fc.check(broken, { ...options, numRuns: SEARCHES_MAX, endOnFailure: true });
    expect(search.failed).toBe(true);
  });
});
