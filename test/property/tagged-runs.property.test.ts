/** Runs with and without a tag, appended and committed, through reopenings: what was said comes back. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { TAGGED_RECORDS_MAX } from '../../src/core/limits.ts';
import { BATCH_HEADER_BYTES } from '../../src/format/layout.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { appendRun } from '../../src/log/append-run.ts';
import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import type { Log } from '../../src/log/log.ts';
import type { RecordRun } from '../../src/log/record-run.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { AVAILABLE_COMPRESSIONS } from '../support/compressions.ts';
import { LOG_PATH, openTextLog, valuesOf, type TextLogOptions } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import {
  encodable,
  identifiedRun,
  plainRun,
  producedRun,
  tagsIn,
  type RecordTag,
  type TaggedBatches,
} from '../support/tagged-runs.ts';

type RunKind = 'plain' | 'consecutive' | 'gaps' | 'ids';

interface RunPlan {
  readonly kind: RunKind;
  /** Sizes of the values. */
  readonly sizes: readonly number[];
  /** Of the keys: none, ASCII, or not. */
  readonly key: string | null;
  readonly seed: number;
}

type Step =
  | { readonly do: 'append'; readonly run: RunPlan }
  | { readonly do: 'commit'; readonly runs: readonly RunPlan[] }
  | { readonly do: 'together'; readonly runs: readonly RunPlan[] }
  | { readonly do: 'reopen' };

const size = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 8, max: 120 }) },
  { weight: 1, arbitrary: fc.integer({ min: 900, max: 1100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 3900, max: 6000 }) },
);
const run: fc.Arbitrary<RunPlan> = fc.record({
  kind: fc.constantFrom('plain', 'consecutive', 'gaps', 'ids'),
  sizes: fc.oneof(
    fc.array(size, { minLength: 1, maxLength: 40 }),
    fc.integer({ min: 0, max: 300 }).map((count) => Array<number>(count).fill(10)),
  ),
  key: fc.constantFrom(null, 'key', 'schlüssel', '\ud800'),
  seed: fc.nat(2 ** 31 - 1),
});
const runs = fc.array(run, { minLength: 1, maxLength: 5 });
/** A commit brings a record to each of its logs, at least. */
const committedRuns = runs.filter((all) => all.some(({ sizes }) => sizes.length > 0));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append'), run }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit'), runs: committedRuns }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('together'), runs }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen') }) },
);
const options = fc.record({
  segmentBytesMax: fc.constantFrom(4096, 16_384, 65_536),
  batchBytesMax: fc.constantFrom(1024, 4096, 65_536),
  durability: fc.constantFrom(...DURABILITY_LEVELS),
  compression: fc.constantFrom('none', 'none', ...AVAILABLE_COMPRESSIONS),
});

const seen = { tagged: 0, cut: 0, compressed: 0, reopened: 0, committed: 0, large: 0 };

/** What was appended: its records with what is to be said of them, and where each run begins. */
class Expected {
  readonly records: RecordTag[] = [];
  readonly #runStarts = new Map<number, { readonly plan: RunPlan; readonly run: RecordRun }>();
  /** Run of each record. */
  readonly starts: number[] = [];

  add(plan: RunPlan): RecordRun {
    const start = this.records.length;
    const values = plan.sizes.map((bytes, n) => `${start + n} `.padEnd(bytes, '.'));
    const encoded = values.map((value) => encodable(value, plan.key));
    const producer = {
      producerId: plan.seed + 1,
      producerEpoch: plan.seed,
      confirmed: plan.seed % 99,
    };
    const base = plan.seed * 2 ** (plan.seed % 20);
    const sequences = values.map((_, n) =>
      plan.kind === 'gaps' ? base + n * (1 + (plan.seed % 1000)) : base + n,
    );
    const ids = values.map((_, n) => (n % 3 === 0 ? null : ([plan.seed, n] as const)));
    const made = {
      plain: () => plainRun(encoded),
      consecutive: () => producedRun(encoded, producer, base),
      gaps: () => producedRun(encoded, producer, sequences),
      ids: () => identifiedRun(encoded, ids),
    }[plan.kind]();
    this.#runStarts.set(start, { plan, run: made });
    const isProduced = plan.kind === 'consecutive' || plan.kind === 'gaps';
    for (const [n, value] of values.entries()) {
      this.starts.push(start);
      this.records.push({
        offset: start + n,
        value,
        producerId: isProduced ? producer.producerId : 0,
        producerEpoch: isProduced ? producer.producerEpoch % 2 ** 16 : 0,
        sequence: isProduced ? (sequences[n] ?? null) : null,
        confirmed: isProduced ? producer.confirmed : null,
        fingerprint: plan.kind === 'ids' ? textOf(ids[n] ?? null) : null,
      });
    }
    return made;
  }

