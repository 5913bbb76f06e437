/** Batches of encoded records among plain appends, on a disk that is slow, full, and fails. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { DiskFullError, FailedError } from '../../src/core/errors.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../src/log/log-options.ts';
import type { Log } from '../../src/log/log.ts';
import { encodedTexts } from '../support/encoded-texts.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { driven, openTextLog, slowDisk, turns, valuesOf } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { appendEncoded } from '../support/encoded-appends.ts';

type Step =
  | { readonly do: 'append'; readonly count: number; readonly durability: DurabilityLevel }
  | { readonly do: 'encoded'; readonly count: number; readonly bytes: number }
  | { readonly do: 'disk'; readonly calls: number }
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'full' | 'room' | 'refuse' | 'syncSoon' | 'cutPower' | 'failSync' };

const level = fc.constantFrom(...DURABILITY_LEVELS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append'),
      count: fc.integer({ min: 1, max: 4 }),
      durability: level,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('encoded'),
      count: fc.integer({ min: 1, max: 4 }),
      bytes: fc.constantFrom(10, 400),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('disk'), calls: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('time'), ms: fc.constantFrom(1, 50, 1100) }),
  },
  ...(['full', 'room', 'refuse', 'syncSoon', 'cutPower'] as const).map((what) => ({
    weight: what === 'room' ? 3 : 1,
    arbitrary: fc.record({ do: fc.constant(what) }),
  })),
);
const steps = fc.array(step, { minLength: 5, maxLength: 60, size: 'max' });

/** An append, and what became of it. */
interface Append {
  readonly isEncoded: boolean;
  readonly isForSync: boolean;
  readonly texts: readonly string[];
  readonly baseOffset: number;
  readonly nextOffset: number;
  answerCount: number;
  error: unknown;
}

/** How often what was meant to happen did. */
const counts = { answered: 0, takenBack: 0, failed: 0, hidden: 0, seenInImages: 0 };

class Run {
  readonly #fileSystem: FaultyFileSystem;
  readonly #clock: ManualClock;
  readonly #log: Log<string>;
  readonly #appends: Append[] = [];
  /** Of those who waited for a sync, in the order of their answers. */
  readonly #syncedAnswers: number[] = [];
  #textCount = 0;

  constructor(fileSystem: FaultyFileSystem, clock: ManualClock, log: Log<string>) {
    this.#fileSystem = fileSystem;
    this.#clock = clock;
    this.#log = log;
  }

  async take(next: Step): Promise<void> {
    this.#start(next);
    if (next.do === 'cutPower') await this.#checkImage();
    if (next.do === 'disk') {
      for (let call = 0; call < next.calls; call++) {
        this.#fileSystem.completeOne();
        await turns(1);
        this.#check();
      }
    }
    await turns(1);
    this.#check();
  }

