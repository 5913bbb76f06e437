/**
 * Sealed segments of a random log are rewritten, some of them again and again: what is read back is what was
 * kept, byte for byte, and the file is the one that the forger of the tests makes.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { createCompressor } from '../../src/format/compression.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import { parseSegmentHeader, type SegmentHeader } from '../../src/format/segment-header.ts';
import { verifyLog, type VerifyEvent } from '../../src/log/verify.ts';
import { contentOf } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { forgeGeneration } from '../support/forged-generation.ts';
import { faultyDisk, LOG_PATH, segmentPaths } from '../support/log-fixture.ts';
import { makeGaps, MixedLog, tellSegment, type MixedStep } from '../support/mixed-log.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { ClosedRewriting, rewriteSegment, unboundPace } from '../support/rewriting.ts';
import { walkSegment, type WalkedBatch, type WalkedSegment } from '../support/segment-walk.ts';

const STEPS: readonly MixedStep[] = [
  'plain',
  'plain',
  'tombstones',
  'large',
  'identified',
  'produced',
  'projected',
  'reopened',
];
const plan = fc.record({
  seed: fc.nat(),
  steps: fc.array(fc.constantFrom(...STEPS), { minLength: 20, maxLength: 60, size: 'max' }),
  compression: fc.constantFrom('none' as const, 'none' as const, 'gzip' as const),
  gaps: fc.array(fc.nat(), { maxLength: 3 }),
  rewritings: fc.array(
    fc.record({
      which: fc.nat(30),
      share: fc.constantFrom(0, 0.1, 0.5, 0.9, 1),
      seed: fc.nat(),
      compactedTo: fc.option(fc.nat(1000)),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});
type Rewriting = (typeof plan extends fc.Arbitrary<infer T> ? T : never)['rewritings'][number];

/** As that of the forger. */
const compressor = createCompressor('gzip', 6);

const seen = { gaps: 0, removed: 0, empty: 0, sources: 0, fingerprints: 0, generations: 0 };

function headerOf(fileSystem: FaultyFileSystem, path: string): SegmentHeader {
  const { header } = parseSegmentHeader(contentOf(fileSystem, path).slice(0, SEGMENT_HEADER_BYTES));
  if (header === null) throw new Error(`${path} has no header`);
  return header;
}

/** As quick to compare as texts are. */
function shown({ header, batches, tables, index, bytes }: WalkedSegment) {
  const hex = (part: Uint8Array) => Buffer.from(part).toString('hex');
  const show = (batch: WalkedBatch) => ({ ...batch, bytes: hex(batch.bytes) });
  return {
    header,
    batches: batches.map(show),
    tables: tables.map(show),
    index: index === null ? null : show(index),
    bytes: hex(bytes),
  };
}

/** Of each offset, whether it stays, whoever asks and how often. */
function choiceOf({ share, seed }: Rewriting): (record: { readonly offset: number }) => boolean {
  return ({ offset }) => new SeededRandom(seed + offset).next() < share;
}

/** What `verify` finds, but that an index is missing where a repair took it away. */
async function findingsIn(
  fileSystem: FaultyFileSystem,
  rewritten: ReadonlySet<string>,
): Promise<VerifyEvent[]> {
  const found: VerifyEvent[] = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type === 'segment') continue;
    const isOfRewritten = [...rewritten].some((path) => JSON.stringify(event).includes(path));
    if (event.type === 'damage' || isOfRewritten) found.push(event);
  }
  return found;
}

async function surveyOf(fileSystem: FaultyFileSystem, baseOffset: number, rewriting: Rewriting) {
  const log = await ClosedRewriting.open(fileSystem);
  const segment = log.segments.floor(baseOffset);
  if (segment === null) throw new Error('there is no such segment');
  const filter = { begin: () => undefined, keeps: choiceOf(rewriting) };
  const whole = await log.rewriter.survey(segment, filter, unboundPace());
  const first = await log.rewriter.survey(segment, filter, unboundPace(), { stopsAtFirst: true });
  await log.close();
  expect(first.isWhole).toBe(whole.removedCount === 0);
  expect(whole.isWhole).toBe(true);
  return whole;
}

