/**
 * Segments of a random log are rewritten without some of their records, some of them twice: what is left is
 * read, found by time, verified, dumped and recovered as if the others had never been.
 */
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { appendRun } from '../../src/log/append-run.ts';
import type { Log } from '../../src/log/log.ts';
import { dumpSegment } from '../../src/log/segment-dump.ts';
import { verifyLog, type VerifyEvent } from '../../src/log/verify.ts';
import { rewriteSegment } from '../support/rewriting.ts';
import { LOG_PATH, openTextLog, type TextLogOptions } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { encodable, identifiedRun, producedRun } from '../support/tagged-runs.ts';

/** What was appended to one offset. */
interface Appended {
  readonly key: string | null;
  readonly value: string | null;
  readonly createTimeMs: number;
  readonly epoch: number;
  readonly appendTimeMs: number;
  /** Two words of 32 bits as hex; null = it has no id. */
  readonly id: string | null;
}

type Model = Map<number, Appended>;

const record = fc.record({
  key: fc.option(fc.constantFrom('a', 'b', 'c', 'ключ')),
  value: fc.option(fc.nat(800), { freq: 4 }),
  /** Create times are whatever a caller says. */
  createTimeMs: fc.integer({ min: 0, max: 5000 }),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ records: fc.array(record, { minLength: 1, maxLength: 9 }) }),
  },
  { weight: 2, arbitrary: fc.record({ ids: fc.array(fc.nat(5), { minLength: 1, maxLength: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ produced: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ reopens: true as const }) },
);
const plan = fc.record({
  steps: fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }),
  compression: fc.constantFrom('none' as const, 'none' as const, 'gzip' as const),
  /** Of each rewriting: which segment, and which share of its records stays. */
  rewritings: fc.array(fc.tuple(fc.nat(30), fc.constantFrom(0, 0.1, 0.5, 0.9, 1), fc.nat()), {
    minLength: 1,
    maxLength: 8,
  }),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

class Writer {
  readonly fileSystem = new MemoryFileSystem();
  readonly model: Model = new Map();
  readonly clock = new ManualClock();
  readonly #random = new SeededRandom(1);
  readonly #options: TextLogOptions;
  #log: Log<string> | null = null;
  #sequence = 0;

  constructor(options: TextLogOptions) {
    this.#options = { ...options, clock: this.clock };
  }

  async open(): Promise<Log<string>> {
    this.#log ??= await openTextLog(this.fileSystem, { ...this.#options, random: this.#random });
    return this.#log;
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = null;
  }

  async run(one: Plan['steps'][number]): Promise<void> {
    this.clock.advance(7);
    if ('reopens' in one) await this.close();
    else if ('records' in one) await this.#append(one.records);
    else if ('ids' in one) await this.#appendIds(one.ids);
    else await this.#produce(one.produced);
  }

  async #append(records: readonly (typeof record extends fc.Arbitrary<infer T> ? T : never)[]) {
    const log = await this.open();
    const inputs = records.map(({ key, value, createTimeMs }) => ({
      ...(key === null ? {} : { key }),
      value: value === null ? null : 'v'.repeat(value),
      createTimeMs,
    }));
    const { baseOffset } = await log.appendBatch(inputs);
    for (const [at, { value, createTimeMs }] of inputs.entries()) {
      const key = records[at]?.key ?? null;
      this.#remember(log, baseOffset + at, { key, value, createTimeMs, id: null });
    }
  }

  async #appendIds(ids: readonly number[]): Promise<void> {
    const log = await this.open();
    const words = ids.map((id) => (id === 0 ? null : ([id, 1000 + id] as const)));
    const run = identifiedRun(
      ids.map((id) => encodable(`id ${id}`, 'k')),
      words,
    );
    const { baseOffset } = await appendRun(log.forStore().appender, run, { durability: 'sync' });
    for (const [at, id] of ids.entries()) {
      const hex = (word: number) => word.toString(16).padStart(8, '0');
      const known = id === 0 ? null : `${hex(id)}${hex(1000 + id)}`;
      const fields = { key: 'k', value: `id ${id}`, createTimeMs: 1000, id: known };
      this.#remember(log, baseOffset + at, fields);
    }
  }

  async #produce(count: number): Promise<void> {
    const log = await this.open();
    const values = Array.from({ length: count }, (_, n) => `produced ${n}`);
    const producer = { producerId: 7, producerEpoch: 1, confirmed: 0 };
    const run = producedRun(
      values.map((value) => encodable(value)),
      producer,
      this.#sequence,
    );
    this.#sequence += count;
    const { baseOffset } = await appendRun(log.forStore().appender, run, { durability: 'sync' });
    for (const [at, value] of values.entries()) {
      this.#remember(log, baseOffset + at, { key: null, value, createTimeMs: 1000, id: null });
    }
  }

  #remember(log: Log<string>, offset: number, fields: Omit<Appended, 'epoch' | 'appendTimeMs'>) {
    this.model.set(offset, { ...fields, epoch: log.epoch, appendTimeMs: this.clock.now() });
  }
}