  async end(): Promise<void> {
    const { capacityBytes } = this.#fileSystem;
    this.#fileSystem.capacityBytes = Math.max(capacityBytes, 2 ** 40);
    const closing = this.#log.close().catch((error: unknown) => {
      ok(error instanceof FailedError, String(error));
    });
    await driven(this.#fileSystem, closing, this.#clock);
    await turns(2);
    for (const { answerCount, error } of this.#appends) {
      deepStrictEqual(answerCount, 1);
      const isExpected = error instanceof DiskFullError || error instanceof FailedError;
      ok(error === null || isExpected, String(error));
    }
    const sorted = this.#syncedAnswers.toSorted((one, two) => one - two);
    deepStrictEqual(this.#syncedAnswers, sorted, 'answered in the order of offsets');
    await this.#checkImage();
    for (const { isEncoded, error } of this.#appends) {
      if (!isEncoded) continue;
      if (error === null) counts.answered++;
      else if (error instanceof DiskFullError) counts.takenBack++;
      else counts.failed++;
    }
  }

  #start(next: Step): void {
    const fileSystem = this.#fileSystem;
    if (next.do === 'append') this.#append(next.count, next.durability);
    else if (next.do === 'encoded') this.#appendEncoded(next.count, next.bytes);
    else if (next.do === 'time') this.#clock.advance(next.ms);
    else if (next.do === 'full') fileSystem.capacityBytes = fileSystem.disk.tree.usedBytes;
    else if (next.do === 'room') fileSystem.capacityBytes = 2 ** 40;
    else if (next.do === 'syncSoon') this.#log.forStore().encoded.syncSoon();
    else if (next.do === 'refuse') {
      fileSystem.addFault({ operations: ['write'], path: /\.log$/, errno: 'ENOSPC' });
    } else if (next.do === 'failSync') {
      fileSystem.addFault({ operations: ['datasync'], path: /\.log$/, errno: 'EIO' });
    }
  }

  #append(count: number, durability: DurabilityLevel): void {
    const texts = this.#texts(count, 10);
    const append = this.#added({ texts, isEncoded: false, isForSync: durability === 'sync' });
    const records = texts.map((value) => ({ value }));
    this.#watch(append, this.#log.appendBatch(records, { durability }));
  }

  #appendEncoded(count: number, bytes: number): void {
    const texts = this.#texts(count, bytes);
    const append = this.#added({ texts, isEncoded: true, isForSync: true });
    this.#watch(append, appendEncoded(this.#log.forStore().encoded, encodedTexts(texts)));
  }

  #texts(count: number, bytes: number): string[] {
    return Array.from({ length: count }, () => `${this.#textCount++} `.padEnd(bytes, '.'));
  }

  #added(parts: Pick<Append, 'texts' | 'isEncoded' | 'isForSync'>): Append {
    const { endOffset: baseOffset } = this.#log;
    const nextOffset = baseOffset + parts.texts.length;
    const append = { ...parts, baseOffset, nextOffset, answerCount: 0, error: null };
    this.#appends.push(append);
    return append;
  }

  #watch(append: Append, work: Promise<{ readonly baseOffset: number }>): void {
    const answered = async (): Promise<void> => {
      try {
        const { baseOffset } = await work;
        deepStrictEqual(baseOffset, append.baseOffset);
        if (append.isForSync) this.#syncedAnswers.push(baseOffset);
      } catch (error) {
        append.error = error;
      }
      append.answerCount++;
    };
    void answered();
  }

  #check(): void {
    const { visibleOffset, syncedOffset } = this.#log;
    for (const { isEncoded, answerCount, error, baseOffset, nextOffset } of this.#appends) {
      const isAnswered = answerCount > 0 && error === null;
      if (isEncoded && isAnswered) ok(nextOffset <= Math.min(visibleOffset, syncedOffset));
      const isLost = error instanceof FailedError && error.details.indeterminate;
      const isWaiting = answerCount === 0 && nextOffset > syncedOffset;
      if (!isEncoded || !(isLost || isWaiting)) continue;
      ok(visibleOffset <= baseOffset, `${visibleOffset} is behind what begins at ${baseOffset}`);
      counts.hidden++;
    }
  }

  /** Whatever a power cut takes now, it is nothing that was seen of encoded batches or answered. */
  async #checkImage(): Promise<void> {
    const { visibleOffset } = this.#log;
    const kept = this.#appends.filter(
      ({ isEncoded, isForSync, answerCount, error, nextOffset }) => {
        const isAnswered = isForSync && answerCount > 0 && error === null;
        const isSeen = isEncoded && answerCount === 0 && nextOffset <= visibleOffset;
        return isAnswered || isSeen;
      },
    );
    const image = this.#fileSystem.crashImage();
    image.capacityBytes = 2 ** 40;
    const values = await driven(image, contentOf(image));
    for (const { texts, baseOffset, nextOffset } of kept) {
      deepStrictEqual(values.slice(baseOffset, nextOffset), [...texts]);
      counts.seenInImages++;
    }
    for (const { isEncoded, error, texts } of this.#appends) {
      if (isEncoded && error instanceof DiskFullError) ok(!values.includes(texts[0] ?? ''));
    }
  }
}

async function contentOf(image: FaultyFileSystem): Promise<(string | null)[]> {
  const log = await openTextLog(image);
  const values = await valuesOf(log);
  await log.close();
  return values;
}

test('are seen when they are synced and not before, and each is answered once', async () => {
  const failing = fc.option(fc.nat({ max: 60 }), { freq: 3 });
  await fc.assert(
    fc.asyncProperty(level, fc.nat(), steps, failing, async (durability, seed, all, failAt) => {
      const fileSystem = await slowDisk(seed);
      const clock = new ManualClock();
      const options = { clock, durability, flushMs: 40, random: new SeededRandom(seed) };
      const opening = openTextLog(fileSystem, { ...options, batchBytesMax: 1024 });
      const run = new Run(fileSystem, clock, await driven(fileSystem, opening));
      for (const [at, next] of all.entries()) {
        if (at === failAt) await run.take({ do: 'failSync' });
        await run.take(next);
      }
      await run.end();
    }),
    asyncPropertyOptions({ numRuns: 300 }),
  );
  expect(counts.answered).toBeGreaterThan(100);
  expect(counts.takenBack).toBeGreaterThan(10);
  expect(counts.failed).toBeGreaterThan(10);
  expect(counts.hidden).toBeGreaterThan(100);
  expect(counts.seenInImages).toBeGreaterThan(100);
}, 60_000);
