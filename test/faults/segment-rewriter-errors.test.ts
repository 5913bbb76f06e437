/**
 * Each file-system call of a rewriting fails, once or from then on, or is the one at which it is stopped: the
 * log is as it was, nothing is left under the unfinished name, and the next attempt makes it.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { IoError } from '../../src/core/errors.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { contentOf } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { faultyDisk, LOG_PATH, segmentPaths } from '../support/log-fixture.ts';
import { MixedLog, tellSegment, type MixedStep } from '../support/mixed-log.ts';
import { ClosedRewriting, unboundPace } from '../support/rewriting.ts';

const STEPS: readonly MixedStep[] = ['plain', 'identified', 'tombstones', 'produced', 'identified'];
const FAULTS = [
  { errno: 'EIO', times: 1 },
  { errno: 'EIO', times: Number.POSITIVE_INFINITY },
  { errno: 'EMFILE', times: 1, operations: ['open', 'create'] },
  { errno: 'ENOSPC', times: 1, operations: ['create', 'write', 'datasync'] },
  { errno: 'ENOSPC', times: Number.POSITIVE_INFINITY, operations: ['create', 'write', 'datasync'] },
  { errno: 'ENOSPC', times: 1, operations: ['write'], shortBytes: 'half' },
] as const;

const summaries: string[] = [];

const keeps = ({ offset }: { readonly offset: number }) => offset % 3 !== 0;

async function prepare(): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const log = new MixedLog(fileSystem, new SeededRandom(5));
  for (let n = 0; n < 40; n++) await log.run(STEPS[n % STEPS.length] ?? 'plain');
  await log.close();
  expect((await segmentPaths(fileSystem)).length).toBeGreaterThan(3);
  return fileSystem;
}

/** Names and contents of all that is there. */
async function contentsOf(fileSystem: FaultyFileSystem): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const name of (await fileSystem.list(LOG_PATH)).toSorted()) {
    const bytes = contentOf(fileSystem, `${LOG_PATH}/${name}`);
    contents.set(name, Buffer.from(bytes).toString('hex'));
  }
  return contents;
}

/** Rewrites the second segment, and puts it in place when nothing was in its way. @returns why it failed */
async function attempt(fileSystem: FaultyFileSystem, signal?: AbortSignal): Promise<unknown> {
  const log = await ClosedRewriting.open(fileSystem);
  const [, old] = log.segments.all;
  if (old === undefined) throw new Error('there is no second segment');
  const filter = { begin: () => undefined, keeps };
  let error: unknown = null;
  try {
    const made = await log.rewriter.rewrite(old, {
      filter,
      stamps: null,
      pace: unboundPace(signal),
    });
    fileSystem.clearFaults();
    await log.swap(made);
  } catch (cause) {
    error = cause;
  }
  fileSystem.clearFaults();
  await log.close();
  expect(fileSystem.openFileCount).toBe(0);
  return error;
}

async function checkMade(fileSystem: FaultyFileSystem, before: FaultyFileSystem): Promise<void> {
  const [, path = ''] = await segmentPaths(fileSystem);
  const { records } = await tellSegment(before, path);
  expect((await tellSegment(fileSystem, path)).records).toEqual(records.filter(keeps));
}

const isTemporary = (name: string) => name.endsWith('.tmp');

describe('a rewriting', () => {
  test.each(FAULTS)(
    'whose call fails with $errno, $times times, leaves no trace',
    async (fault) => {
      const prepared = await prepare();
      const before = await contentsOf(prepared);
      let failedCount = 0;
      let madeCount = 0;
      for (let call = 1, isDone = false; !isDone; call++) {
        const fileSystem = prepared.killImage();
        // Listing the directory comes first, and is the test's.
        const fromCall = fileSystem.callCount + 1 + before.size + call;
        fileSystem.addFault({ fromCall, ...fault });
        const error = await attempt(fileSystem);
        if (error === null) {
          madeCount++;
          isDone = fileSystem.callCount < fromCall || call > 100;
        } else {
          failedCount++;
          expect(error, `call ${call}`).toBeInstanceOf(IoError);
          const after = await contentsOf(fileSystem);
          // What cannot be removed either stays, until the next attempt.
          const left = [...after.keys()].filter(isTemporary);
          if (fault.times === 1) expect(left, `call ${call}`).toEqual([]);
          for (const name of left) after.delete(name);
          expect(after).toEqual(before);
          expect(await attempt(fileSystem)).toBeNull();
        }
        await checkMade(fileSystem, prepared);
        expect([...(await contentsOf(fileSystem)).keys()].filter(isTemporary)).toEqual([]);
      }
      expect(failedCount).toBeGreaterThan(0);
      summaries.push(`${fault.errno} x${fault.times}: ${failedCount} failed, ${madeCount} made`);
    },
  );

  test('that is stopped at any call leaves no trace', async () => {
    const prepared = await prepare();
    const before = await contentsOf(prepared);
    const reason = new Error('enough');
    let stoppedCount = 0;
    for (let call = 1, isDone = false; !isDone; call++) {
      const stop = new AbortController();
      let calls = 0;
      const trace = () => {
        calls++;
        if (calls === call) stop.abort(reason);
      };
      const fileSystem = prepared.killImage({}, { trace });
      const error = await attempt(fileSystem, stop.signal);
      isDone = !stop.signal.aborted;
      if (error === null) continue;
      stoppedCount++;
      expect(error).toBe(reason);
      expect(await contentsOf(fileSystem)).toEqual(before);
    }
    expect(stoppedCount).toBeGreaterThan(5);
    summaries.push(`stopped: ${stoppedCount}`);
  });
});

afterAll(() => {
  console.log(summaries.join('\n'));
});