async function checkRewriting(
  fileSystem: FaultyFileSystem,
  path: string,
  rewriting: Rewriting,
): Promise<void> {
  const baseOffset = Number(path.slice(-24, -4));
  const keeps = choiceOf(rewriting);
  const before = await tellSegment(fileSystem, path);
  const old = headerOf(fileSystem, path);
  const survey = await surveyOf(fileSystem, baseOffset, rewriting);
  const { compactedTo } = rewriting;
  const stamps = compactedTo === null ? null : { compactedTo, cleanedTimeMs: compactedTo + 1 };
  const twin = fileSystem.killImage();
  const isSealed = (await walkSegment(fileSystem, path)).index !== null;

  const { segment, ...made } = await rewriteSegment(fileSystem, baseOffset, {
    keeps,
    stamps,
    compressor,
  });

  const after = await tellSegment(fileSystem, path);
  const expected = before.records.filter(keeps);
  expect(after.records).toEqual(expected);
  expect(after.gaps).toEqual(before.gaps);
  const counts = {
    recordCount: expected.length,
    tombstoneCount: expected.filter(({ isTombstone }) => isTombstone).length,
  };
  const removedCount = before.records.length - expected.length;
  expect(made).toMatchObject({ ...counts, removedCount });
  expect(survey).toMatchObject({ ...counts, removedCount });
  const header = headerOf(fileSystem, path);
  const { compactedTo: oldTo, cleanedTimeMs: oldTimeMs } = old;
  expect(header).toMatchObject({
    ...counts,
    generation: old.generation + 1,
    ...(stamps ?? { compactedTo: oldTo, cleanedTimeMs: oldTimeMs }),
  });
  expect(segment.header).toEqual(header);
  expect(segment.sizeBytes).toBe(contentOf(fileSystem, path).length);

  const changes = stamps ?? { compactedTo: oldTo, cleanedTimeMs: oldTimeMs };
  await forgeGeneration(twin, path, { keeps, stamps: { ...counts, ...changes } });
  const found = shown(await walkSegment(fileSystem, path));
  const forged = shown(await walkSegment(twin, path));
  // Where a repair took the index away, nobody knows its epoch any more.
  const unsealed = isSealed ? {} : { tables: null, index: null, bytes: null };
  expect({ ...found, ...unsealed }).toEqual({ ...forged, ...unsealed });
  const bytes = contentOf(fileSystem, path);

  const again = await rewriteSegment(fileSystem, baseOffset, { keeps, compressor });
  const content = contentOf(fileSystem, path).subarray(SEGMENT_HEADER_BYTES);
  expect(Buffer.compare(content, bytes.subarray(SEGMENT_HEADER_BYTES)), 'twice').toBe(0);
  expect(again.removedCount).toBe(0);

  seen.gaps += after.gaps.length;
  seen.removed += removedCount;
  if (expected.length === 0) seen.empty++;
  seen.sources += after.records.filter(({ source }) => source !== null).length;
  seen.fingerprints += after.records.filter(({ fingerprint }) => fingerprint !== null).length;
  seen.generations = Math.max(seen.generations, header.generation);
}

test('the next generation holds what was kept, and nothing else is different', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ seed, steps, compression, gaps, rewritings }) => {
      const fileSystem = await faultyDisk();
      const log = new MixedLog(fileSystem, new SeededRandom(seed), { compression });
      for (const step of steps) await log.run(step);
      await log.close();
      await makeGaps(fileSystem, gaps);
      const rewritten = new Set<string>();
      for (const rewriting of rewritings) {
        const sealed = (await segmentPaths(fileSystem)).slice(0, -1);
        const path = sealed[rewriting.which % Math.max(1, sealed.length)];
        if (path === undefined) continue;
        await checkRewriting(fileSystem, path, rewriting);
        rewritten.add(path);
      }
      expect(await findingsIn(fileSystem, rewritten)).toEqual([]);
      expect((await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect(fileSystem.openFileCount).toBe(0);
    }),
    asyncPropertyOptions({ numRuns: 25, endOnFailure: true }),
  );
  // Or it did not look at them.
  expect(seen.gaps).toBeGreaterThan(2);
  expect(seen.removed).toBeGreaterThan(200);
  expect(seen.empty).toBeGreaterThan(2);
  expect(seen.sources).toBeGreaterThan(20);
  expect(seen.fingerprints).toBeGreaterThan(20);
  expect(seen.generations).toBeGreaterThan(1);
});
