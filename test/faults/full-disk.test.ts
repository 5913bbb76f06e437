/**
 * Full disks for real: tmpfs, ext4 and xfs filled to the last byte under an open log, opened again
 * without room, killed without room; and a limit of file size.
 *
 * Needs root (it mounts small disks, in a namespace of their own): elsewhere it skips, and with
 * REQUIRE_ROOT_TESTS=1 a skip is a failure.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FullDiskReport } from '../support/full-disk-probe.ts';
import type { FullDiskQueueReport } from '../support/full-disk-queue-probe.ts';
import { inMountNamespace, whyNoLoopImages } from '../support/loop-images.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const isRequired = process.env['REQUIRE_ROOT_TESTS'] === '1';
const skipReason = whyNoLoopImages();
const FULL = 'ERR_VARVE_DISK_FULL';
const READ_ONLY = 'ERR_VARVE_READ_ONLY';

async function probe<Report>(name: string, type: string, freeBytesMin: string): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
  const script = distPath('test', 'support', `${name}-probe.js`);
  try {
    const args = inMountNamespace(script, directory, type, freeBytesMin);
    const { stdout } = await promisify(execFile)('unshare', [...args]);
    return JSON.parse(stdout) as Report; // It prints nothing else.
  } finally {
    await rm(directory, { recursive: true, force: true }); // The mounts were the program's alone.
  }
}

test.skipIf(skipReason === null || !isRequired)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`full disks (skipped: ${skipReason ?? 'no'})`, () => {
  describe.each([
    ['tmpfs', '0'],
    ['ext4', '0'],
    ['xfs', '0'],
    ['ext4', 'default'],
  ])('%s, freeBytesMin %s', (type, freeBytesMin) => {
    let report: FullDiskReport;

    beforeAll(async () => {
      report = await probe<FullDiskReport>('full-disk', type, freeBytesMin);
    });

    test('appends are refused, nothing acknowledged is lost, reads go on', () => {
      const { codes, state, areAllThere } = report.whileFull;
      expect(codes.length).toBeGreaterThan(1);
      expect(new Set(codes)).toEqual(new Set([FULL]));
      expect({ state, areAllThere }).toEqual({ state: 'open', areAllThere: true });
    });

    test('appends resume by themselves when there is room', () => {
      expect(report.hasResumed).toBe(true);
    });

    test('opens without a free byte, as a writer', () => {
      expect(report.roomBytesAtReopen).toBe(0);
      const { readOnly, areAllThere, refusals } = report.reopened;
      expect({ readOnly, areAllThere }).toEqual({ readOnly: false, areAllThere: true });
      expect(new Set([...refusals.codes, FULL])).toEqual(new Set([FULL]));
    });

    test('opens after a kill with a torn tail: the reserve makes room to keep the cut bytes', () => {
      const { readOnly, areAllThere, cutBytes, refusals } = report.afterKill;
      expect({ readOnly, areAllThere }).toEqual({ readOnly: false, areAllThere: true });
      expect(cutBytes).toBeGreaterThan(0);
      expect(new Set([...refusals.codes, FULL])).toEqual(new Set([FULL]));
    });

    test('opens read-only when the reserve is gone, too, and as a writer when room came', () => {
      const { withoutReserve, afterRoomCame } = report;
      expect(withoutReserve.areAllThere).toBe(true);
      const code = withoutReserve.readOnly ? READ_ONLY : FULL;
      expect(new Set([...withoutReserve.refusals.codes, code])).toEqual(new Set([code]));
      expect(afterRoomCame).toMatchObject({ readOnly: false, areAllThere: true });
      expect(afterRoomCame.refusals.codes).toEqual([]);
      // One of the two openings cut the torn tail.
      expect(withoutReserve.cutBytes + afterRoomCame.cutBytes).toBeGreaterThan(0);
      expect(report.damageCount).toBe(0);
    });
  });

  test.each([
    ['tmpfs', '0'],
    ['ext4', '0'],
    ['xfs', '0'],
    ['ext4', 'default'],
  ])(
    'a queue on a full %s, freeBytesMin %s, is worked off, and sends go on',
    async (type, freeBytesMin) => {
      const report = await probe<FullDiskQueueReport>('full-disk-queue', type, freeBytesMin);
      expect(report.roomBytes).toBe(0);
      expect(new Set([...report.codes, FULL])).toEqual(new Set([FULL]));
      expect(report.ackedCount).toBe(report.sentCount);
      expect(report).toMatchObject({ resumed: null, statusAfter: 'ok' });
      expect(report.leftAfterReopening).toEqual(['again']);
    },
  );

  test('a limit of file size refuses appends (EFBIG) until it is lifted', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const script = distPath('test', 'support', 'file-limit-writer.js');
    const limited = ['--fsize=1200000:unlimited', process.execPath, script, path];
    const writer = spawn('prlimit', limited, { stdio: ['pipe', 'pipe', 'inherit'] });
    const closed = once(writer, 'close');
    const lines = createInterface(writer.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
    expect(await next()).toMatchObject({ code: FULL, areAllThere: true });
    await promisify(execFile)('prlimit', [`--pid=${writer.pid}`, '--fsize=unlimited']);
    writer.stdin.write('\n');
    expect(await next()).toEqual({ refusal: null, added: 20, areAllThere: true });
    expect(await closed).toEqual([0, null]);
  });
});
