/**
 * Cuts the power of real file systems: a loop-mounted image is copied while a writer is at work,
 * the copy is mounted and its log opened. Nothing acknowledged at `sync` is lost, nothing invented.
 *
 * `VARVE_CRASH_CYCLES` scales the number of rounds, `SEED` picks them; a failing round prints its
 * own SEED and keeps its disk. Needs root, in a mount namespace of its own: elsewhere it skips, and
 * with REQUIRE_ROOT_TESTS=1 a skip is a failure.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { inMountNamespace, whyNoLoopImages, type DiskType } from '../../support/loop-images.ts';
import type { LoopCutOptions, LoopCutReport } from '../../support/power/loop-cuts.ts';
import { firstSeed, REQUIRES_ALL, roundsOf } from '../../support/power/rounds.ts';
import type { Sabotage } from '../../support/power/sabotage.ts';
import { distPath } from '../../support/run-cli.ts';

const skipReason = whyNoLoopImages();
const ROUNDS = roundsOf();
const SEED = firstSeed();
const SABOTAGED_ROUNDS = 5;
const DISKS: readonly DiskType[] = ['ext4', 'ext4 data=writeback', 'xfs'];

async function cutPower(options: Omit<LoopCutOptions, 'directory'>): Promise<LoopCutReport> {
  const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
  const script = distPath('test', 'support', 'power', 'loop-cuts.js');
  try {
    const args = inMountNamespace(script, JSON.stringify({ ...options, directory }));
    const { stdout } = await promisify(execFile)('unshare', [...args]);
    return JSON.parse(stdout) as LoopCutReport; // It prints nothing else.
  } finally {
    await rm(directory, { recursive: true, force: true }); // The mounts were the program's alone.
  }
}

test.skipIf(skipReason === null || !REQUIRES_ALL)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`on real disks (skipped: ${skipReason ?? 'no'})`, () => {
  test.each(DISKS)(
    `${ROUNDS} power cuts of %s lose nothing synced (SEED=${SEED})`,
    async (type) => {
      const report = await cutPower({ type, rounds: ROUNDS, seed: SEED, sabotage: 'none' });
      console.log(`SEED=${SEED}: ${type}: ${JSON.stringify(report)}`);
      expect(report.failure).toBeNull();
      expect(report.rounds).toBe(ROUNDS);
      expect(report.acks).toBeGreaterThan(ROUNDS * 5);
      // A cut that never took anything away, or never tore a tail, is not one.
      expect(report.roundsWithLostWrites).toBeGreaterThanOrEqual(ROUNDS / 10);
      expect(report.tornTails).toBeGreaterThanOrEqual(ROUNDS / 10);
      expect(report.holes).toBeGreaterThanOrEqual(ROUNDS / 30);
    },
  );

  describe.each(DISKS)('on %s', (type) => {
    test.each<Sabotage>(['files', 'all'])(
      'a writer whose syncs of %s do nothing is caught',
      async (sabotage) => {
        const rounds = SABOTAGED_ROUNDS;
        const report = await cutPower({ type, rounds, seed: SEED, sabotage });
        console.log(`${type}, sabotaged syncs of ${sabotage}: ${report.violations.join(', ')}`);
        expect(report.failure).toBeNull();
        expect(report.violations).toContain('lost');
      },
    );
  });
});