  runAt(offset: number): { readonly plan: RunPlan; readonly run: RecordRun; readonly at: number } {
    const at = this.starts[offset] ?? -1;
    const found = this.#runStarts.get(at);
    if (found === undefined) throw new Error(`a run holds offset ${offset}`);
    return { ...found, at };
  }
}

function textOf(id: readonly [number, number] | null): string | null {
  return id?.map((word) => word.toString(16).padStart(8, '0')).join('') ?? null;
}

async function take(next: Step, log: Log<string>, expected: Expected): Promise<void> {
  const { appender } = log.forStore();
  const level = { durability: 'sync' } as const;
  if (next.do === 'append') await appendRun(appender, expected.add(next.run), level);
  else if (next.do === 'together') {
    const sent = next.runs.map((plan) => appendRun(appender, expected.add(plan), level));
    await Promise.all(sent);
  } else if (next.do === 'commit') {
    const held = appender.commits.hold(next.runs.map((plan) => expected.add(plan)));
    await held.ready();
    held.release();
    await held.ended;
    held.show();
    seen.committed++;
  }
}

function checkBatches(found: TaggedBatches, expected: Expected, set: TextLogOptions): void {
  for (const [at, batch] of found.batches.entries()) {
    const { plan, run: own, at: start } = expected.runAt(batch.baseOffset);
    const isTagged = own.tag !== null;
    deepStrictEqual(batch.isTagged, isTagged);
    const last = expected.runAt(batch.baseOffset + batch.recordCount - 1);
    const nextOffset = batch.baseOffset + batch.recordCount;
    if (batch.compression !== 'none') seen.compressed++;
    if (!isTagged) {
      ok(last.run.tag === null, 'no tagged record is in a batch with others');
      continue;
    }
    seen.tagged++;
    deepStrictEqual(last.at, start, 'a tagged batch is of one run');
    ok(batch.recordCount <= TAGGED_RECORDS_MAX);
    const following = found.batches[at + 1];
    if (following === undefined || expected.starts[nextOffset] !== start) continue;
    // It was cut: with the next record it would have been too large for a batch, or the segment.
    const sizeOf = (n: number) => own.records[n]?.sizeBytes ?? NaN;
    let bytes = BATCH_HEADER_BYTES;
    for (let n = batch.baseOffset; n <= nextOffset; n++) bytes += sizeOf(n - start);
    const tag = own.tag;
    bytes += tag.extensionBytesMax(batch.recordCount + 1);
    const { batchBytesMax = 0, segmentBytesMax = 0 } = set;
    const room = Math.min(batchBytesMax, segmentBytesMax - batch.position);
    ok(bytes > room, `${bytes} bytes would fit ${room}`);
    if (batch.recordCount > 1) ok(batch.uncompressedBytes <= room, 'it is not larger either');
    if (batch.uncompressedBytes > room) seen.large++;
    seen.cut++;
    ok(plan.sizes.length > batch.recordCount);
  }
}

test('say the same when they are read, in batches of their own that are as full as may be', async () => {
  const steps = fc.array(step, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(options, steps, async (set, all) => {
      const fileSystem = new MemoryFileSystem();
      const expected = new Expected();
      let log = await openTextLog(fileSystem, set);
      for (const next of all) {
        await take(next, log, expected);
        if (next.do !== 'reopen') continue;
        await log.close();
        log = await openTextLog(fileSystem, set);
        seen.reopened++;
      }
      deepStrictEqual(
        await valuesOf(log),
        expected.records.map(({ value }) => value),
      );
      await log.close();
      const found = await tagsIn(fileSystem, LOG_PATH);
      deepStrictEqual(found.records, expected.records);
      checkBatches(found, expected, set);
      let taggedCount = 0;
      for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
        ok(event.type !== 'damage', JSON.stringify(event));
        if (event.type === 'segment') taggedCount += event.producedCount + event.fingerprintedCount;
      }
      deepStrictEqual(taggedCount, found.batches.filter(({ isTagged }) => isTagged).length);
    }),
    asyncPropertyOptions({ numRuns: 200 }),
  );
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(20);
}, 60_000);
