/**
 * Each call of a program that compacts a log fails, once and for good: compaction passes by or the writer fails,
 * nothing that was acknowledged is lost, no unfinished file is left, and it goes on when the fault is gone.
 */
import assert from 'node:assert/strict';

import { afterAll, expect, test } from 'vitest';

import { DiskFullError, FailedError, IoError, StoreError } from '../../src/core/errors.ts';
import type { Call } from '../support/fault-plan.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  checkCompaction,
  compactableDisk,
  CompactionProgram,
  type Known,
} from '../support/faults/compaction-program.ts';
import { nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { FAULT_KINDS, type FaultKind } from '../support/faults/error-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Tally } from '../support/faults/tally.ts';

const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];
/** The others are taken as EIO is; EMFILE only happens where a file is opened, or a directory, to be synced. */
const NAMES = ['EIO', 'ENOSPC', 'EMFILE', 'half a write', 'EIO, partly lost'];
const KINDS = FAULT_KINDS.filter(({ name }) => NAMES.includes(name));
const OPENING = new Set(['open', 'create', 'list', 'lockDirectory', 'syncDirectory']);
const summaries: string[] = [];

interface Case {
  readonly seed: number;
  /** Number of the call that fails, from 1. */
  readonly at: number;
  readonly kind: FaultKind;
  readonly isSticky: boolean;
}

interface Judge {
  readonly tally: Tally;
  /** Of each different disk once. @throws Error that says what is wrong with it */
  readonly check: (image: FaultyFileSystem, known: Known) => Promise<void>;
}

function judgeOf(tally: Tally): Judge {
  const seen = new Set<string>();
  const rested = new Set<string>();
  const check = async (image: FaultyFileSystem, known: Known): Promise<void> => {
    if (seen.size === seen.add(`${JSON.stringify(known)} ${imageKey(image)}`).size) return;
    tally.count('different disks');
    await checkCompaction(image, known, rested);
  };
  return { tally, check };
}

function isOf(kind: FaultKind, call: Call): boolean {
  return kind.appliesTo(call) && (kind.name !== 'EMFILE' || OPENING.has(call.operation));
}

function diskOf(
  prepared: FaultyFileSystem,
  seed: number,
  trace?: (call: Call) => void,
): FaultyFileSystem {
  return prepared.killImage(
    { inFlight: 'all' },
    { schedule: scheduleOf(seed), trace: (_, call) => trace?.(call) },
  );
}

async function failCall(
  prepared: FaultyFileSystem,
  { seed, at, kind, isSticky }: Case,
  { tally, check }: Judge,
): Promise<void> {
  const fileSystem = diskOf(prepared, seed);
  fileSystem.addFault({ ...kind.rule, fromCall: at, times: isSticky ? Infinity : 1 });
  const program = new CompactionProgram(fileSystem);
  const outcome = await fileSystem.drive(program.run());
  await fileSystem.runUntilIdle();
  fileSystem.clearFaults();
  if (outcome.status === 'crashed') assert.fail('it crashed');
  if (outcome.status === 'failed') checkError(outcome.error, tally);
  tally.count(outcome.status === 'failed' ? 'told of' : 'of no matter');
  const cut = fileSystem.crashImage({ data: 'none', names: 'none' }, { schedule: null });
  await check(cut, program.known);
  if (program.isOpen) {
    const ended = await fileSystem.drive(probe(program, fileSystem, tally));
    if (ended.status === 'failed') throw ended.error;
  }
  const left = fileSystem.killImage({ inFlight: 'all' }, { schedule: null });
  await check(left, program.known);
}

function checkError(error: unknown, tally: Tally): void {
  assert.ok(error instanceof StoreError, `an error of ours: ${String(error)}`);
  const isDocumented =
    error instanceof IoError || error instanceof DiskFullError || error instanceof FailedError;
  assert.ok(isDocumented, `${error.code}: ${error.message}`);
  tally.count(error.code);
}

/** A log that is open still is compacted when the fault is gone; one that failed says so, and is closed. */
async function probe(
  program: CompactionProgram,
  fileSystem: FaultyFileSystem,
  tally: Tally,
): Promise<void> {
  const { log } = program;
  const { state } = log.stats();
  if (state === 'open') {
    await program.rest();
    await program.close();
    tally.count('went on');
  } else {
    assert.equal(state, 'failed');
    assert.ok((await log.compact().catch((error: unknown) => error)) instanceof FailedError);
    assert.ok((await program.close().catch((error: unknown) => error)) instanceof FailedError);
    tally.count('failed');
  }
  assert.equal(fileSystem.openFileCount, 0);
}

test.each(SEEDS)('an error at any call loses nothing, SEED=%i', async (seed) => {
  const tally = new Tally();
  const judge = judgeOf(tally);
  const prepared = await compactableDisk();
  const calls: Call[] = [];
  const measured = diskOf(prepared, seed, (call) => calls.push(call));
  const whole = await measured.drive(new CompactionProgram(measured).run());
  expect(whole.status).toBe('done');
  for (const [index, call] of calls.entries()) {
    for (const kind of KINDS.filter((one) => isOf(one, call))) {
      for (const isSticky of [false, true]) {
        tally.count('cases');
        try {
          await failCall(prepared, { seed, at: index + 1, kind, isSticky }, judge);
        } catch (error) {
          const how = `${kind.name} ${isSticky ? 'for good' : 'once'}`;
          tally.fail(`${how} at call ${index + 1} (${nameOf(call)})`, error);
        }
      }
    }
  }
  summaries.push(tally.summary(`SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('cases')).toBeGreaterThan(500);
  expect(tally.of('told of')).toBeGreaterThan(tally.of('cases') / 2);
  expect(Math.min(tally.of('went on'), tally.of('failed'))).toBeGreaterThan(50);
});

afterAll(() => console.log(summaries.join('\n')));
