/** What a rewriting asks of the log, the disk and the time that it may take. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CorruptLogError, DiskFullError, ioErrorOf } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/limits.ts';
import { Pace } from '../../../src/core/pace.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { Rewritten } from '../../../src/log/segment-rewriter.ts';
import type { Segment } from '../../../src/segment/segment.ts';
import { cut, damage, flipBit } from '../../support/disk-damage.ts';
import type { Call } from '../../support/fault-plan.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  segmentPaths,
  settle,
  textsFrom,
} from '../../support/log-fixture.ts';
import {
  ClosedRewriting,
  CountedPace,
  unboundPace,
  type ClosedRewritingOptions,
} from '../../support/rewriting.ts';
import { walkSegment } from '../../support/segment-walk.ts';

const keepsAll = { begin: () => undefined, keeps: () => true };
const keepsHalf = {
  begin: () => undefined,
  keeps: ({ offset }: { readonly offset: number }) => offset % 2 === 0,
};

function segmentAt(log: ClosedRewriting, at: number): Segment {
  const segment = log.segments.all[at];
  if (segment === undefined) throw new Error(`there is no segment ${at}`);
  return segment;
}

async function namesIn(fileSystem: FaultyFileSystem): Promise<string[]> {
  return (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'));
}

test('a batch of many records is gone through in steps of 1,024, also to see what would be left', async () => {
  const fileSystem = await faultyDisk();
  const large = MIB;
  const sizes = { segmentBytesMax: large, batchBytesMax: large, queuedBytesMax: 4 * large };
  const written = await openTextLog(fileSystem, { durability: 'os', ...sizes });
  const records = Array.from({ length: 20_000 }, (_, at) => ({ key: `${at}`, value: '' }));
  await written.appendBatch(records);
  await written.append({ key: 'next', value: '.'.repeat(large - 1000) });
  await written.close();
  const log = await ClosedRewriting.open(fileSystem);
  const segment = segmentAt(log, 0);
  const steps = Math.floor(20_000 / 1024);
  const [looking, making] = [new CountedPace(), new CountedPace()];
  const survey = await log.rewriter.survey(segment, keepsHalf, looking);
  expect(survey).toMatchObject({ recordCount: 10_000, removedCount: 10_000, isWhole: true });
  const made = await log.rewriter.rewrite(segment, {
    filter: keepsHalf,
    stamps: null,
    pace: making,
  });
  expect(made).toMatchObject({ recordCount: 10_000, removedCount: 10_000 });
  // Each walk has two turns of its own; what was made is written, and walked to read it back.
  expect([looking.turns, making.turns]).toEqual([steps + 2, steps + 5]);
  await log.close();
});

describe('a segment of small batches', () => {
  async function prepare(options: ClosedRewritingOptions = {}) {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 80);
    await log.close();
    return { fileSystem, log: await ClosedRewriting.open(fileSystem, options) };
  }

  /** On a disk with room for so many bytes at once. */
  async function prepareFull(roomBytes: number) {
    const asked: number[] = [];
    const refusal = (sizeBytes: number) => {
      asked.push(sizeBytes);
      if (sizeBytes <= roomBytes) return Promise.resolve(null);
      const place = { path: LOG_PATH, operation: 'rewrite', position: null };
      return Promise.resolve(ioErrorOf({ ...place, errno: 'ENOSPC' }));
    };
    return { ...(await prepare({ space: { refusal } })), asked };
  }

  test('is not begun where there is no room for what stays', async () => {
    const { log, asked, fileSystem } = await prepareFull(100);
    const rewriting = { filter: keepsHalf, stamps: null, pace: unboundPace() };
    const segment = segmentAt(log, 1);
    const error = await rejectionOf(log.rewriter.rewrite(segment, rewriting));
    expect(error).toBeInstanceOf(DiskFullError);
    expect(await namesIn(fileSystem)).toEqual([]);
    const survey = await log.rewriter.survey(segment, keepsHalf, unboundPace());
    expect(asked).toEqual([segment.sizeBytes, survey.sizeBytes]);
  });

  test('goes where there is room for what stays, and not for what it has', async () => {
    const { log } = await prepareFull(3072);
    const rewriting = { filter: keepsHalf, stamps: null, pace: unboundPace() };
    const { segment, old } = await log.rewriter.rewrite(segmentAt(log, 1), rewriting);
    expect(segment.sizeBytes).toBeLessThanOrEqual(3072);
    expect(old.sizeBytes).toBeGreaterThan(3072);
    await log.close();
  });

  test.each<[string, (fileSystem: FaultyFileSystem, path: string) => void | Promise<void>, string]>(
    [
      ['a damaged batch', (disk, path) => flipBit(disk, path, { position: 700 }), 'batch'],
      ['a damaged header', (disk, path) => flipBit(disk, path, { position: 20 }), 'header'],
      [
        'batches missing at its end',
        async (disk, path) =>
          cut(disk, path, (await walkSegment(disk, path)).batches.at(-1)?.position ?? 0),
        'length',
      ],
      [
        'an end that is not the one which the next one states',
        async (disk, path) => {
          const donor = await faultyDisk();
          const other = await openTextLog(donor, { clock: new ManualClock(5) });
          await appendEach(other, 80);
          await other.close();
          const { bytes } = await walkSegment(donor, path);
          damage(disk, path, () => bytes);
        },
        'chain',
      ],
    ],
  )('is left alone with %s', async (_name, harm, kind) => {
    const { fileSystem, log } = await prepare();
    const [, path = ''] = await segmentPaths(fileSystem);
    await harm(fileSystem, path);
    const rewriting = { filter: keepsHalf, stamps: null, pace: unboundPace() };
    const error = await rejectionOf(log.rewriter.rewrite(segmentAt(log, 1), rewriting));
    if (!(error instanceof CorruptLogError)) throw error;
    expect(error.details.kind).toBe(kind);
    expect(await namesIn(fileSystem)).toEqual([]);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  });

  test('is told of once to its filter, before its records, header and end known', async () => {
    const { log } = await prepare();
    const told: unknown[] = [];
    const filter = {
      begin: (segment: Segment, end: number) => {
        told.push([segment.baseOffset, segment.header?.baseOffset, end]);
      },
      keeps: ({ offset }: { readonly offset: number }) => {
        told.push(offset);
        return true;
      },
    };
    const { baseOffset } = segmentAt(log, 1);
    const { baseOffset: end } = segmentAt(log, 2);
    await log.rewriter.survey(segmentAt(log, 1), filter, unboundPace());
    const offsets = Array.from({ length: end - baseOffset }, (_, at) => baseOffset + at);
    expect(told).toEqual([[baseOffset, baseOffset, end], ...offsets]);
  });

  test('whose next generation is not wanted after all is discarded, also twice', async () => {
    const { fileSystem, log } = await prepare();
    const rewriting = { filter: keepsHalf, stamps: null, pace: unboundPace() };
    const made = await log.rewriter.rewrite(segmentAt(log, 1), rewriting);
    expect(await namesIn(fileSystem)).toHaveLength(1);
    await log.rewriter.discard(made);
    await log.rewriter.discard(made);
    expect(await namesIn(fileSystem)).toEqual([]);
  });
});

