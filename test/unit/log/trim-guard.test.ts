/** Who guards a log is asked before its start moves, and obeyed. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { ConflictError, FailedError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { readCheckpoint } from '../../../src/log/checkpoint-file.ts';
import { LogDirectory } from '../../../src/log/log-directory.ts';
import { ownHome, type LogEvents } from '../../../src/log/log-home.ts';
import { resolveLogOptions } from '../../../src/log/log-options.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import type { TrimGuard, TrimReason } from '../../../src/log/trim-guard.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  offsetsOf,
  rejectionOf,
  segmentNames,
  settle,
  type TextLogOptions,
} from '../../support/log-fixture.ts';

const HOUR_MS = 3_600_000;
const EVERYTHING = Number.MAX_SAFE_INTEGER;

/** Lets the start go no further than `limit`. */
class TestGuard implements TrimGuard {
  limit = EVERYTHING;
  readonly asked: number[] = [];
  readonly reasons = new Set<TrimReason>();
  /** Runs while it is asked. */
  onAsked: (offset: number) => Promise<unknown> = () => Promise.resolve();

  async allow(offset: number, why: TrimReason): Promise<number> {
    this.asked.push(offset);
    this.reasons.add(why);
    await this.onAsked(offset);
    return Math.min(offset, this.limit);
  }
}

interface Setup {
  readonly fileSystem?: FileSystem;
  readonly options?: TextLogOptions;
}

/** 100 records in small segments, all more than an hour old. */
async function setup({ fileSystem = new MemoryFileSystem(), options }: Setup = {}) {
  const clock = new ManualClock();
  const settings = resolveLogOptions({
    fileSystem,
    clock,
    codec: utf8,
    random: new SeededRandom(1),
    segmentBytesMax: 4096,
    ...options,
  });
  const trimGuard = new TestGuard();
  const home = { ...ownHome(settings), trimGuard };
  const log = await openLogIn(LOG_PATH, settings, home);
  await appendEach(log, 100);
  await settle();
  clock.advance(HOUR_MS + 1);
  const bases = (await segmentNames(fileSystem)).map((name) => Number(name.slice(0, 20)));
  return { fileSystem, clock, log, guard: trimGuard, bases };
}

function baseAt(bases: readonly number[], at: number): number {
  return present(bases.at(at), 'a segment');
}

async function expectStart(log: Log<string>, fileSystem: FileSystem, bases: readonly number[]) {
  expect(log.startOffset).toBe(bases[0]);
  const names = await segmentNames(fileSystem);
  expect(names.map((name) => Number(name.slice(0, 20)))).toEqual(bases);
  expect((await offsetsOf(log))[0]).toBe(bases[0]);
}

/** The ways in which the start moves, each to the last segment if it may. */
const WAYS = [
  ['by age', 'retention', { retentionMs: HOUR_MS }, (log: Log<string>) => log.retain()],
  ['by size', 'retention', { retentionBytes: 0 }, (log: Log<string>) => log.retain()],
  ['of what is settled', 'settled', {}, (log: Log<string>) => log.retain(log.endOffset)],
] as const;

describe.each(WAYS)('retention %s', (_, why, policy, retain) => {
  // Only when it is told to: not at each roll.
  async function quiet(events?: LogEvents) {
    const made = await setup();
    expect(made.bases.length).toBeGreaterThan(3);
    await made.log.close();
    const { fileSystem, clock, guard } = made;
    const options = { fileSystem, clock, codec: utf8, segmentBytesMax: 4096, ...policy };
    const settings = resolveLogOptions({ ...options, create: false });
    const home = { ...ownHome(settings), trimGuard: guard, events: events ?? null };
    return { ...made, log: await openLogIn(LOG_PATH, settings, home) };
  }

  test('goes as far as it wants when the guard lets it', async () => {
    const { fileSystem, log, guard, bases } = await quiet();
    const { startOffset, deletedSegmentCount } = await retain(log);
    expect(guard.asked).toEqual([baseAt(bases, -1)]);
    expect([...guard.reasons]).toEqual([why]);
    expect([startOffset, deletedSegmentCount]).toEqual([baseAt(bases, -1), bases.length - 1]);
    await expectStart(log, fileSystem, bases.slice(-1));
    await log.close();
  });

  test('lets go of those segments alone that lie wholly below what is allowed', async () => {
    const retained: number[] = [];
    const events = {
      rolled: () => undefined,
      retained: ({ startOffset }: { readonly startOffset: number }) => retained.push(startOffset),
      compacted: () => undefined,
      slowSync: () => undefined,
      failed: () => undefined,
    };
    const { fileSystem, log, guard, bases } = await quiet(events);
    guard.limit = baseAt(bases, 2) - 1;
    expect(await retain(log)).toMatchObject({
      startOffset: baseAt(bases, 1),
      deletedSegmentCount: 1,
    });
    await expectStart(log, fileSystem, bases.slice(1));
    guard.limit = baseAt(bases, 2);
    expect(await retain(log)).toMatchObject({
      startOffset: baseAt(bases, 2),
      deletedSegmentCount: 1,
    });
    await expectStart(log, fileSystem, bases.slice(2));
    expect(retained).toEqual(bases.slice(1, 3));
    const { age, size, settled } = log.stats().retainedAway;
    expect(age + size + settled).toBe(2);
    await log.close();
  });

  test('deletes nothing when not even one segment may go, and asks again the next time', async () => {
    const { fileSystem, log, guard, bases } = await quiet();
    for (const limit of [0, baseAt(bases, 1) - 1]) {
      guard.limit = limit;
      expect(await retain(log)).toEqual({
        startOffset: 0,
        deletedSegmentCount: 0,
        deletedBytes: 0,
      });
      await expectStart(log, fileSystem, bases);
    }
    expect(guard.asked).toEqual([baseAt(bases, -1), baseAt(bases, -1)]);
    await log.close();
  });

  test('asks nobody when nothing would go', async () => {
    const { log, guard } = await quiet();
    await retain(log);
    expect(guard.asked).toHaveLength(1);
    await retain(log); // The last segment always stays.
    await log.retain(0);
    expect(guard.asked).toHaveLength(1);
    await log.close();
  });
});

