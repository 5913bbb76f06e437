/**
 * A read-only handle in another process beside a log that is compacted: it is opened, or follows, and stops at each
 * of its calls, while the writer appends, compacts in several passes, drops tombstones and trims.
 */
import { expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import type { Log } from '../../src/log/log.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  compactableDisk,
  CompactionProgram,
  openCompactable,
  oracleOf,
  PREPARED,
  recordAt,
} from '../support/faults/compaction-program.ts';
import { settle } from '../support/log-fixture.ts';
import { Actor, StoppedCalls } from '../support/stopped-calls.ts';

/**
 * What is there is what was appended, and what is missing was superseded, also by what lies behind the end that the
 * handle knows.
 *
 * @returns what was wrong; null = nothing
 */
async function explained(log: Log<string>, program: CompactionProgram): Promise<string | null> {
  const { startOffset, visibleOffset } = log;
  const found = new Map<number, string | null>();
  for await (const { offset, value } of log.records({ to: visibleOffset }))
    found.set(offset, value);
  const last = new Map<string | null, number>();
  for (let offset = 0; offset < program.known.triedOffset; offset++)
    last.set(recordAt(offset).key, offset);
  for (let offset = startOffset; offset < visibleOffset; offset++) {
    const { key, value } = recordAt(offset);
    const seen = found.get(offset);
    if (seen === undefined) {
      const mayGo = key !== null && (value === null || last.get(key) !== offset);
      if (!mayGo) return `${offset} is missing`;
    } else if (seen !== value) return `${offset} is ${seen}`;
  }
  return visibleOffset < PREPARED ? `it ends at ${visibleOffset}` : null;
}

/** All of it is what was appended, up to an end that stands still. */
async function expectWhole(log: Log<string>): Promise<void> {
  await log.refresh();
  const { visibleOffset } = log;
  const bounds = { limitOffset: visibleOffset, tombstonesToMs: Infinity };
  expect(await oracleOf(visibleOffset).complaint(log, bounds)).toBeNull();
}

/** Much of it at once: what was listed and what is there have little in common then. */
async function work(program: CompactionProgram): Promise<void> {
  await program.append(12);
  await program.compact();
  program.passTombstoneRetention();
  await program.append(10);
  await program.compact();
}

/** @returns whether the reader came to where it was to be stopped */
async function interleave(
  prepared: FaultyFileSystem,
  stopAt: number,
  isOpenBefore: boolean,
): Promise<boolean> {
  const fileSystem = prepared.killImage();
  const program = new CompactionProgram(fileSystem);
  await program.open();
  const clock = new ManualClock(program.known.nowMs);
  const calls = new StoppedCalls(fileSystem);
  let log = isOpenBefore ? await openCompactable(fileSystem, clock, { readOnly: true }) : null;
  if (log !== null) await program.append(2); // There is something to be followed.
  const actor = new Actor(stopAt);
  const { ended } = await calls.start(actor, async () => {
    log ??= await openCompactable(fileSystem, clock, { readOnly: true });
    await log.refresh();
    return explained(log, program);
  });
  const { isStopped } = actor;
  if (isStopped) await work(program);
  actor.resume();
  await settle();
  expect(await ended).toBeNull();
  if (log === null) throw new Error('it was opened');
  await expectWhole(log);
  expect(log.visibleOffset).toBe(program.log.visibleOffset);
  await program.deleteBefore(PREPARED - 2);
  await program.append(2);
  await expectWhole(log);
  await log.close();
  await program.close();
  expect(fileSystem.openFileCount).toBe(0);
  return isStopped;
}

async function everyStop(isOpenBefore: boolean): Promise<number> {
  const prepared = await compactableDisk();
  let count = 0;
  while (await interleave(prepared, count, isOpenBefore)) count++;
  return count;
}

test('is opened beside passes that come in at any of its calls', async () => {
  expect(await everyStop(false)).toBeGreaterThan(20);
});

test('follows passes that come in at any of its calls', async () => {
  expect(await everyStop(true)).toBeGreaterThan(10);
});
