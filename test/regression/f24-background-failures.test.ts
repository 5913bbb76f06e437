/**
 * F24. Elsewhere: the thread that cleaned the log died silently, and the disk filled up
 * (KAFKA-6264).
 *
 * Here: what fails with nobody waiting is in `stats().lastError`. A sync or a checkpoint that fails
 * in the background also stops the writer: the next append, `flushed`, `sync` and `close` say so.
 * Retention that cannot delete leaves the log open; what it missed goes later.
 *
 * Red when a background task swallows its error, or when it becomes an unhandled rejection.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { FailedError } from '../../src/core/errors.ts';
import type { Log } from '../../src/log/log.ts';
import type { FaultRule } from '../support/fault-plan.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  rejectionOf,
  segmentNames,
  settle,
  textAt,
  textsFrom,
  thrownBy,
  valuesOf,
  type TextLogOptions,
} from '../support/log-fixture.ts';

const HOUR_MS = 3_600_000;
const FOREVER = { times: Number.POSITIVE_INFINITY } as const;

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});

afterEach(async () => {
  await settle();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

interface Background {
  readonly options: TextLogOptions;
  readonly fault: FaultRule;
  /** Has the task run with nobody waiting for it. */
  readonly run: (log: Log<string>, clock: ManualClock) => Promise<unknown>;
}

const later = async (_log: Log<string>, clock: ManualClock) => clock.advance(HOUR_MS);
const fillSegment = async (log: Log<string>) => appendEach(log, 40);

const STOPPING: readonly [string, Background][] = [
  [
    'the sync of an interval log',
    {
      options: { durability: 'interval' },
      fault: { errno: 'EIO', operations: ['datasync'], path: '.log' },
      run: later,
    },
  ],
  [
    'the directory sync of a new segment at level os',
    {
      options: { durability: 'os' },
      fault: { errno: 'EIO', operations: ['syncDirectory'] },
      run: fillSegment,
    },
  ],
  [
    'the sync of a full segment at level os',
    {
      options: { durability: 'os' },
      fault: { errno: 'ENOSPC', operations: ['datasync'], path: '.log' },
      run: fillSegment,
    },
  ],
  [
    'the delayed write of the checkpoint',
    {
      options: { durability: 'os' },
      fault: { errno: 'EROFS', operations: ['write'], path: 'checkpoint' },
      run: later,
    },
  ],
  [
    'the idle sync of the checkpoint',
    {
      options: { durability: 'os' },
      fault: { errno: 'EIO', operations: ['datasync'], path: 'checkpoint' },
      run: later,
    },
  ],
  [
    'the checkpoint of retention',
    {
      options: { retentionBytes: 0, retentionCheckMs: HOUR_MS },
      fault: { errno: 'EIO', operations: ['datasync'], path: 'checkpoint' },
      run: later,
    },
  ],
  [
    'the directory sync of retention',
    {
      options: { retentionBytes: 0, retentionCheckMs: HOUR_MS },
      fault: { errno: 'EIO', operations: ['syncDirectory'] },
      run: later,
    },
  ],
];

/** A log with some records, over a roll when retention shall have something to do. */
async function startedLog(fileSystem: FaultyFileSystem, clock: ManualClock, task: Background) {
  await closedLogOf(40, fileSystem, clock);
  const log = await openTextLog(fileSystem, { clock, ...task.options });
  await log.append({ value: textAt(40) });
  await settle();
  return log;
}

async function closedLogOf(count: number, fileSystem: FaultyFileSystem, clock: ManualClock) {
  const log = await openTextLog(fileSystem, { clock });
  await appendEach(log, count);
  await log.close();
}

describe('F24: a failure that stops the writer', () => {
  test.each(STOPPING)('%s is seen in stats and heard by the next append', async (_name, task) => {
    const clock = new ManualClock();
    const fileSystem = await faultyDisk();
    const log = await startedLog(fileSystem, clock, task);
    expect(log.stats()).toMatchObject({ state: 'open', lastError: null });
    fileSystem.addFault({ ...task.fault, ...FOREVER });
    const ran = task.run(log, clock).then(
      () => null,
      (error: unknown) => error,
    );
    await settle();
    await ran;
    await settle();
    const { errno } = task.fault;
    expect(log.stats()).toMatchObject({
      state: 'failed',
      lastError: { code: 'ERR_VARVE_FAILED', cause: { details: { errno } } },
    });
    for (const call of [
      () => log.append({ value: 'later' }),
      () => log.appendBatch([{ value: 'later' }]),
      () => log.flushed(),
      () => log.sync(),
      () => log.close(),
    ]) {
      const error = await rejectionOf(call());
      expect(error).toBeInstanceOf(FailedError);
      expect(error).toMatchObject({ cause: { details: { errno } } });
    }
  });

  test('of records that nobody waited for is told by appendNoWait and flushed', async () => {
    const clock = new ManualClock();
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { clock, durability: 'interval' });
    expect(log.appendNoWait({ value: textAt(0) })).toBe(0);
    await settle();
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    clock.advance(HOUR_MS);
    await settle();
    expect(thrownBy(() => log.appendNoWait({ value: 'later' }))).toBeInstanceOf(FailedError);
    expect(await rejectionOf(log.flushed())).toBeInstanceOf(FailedError);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 1));
    await rejectionOf(log.close());
  });
});

describe('F24: retention that cannot delete', () => {
  test.each(['unlink', 'open', 'read'] as const)(
    'for an error of %s is seen in stats, keeps the log open, and is made up for',
    async (operation) => {
      const clock = new ManualClock();
      const fileSystem = await faultyDisk();
      await closedLogOf(60, fileSystem, clock);
      const log = await openTextLog(fileSystem, {
        clock,
        retentionMs: HOUR_MS,
        retentionCheckMs: 2 * HOUR_MS,
      });
      fileSystem.addFault({ errno: 'EIO', operations: [operation], path: '.log', ...FOREVER });
      clock.advance(2 * HOUR_MS);
      await settle();
      expect(log.stats()).toMatchObject({
        state: 'open',
        lastError: { code: 'ERR_VARVE_IO', details: { errno: 'EIO' } },
      });
      fileSystem.clearFaults();
      expect((await log.append({ value: textAt(60) })).offset).toBe(60);
      expect(await valuesOf(log)).toEqual(textsFrom(log.startOffset, 61));
      clock.advance(2 * HOUR_MS);
      await settle();
      expect(log.stats()).toMatchObject({ state: 'open', lastError: null });
      expect(await segmentNames(fileSystem)).toHaveLength(1); // Before anyone opens it again.
      await log.close();
      const again = await openTextLog(fileSystem, { clock });
      expect(await segmentNames(fileSystem)).toHaveLength(1);
      expect(await valuesOf(again)).toEqual(textsFrom(again.startOffset, 61));
      await again.close();
    },
  );
});
