/** A disk on which not even the checkpoint can be written in its place: the reserve is for that. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { FailedError } from '../../../src/core/errors.ts';
import { readCheckpoint } from '../../../src/log/checkpoint-file.ts';
import { LogDirectory } from '../../../src/log/log-directory.ts';
import type { Log } from '../../../src/log/log.ts';
import { commit, CommitBench } from '../../support/commit-bench.ts';
import {
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  turns,
  type TextLogOptions,
} from '../../support/log-fixture.ts';

const FULL = { errno: 'ENOSPC', operations: ['write'], path: 'checkpoint' } as const;

interface Step {
  readonly options: TextLogOptions;
  run(log: Log<string>, clock: ManualClock): Promise<unknown>;
  /** What the checkpoint says then. */
  readonly stated: object;
}

const STEPS: readonly [string, Step][] = [
  [
    'an append at sync',
    { options: {}, run: (log) => log.append({ value: 'b' }), stated: { syncedOffset: 2 } },
  ],
  [
    'the delayed statement of an append at os',
    {
      options: { durability: 'os' },
      run: async (log, clock) => {
        await log.append({ value: 'b' });
        clock.advance(100);
        await turns(5);
      },
      stated: { visibleOffset: 2 },
    },
  ],
  ['a new start', { options: {}, run: (log) => log.deleteBefore(1), stated: { startOffset: 1 } }],
  ['closing', { options: {}, run: (log) => log.close(), stated: { syncedOffset: 1 } }],
];

describe('a full disk that refuses the checkpoint', () => {
  test.each(STEPS)('once: %s goes on when the reserve is given up', async (_name, step) => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, ...step.options });
    await log.append({ value: 'a' });
    expect(await fileSystem.list(LOG_PATH)).toContain('reserve');
    fileSystem.addFault(FULL);
    await step.run(log, clock);
    const image = fileSystem.killImage();
    const { checkpoint } = await readCheckpoint(new LogDirectory(image, LOG_PATH));
    expect(checkpoint).toMatchObject(step.stated);
    expect(await image.list(LOG_PATH)).not.toContain('reserve');
    expect(log.stats().state).not.toBe('failed');
    await log.close();
  });

  test.each(STEPS)('for good: %s ends the writer', async (_name, step) => {
    const fileSystem = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fileSystem, { clock, ...step.options });
    await log.append({ value: 'a' });
    fileSystem.addFault({ ...FULL, times: Number.POSITIVE_INFINITY });
    await step.run(log, clock).catch(() => undefined);
    expect(await rejectionOf(log.close())).toBeInstanceOf(FailedError);
    expect(fileSystem.openFileCount).toBe(0);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test('in a store: every log goes on, whichever asked for the reserve first', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    for (const partition of [0, 1, 2]) await topic.append({ value: 'a' }, { partition });
    for (const path of [/\/0\/checkpoint$/, /\/1\/checkpoint$/, /journal\/checkpoint$/]) {
      bench.fileSystem.addFault({ ...FULL, path });
    }
    const appended = [0, 1].map((partition) => topic.append({ value: 'b' }, { partition }));
    const answers = [...appended, commit({ store, topic }, [[], [], ['c']])];
    const outcomes = await Promise.allSettled(answers);
    expect(outcomes.map(({ status }) => status)).toEqual(answers.map(() => 'fulfilled'));
    expect(store.health().problems.map(({ code }) => code)).toEqual(['disk-full']);
  });
});
