/**
 * Real writer processes under a shim that records each call on their files: after the kill, the
 * disks that a power cut could have left are built from the record and opened by the engine.
 * Nothing that was not synced survives; or single sectors of it do; a sync fails once; syncs lie.
 *
 * Beside the simulation this runs the real descriptors, threads and kernel calls of the engine.
 * `VARVE_CRASH_CYCLES` scales the number of rounds, `SEED` picks them; a failing round prints its
 * own SEED and keeps its trace. Needs gcc.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom, type Random } from '../../../src/core/random.ts';
import { nodeFileSystem } from '../../../src/io/node-file-system.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { pathsOn } from '../../support/faults/image-key.ts';
import { chosenStates, NOTHING } from '../../support/power/chosen-states.ts';
import { judge, Violation, type Verdict } from '../../support/power/power-oracle.ts';
import { firstSeed, REQUIRES_ALL, roundsOf } from '../../support/power/rounds.ts';
import type { Sabotage } from '../../support/power/sabotage.ts';
import { pick } from '../../support/power/writer-plan.ts';
import { buildShim, whyNoShim, type BuiltShim } from '../../support/shim/build-shim.ts';
import { NO_FAULTS } from '../../support/shim/shim-disk.ts';
import { materialize, ShimStage, TRACED_LOG } from '../../support/shim/shim-stage.ts';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const skipReason = whyNoShim();
const ROUNDS = roundsOf();
const SEED = firstSeed();
/** Of each round: states named by `crashStates`, and random mixes of sectors and names. */
const STATES_PER_KIND = 12;