test('an index that was missing gets the epoch of who began the next segment', async () => {
  const fileSystem = await faultyDisk();
  for (let life = 0; life < 80; life++) {
    const log = await openTextLog(fileSystem, { random: new SeededRandom(life + 1) });
    await appendEach(log, 1);
    await log.close();
  }
  const [, path = '', nextPath = ''] = await segmentPaths(fileSystem);
  const { index, batches } = await walkSegment(fileSystem, path);
  cut(fileSystem, path, index?.position ?? 0);
  const log = await ClosedRewriting.open(fileSystem);
  const rewriting = { filter: keepsHalf, stamps: null, pace: unboundPace() };
  await log.swap(await log.rewriter.rewrite(segmentAt(log, 1), rewriting));
  await log.close();
  const { header: next } = await walkSegment(fileSystem, nextPath);
  expect(batches.at(-1)?.header.epoch).toBeLessThan(next.epoch);
  expect((await walkSegment(fileSystem, path)).index?.header.epoch).toBe(next.epoch);
});

describe('a segment of 20 MiB', () => {
  const BYTES = 20 * MIB;

  async function prepare() {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { segmentBytesMax: BYTES, durability: 'os' });
    const records = textsFrom(0, 320).map((text) => ({ value: text.padEnd(MIB / 16) }));
    while (log.endOffset < 400) await log.appendBatch(records);
    await log.close();
    return fileSystem;
  }

  test('is written in pieces, and synced every 8 MiB, in the turn of the background', async () => {
    const prepared = await prepare();
    const calls: Call[] = [];
    const turns: string[] = [];
    const fileSystem = prepared.killImage(
      {},
      { random: new SeededRandom(1), trace: (_, call) => calls.push(call) },
    );
    const takeTurn = (isBackground: boolean) => {
      turns.push(isBackground ? 'background' : 'awaited');
      const begun = settle().then(() => void turns.push('begun'));
      return { begun, hurry: () => undefined, end: () => void turns.push('end') };
    };
    const log = await ClosedRewriting.open(fileSystem, { takeTurn });
    const rewriting = { filter: keepsAll, stamps: null, pace: unboundPace() };
    await log.rewriter.rewrite(segmentAt(log, 0), rewriting);
    await log.close();
    expect(turns.join()).toBe(Array(3).fill('background,begun,end').join());
    let unsyncedBytes = 0;
    let unsyncedBytesMax = 0;
    for (const { operation, path, length = 0 } of calls) {
      if (!path.endsWith('.tmp')) continue;
      if (operation === 'write') {
        expect(length).toBeLessThan(2 * MIB);
        unsyncedBytes += length;
        unsyncedBytesMax = Math.max(unsyncedBytesMax, unsyncedBytes);
      } else if (operation === 'datasync') unsyncedBytes = 0;
    }
    expect(unsyncedBytesMax).toBeGreaterThanOrEqual(8 * MIB);
    expect(unsyncedBytesMax).toBeLessThan(10 * MIB);
    expect(unsyncedBytes).toBe(0);
  });

  test('takes the time that its bytes may take, those read, written and read back', async () => {
    const fileSystem = await prepare();
    const log = await ClosedRewriting.open(fileSystem);
    const clock = new ManualClock();
    const pace = new Pace({ clock, bytesPerSecondMax: 10 * MIB, keepsAlive: true });
    const startMs = clock.monotonic();
    const segment = segmentAt(log, 0);
    const made: Rewritten[] = [];
    const rewriting = { filter: keepsHalf, stamps: null, pace };
    const making = log.rewriter.rewrite(segment, rewriting).then((one) => made.push(one));
    while (made.length === 0) {
      await settle();
      clock.advance(10);
    }
    await making;
    const bytes = segment.sizeBytes + 2 * (made[0]?.segment.sizeBytes ?? 0);
    const seconds = (clock.monotonic() - startMs) / 1000;
    expect(seconds).toBeGreaterThan(bytes / (10 * MIB) - 0.2);
    expect(seconds).toBeLessThan(bytes / (10 * MIB) + 0.5);
    await log.close();
  });
});