/** Rewrites sealed segments, and takes out of the model what they lose. @returns base offsets of those */
async function rewrite(writer: Writer, rewritings: Plan['rewritings']): Promise<Set<number>> {
  const { fileSystem, model } = writer;
  const rewritten = new Set<number>();
  for (const [which, share, seed] of rewritings) {
    const sealed = (await segmentNames(fileSystem)).slice(0, -1);
    const name = sealed[which % Math.max(1, sealed.length)];
    if (name === undefined) continue;
    const random = new SeededRandom(seed);
    await rewriteSegment(fileSystem, Number(name.slice(0, -4)), {
      keeps: ({ offset }) => {
        const stays = random.next() < share;
        if (!stays) model.delete(offset);
        return stays;
      },
    });
    rewritten.add(Number(name.slice(0, -4)));
  }
  return rewritten;
}

async function segmentNames(fileSystem: FileSystem): Promise<string[]> {
  return (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.log')).toSorted();
}

async function readAll(log: Log<string>, from = 0): Promise<Map<number, Appended>> {
  const found = new Map<number, Appended>();
  let end = from;
  for await (const batch of log.batches({ from })) {
    expect(batch.baseOffset).toBeGreaterThanOrEqual(end);
    expect(batch.recordCount).toBeGreaterThan(0);
    end = batch.nextOffset;
    for (const { offset, key, value, createTimeMs } of batch) {
      const { epoch, appendTimeMs } = batch;
      const keyText = key === null ? null : Buffer.from(key).toString();
      found.set(offset, { key: keyText, value, createTimeMs, epoch, appendTimeMs, id: null });
    }
  }
  return found;
}

const withoutIds = (model: Model) =>
  new Map([...model].map(([offset, fields]) => [offset, { ...fields, id: null }]));

async function checkReads(log: Log<string>, model: Model): Promise<void> {
  const expected = withoutIds(model);
  expect(await readAll(log)).toEqual(expected);
  const from = Math.floor(log.endOffset / 3);
  expect(await readAll(log, from)).toEqual(new Map([...expected].filter(([at]) => at >= from)));
  for (let offset = 0; offset < log.endOffset; offset++) {
    const found = await log.read(offset);
    expect(found?.value ?? null, `offset ${offset}`).toBe(model.get(offset)?.value ?? null);
    expect(found?.offset ?? null, `offset ${offset}`).toBe(model.has(offset) ? offset : null);
  }
  for (const timestamp of [0, 1, 1000, 2500, 5000]) {
    const wanted = [...model].find(([, { createTimeMs }]) => createTimeMs >= timestamp)?.[0];
    const records = log.records({ from: { timestamp }, limit: 1 });
    const { value: first } = await records.next();
    await records.return();
    expect(first?.offset, `at ${timestamp}`).toBe(wanted);
  }
}

async function checkDisk(fileSystem: FileSystem, model: Model, endOffset: number): Promise<void> {
  const events: VerifyEvent[] = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) events.push(event);
  expect(events.filter(({ type }) => type !== 'segment')).toEqual([]);
  const segments = events.filter((event) => event.type === 'segment');
  const sum = (of: 'recordCount' | 'removedCount') =>
    segments.reduce((total, segment) => total + segment[of], 0);
  expect(sum('recordCount')).toBe(model.size);
  expect(sum('removedCount')).toBe(endOffset - model.size);
  const ids = new Map<number, string | null>();
  for (const name of await segmentNames(fileSystem)) {
    for await (const event of dumpSegment(join(LOG_PATH, name), { fileSystem })) {
      expect(event.type).not.toBe('damage');
      if (event.type !== 'batch') continue;
      for (const [at, { offset }] of event.records.entries()) {
        ids.set(offset, event.fingerprints?.[at] ?? null);
      }
    }
  }
  expect(ids).toEqual(new Map([...model].map(([offset, { id }]) => [offset, id])));
}

test('what is left of segments that were rewritten is all there is, whoever looks', async () => {
  let rewrittenCount = 0;
  let removedCount = 0;
  await fc.assert(
    fc.asyncProperty(plan, async ({ steps, compression, rewritings }) => {
      const writer = new Writer({ compression });
      const { fileSystem, model } = writer;
      for (const one of steps) await writer.run(one);
      const { endOffset } = await writer.open();
      await writer.close();
      rewrittenCount += (await rewrite(writer, rewritings)).size;
      removedCount += endOffset - model.size;

      const reader = await openTextLog(fileSystem, { readOnly: true });
      await checkReads(reader, model);
      await reader.close();
      await checkDisk(fileSystem, model, endOffset);

      const log = await writer.open();
      expect(log.recovery).toMatchObject({ outcome: 'clean', cutBytes: 0, gaps: [], damage: null });
      expect(log.endOffset).toBe(endOffset);
      await writer.run({ records: [{ key: 'a', value: 3, createTimeMs: 4999 }] });
      await checkReads(log, model);
      await writer.close();
      await checkDisk(fileSystem, model, endOffset + 1);
    }),
    asyncPropertyOptions({ numRuns: 40, endOnFailure: true }),
  );
  expect(rewrittenCount).toBeGreaterThan(40);
  expect(removedCount).toBeGreaterThan(400);
});