test('retention by size counts the whole log where only a part of it may go', async () => {
  const { fileSystem, log, guard } = await setup({ options: { retentionBytes: 8192 } });
  const reached = log.startOffset; // At a roll, by itself.
  expect(reached).toBeGreaterThan(0);
  expect(guard.asked.at(-1)).toBe(reached);
  guard.limit = reached;
  await appendEach(log, 200);
  await settle();
  expect(log.startOffset).toBe(reached);
  guard.limit = reached + 60;
  await log.retain();
  const [first = 0, second = 0] = (await segmentNames(fileSystem)).map((name) =>
    Number(name.slice(0, 20)),
  );
  expect(log.startOffset).toBe(first);
  expect(first).toBeGreaterThan(reached);
  expect(first).toBeLessThanOrEqual(guard.limit);
  expect(second).toBeGreaterThan(guard.limit);
  await log.close();
});

describe('deleteBefore', () => {
  test('is refused when less is allowed, and deletes nothing', async () => {
    const { fileSystem, log, guard, bases } = await setup();
    guard.limit = 59;
    const error = await rejectionOf(log.deleteBefore(60));
    expect(error).toBeInstanceOf(ConflictError);
    expect(error).toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: {
        kind: 'log',
        name: LOG_PATH,
        stored: 'records from offset 59 on that are still needed',
        requested: 'to delete all below 60',
      },
    });
    await expectStart(log, fileSystem, bases);
    expect(log.stats().state).toBe('open');
    await log.deleteBefore(59);
    expect(log.startOffset).toBe(59);
    expect(guard.asked).toEqual([60, 59]);
    expect([...guard.reasons]).toEqual(['asked']);
    await log.close();
  });

  test('at or below the start asks nobody', async () => {
    const { log, guard } = await setup();
    await log.deleteBefore(0);
    await log.deleteBefore(30);
    await log.deleteBefore(30);
    await log.deleteBefore(7);
    expect(guard.asked).toEqual([30]);
    await log.close();
  });

  test('asks when all is synced that would go, and before anything of it is gone', async () => {
    const fileSystem = await faultyDisk();
    const options = { durability: 'os', segmentBytesMax: 1 << 20 } as const;
    const settings = { ...options, fileSystem, clock: new ManualClock(), codec: utf8 };
    const resolved = resolveLogOptions(settings);
    const guard = new TestGuard();
    const home = { ...ownHome(resolved), trimGuard: guard };
    const log = await openLogIn(LOG_PATH, resolved, home);
    await appendEach(log, 10);
    expect(log.syncedOffset).toBe(0);
    const startOf = async (disk: FileSystem) =>
      (await readCheckpoint(new LogDirectory(disk, LOG_PATH))).checkpoint?.startOffset;
    let isAnswered = false;
    guard.onAsked = async () => {
      expect(log.syncedOffset).toBe(10);
      expect(log.startOffset).toBe(0);
      expect(await startOf(fileSystem.crashImage({ data: 'all', names: 'all' }))).toBe(0);
      isAnswered = true;
    };
    await log.deleteBefore(5);
    expect(isAnswered).toBe(true);
    expect(log.startOffset).toBe(5);
    expect(await startOf(fileSystem.crashImage({ data: 'none', names: 'none' }))).toBe(5);
    await log.close();
  });

  test('fails with the writer when that stops while the guard thinks', async () => {
    const fileSystem = await faultyDisk();
    const { log, guard } = await setup({ fileSystem });
    guard.onAsked = async () => {
      fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
      await rejectionOf(log.append({ value: 'x' }));
    };
    expect(await rejectionOf(log.deleteBefore(50))).toBeInstanceOf(FailedError);
    expect(log.startOffset).toBe(0);
    await rejectionOf(log.close());
  });

  test('that waits for the guard is waited for: another, and closing the log', async () => {
    const { log, guard } = await setup();
    let answer: () => void = () => undefined;
    guard.onAsked = () => new Promise<void>((resolve) => (answer = resolve));
    const first = log.deleteBefore(20);
    const second = log.deleteBefore(40);
    let isClosed = false;
    await settle();
    expect(guard.asked).toEqual([20]);
    answer();
    await first;
    await settle();
    expect(guard.asked).toEqual([20, 40]);
    const closing = log.close().then(() => (isClosed = true));
    await settle();
    expect(isClosed).toBe(false);
    answer();
    await Promise.all([second, closing]);
    expect(log.startOffset).toBe(40);
  });
});

test('what lies below a start that is durable is removed without asking', async () => {
  const fileSystem = await faultyDisk();
  const { log, guard, bases } = await setup({ fileSystem });
  fileSystem.addFault({ errno: 'EIO', operations: ['unlink'], path: '.log' });
  await rejectionOf(log.deleteBefore(baseAt(bases, 2)));
  expect(guard.asked).toEqual([baseAt(bases, 2)]);
  guard.limit = 0;
  await log.close();
  const settings = resolveLogOptions({ fileSystem, clock: new ManualClock(), codec: utf8 });
  const again = await openLogIn(LOG_PATH, settings, { ...ownHome(settings), trimGuard: guard });
  await expectStart(again, fileSystem, bases.slice(2));
  expect(guard.asked).toHaveLength(1);
  await again.close();
});