test.skipIf(skipReason === null || !REQUIRES_ALL)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`under the shim (skipped: ${skipReason ?? 'no'})`, () => {
  let shim: BuiltShim;

  beforeAll(() => {
    shim = buildShim();
  });
  afterAll(() => shim.remove());

  test('the trace has every change: done again, it gives the same files', async () => {
    await withStage(SEED, async (stage, random) => {
      const plan = { endOffsetMax: 400, syncShare: 1 };
      await stage.live({ ...NO_FAULTS, random, isDoomed: false, plan });
      await stage.live({
        ...NO_FAULTS,
        random,
        isDoomed: false,
        plan: { ...plan, endOffsetMax: 900 },
      });
      const { fileSystem, syncCount } = stage.replay(STRICT);
      const files = pathsOn(fileSystem).filter((path) => path.endsWith('.log'));
      expect(files.length).toBeGreaterThan(3);
      for (const path of [...files, `${TRACED_LOG}/checkpoint`, `${TRACED_LOG}/LOCK`]) {
        const onDisk = readFileSync(join(stage.root, path));
        expect(Buffer.compare(contentOf(fileSystem, path), onDisk), path).toBe(0);
      }
      expect(syncCount).toBeGreaterThan(20);
      expect(stage.testimony.syncedEnd).toBeGreaterThanOrEqual(900);
    });
  });

  test(`${ROUNDS} power cuts lose nothing synced, whatever else survives (SEED=${SEED})`, async () => {
    const total = newTotal();
    for (let round = 0; round < ROUNDS; round++) {
      await withStage(SEED + round, async (stage, random) => {
        const lives = 1 + randomBelow(random, 2);
        for (let life = 0; life < lives; life++) {
          await stage.live({ ...NO_FAULTS, random });
        }
        await judgeStates(stage, random, total);
        await judgeOnDisk(stage, total);
        total.acks += stage.testimony.ackCount;
      });
    }
    report('power cuts', total);
    expect(total.acks).toBeGreaterThan(ROUNDS * 5);
    expect(total.statesWithLostWrites).toBeGreaterThan(ROUNDS / 3);
    expect(total.tornTails).toBeGreaterThan(ROUNDS / 3);
    expect(total.onDisk).toBe(ROUNDS);
  });

  test(`${ROUNDS} failed syncs: no later append is acknowledged, none before is lost`, async () => {
    const total = newTotal();
    let failures = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await withStage(SEED + round, async (stage, random) => {
        const eioAt = 8 + randomBelow(random, 12);
        await stage.live({ ...NO_FAULTS, random, eioAt, plan: { syncShare: 0.5 } });
        if (stage.testimony.failedCount > 0) failures++;
        // What the page cache shows now never reached the disk; the next writer has to mend it.
        await stage.live({ ...NO_FAULTS, random });
        expect(stage.testimony.lateAckCount, 'acknowledged after a failed sync').toBe(0);
        await judgeStates(stage, random, total);
        total.acks += stage.testimony.ackCount;
      });
    }
    report(`failed syncs (${failures} seen by the writer)`, total);
    expect(failures).toBeGreaterThan(ROUNDS / 3);
    expect(total.acks).toBeGreaterThan(ROUNDS * 5);
  });

  test(`${ROUNDS} disks that lie: a suffix is lost or damage is reported, nothing worse`, async () => {
    const total = newTotal();
    for (let round = 0; round < ROUNDS; round++) {
      await withStage(SEED + round, async (stage, random) => {
        const lieFrom = 1 + randomBelow(random, 60);
        await stage.live({ ...NO_FAULTS, random, lieFrom });
        await judgeStates(stage, random, total, { mayLoseSuffix: true });
        total.acks += stage.testimony.ackCount;
      });
    }
    report('lying disks', total);
    expect(total.statesWithLostSyncs).toBeGreaterThan(ROUNDS / 2);
  });

  test.each<Sabotage>(['files', 'directories', 'all'])(
    'a writer whose syncs of %s do nothing is caught',
    async (sabotage) => {
      const caught: string[] = [];
      for (let round = 0; round < 5; round++) {
        await withStage(SEED + round, async (stage, random) => {
          const plan = { sabotage, syncShare: 1 };
          await stage.live({ ...NO_FAULTS, random, plan });
          const image = stage.replay(STRICT).fileSystem.crashImage(NOTHING);
          const path = TRACED_LOG;
          await judge({ fileSystem: image, path }, stage.testimony).catch((error: unknown) => {
            if (!(error instanceof Violation)) throw error;
            caught.push(error.kind);
          });
        });
      }
      console.log(`sabotaged syncs of ${sabotage}: ${caught.join(', ')}`);
      expect(caught.length).toBe(5);
      expect(caught).toContain('lost');
    },
  );

  async function withStage(
    seed: number,
    run: (stage: ShimStage, random: Random) => Promise<void>,
  ): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
    const stage = new ShimStage(shim, directory, seed);
    try {
      await run(stage, new SeededRandom(seed));
    } catch (error) {
      throw new Error(`SEED=${seed}, trace kept in ${stage.keep()}: ${String(error)}`, {
        cause: error,
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
});

const STRICT = { sectorBytes: 512, directoryMode: 'strict' } as const;

interface Total {
  acks: number;
  states: number;
  onDisk: number;
  tornTails: number;
  statesWithLostWrites: number;
  statesWithLostSyncs: number;
  reported: number;
}

function newTotal(): Total {
  return {
    acks: 0,
    states: 0,
    onDisk: 0,
    tornTails: 0,
    statesWithLostWrites: 0,
    statesWithLostSyncs: 0,
    reported: 0,
  };
}

function report(what: string, total: Total): void {
  console.log(`SEED=${SEED}: ${what}: ${ROUNDS} rounds, ${JSON.stringify(total)}`);
}

/** Judges the worst state, some named ones (torn writes among them), and random mixes. */
async function judgeStates(
  stage: ShimStage,
  random: Random,
  total: Total,
  options: Parameters<typeof judge>[2] = {},
): Promise<void> {
  const sectorBytes = pick(random, [512, 4096] as const);
  const directoryMode = pick(random, ['strict', 'linux'] as const);
  const { fileSystem } = stage.replay({ sectorBytes, directoryMode });
  for (const { name, choice } of chosenStates(fileSystem, random, STATES_PER_KIND)) {
    const image = fileSystem.crashImage(choice);
    const place = { fileSystem: image, path: TRACED_LOG };
    try {
      count(await judge(place, stage.testimony, options), total);
    } catch (error) {
      const disk = `${directoryMode} names, sectors of ${sectorBytes}`;
      throw new Error(`${name}, ${disk}: ${String(error)}`, { cause: error });
    }
  }
}

/** The worst state once more, on the real file system. */
async function judgeOnDisk(stage: ShimStage, total: Total): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
  try {
    await materialize(stage.replay(STRICT).fileSystem.crashImage(NOTHING), directory);
    const path = join(directory, TRACED_LOG);
    await judge({ fileSystem: nodeFileSystem, path }, stage.testimony);
    total.onDisk++;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function count(verdict: Verdict, total: Total): void {
  total.states++;
  if (verdict.cutBytes > 0) total.tornTails++;
  if (verdict.lostWrittenCount > 0) total.statesWithLostWrites++;
  if (verdict.lostSyncedCount > 0) total.statesWithLostSyncs++;
  if (verdict.endOffset === null) total.reported++;
}
