/**
 * Real processes that rewrite segments under a shim that records each call on their files. Beside each rename, and at
 * other moments of the record, the disks that a power cut could have left then are built and opened by the engine: each is
 * a right mixture of generations. Nothing acknowledged is lost, nothing deleted is back, and it can be gone on with.
 *
 * `VARVE_CRASH_CYCLES` scales the number of rounds, `SEED` picks them; a failing round prints its own SEED and keeps
 * its trace. Needs gcc.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SeededRandom, type Random } from '../../../src/core/random.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { imageKey } from '../../support/faults/image-key.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { chosenStates } from '../../support/power/chosen-states.ts';
import { generationsIn, judgeCompacted, TRACED } from '../../support/power/compacted-judge.ts';
import { firstSeed, REQUIRES_ALL, roundsOf } from '../../support/power/rounds.ts';
import type { Sabotage } from '../../support/power/sabotage.ts';
import { toldIn } from '../../support/power/told-file.ts';
import { pick } from '../../support/power/writer-plan.ts';
import { distPath } from '../../support/run-cli.ts';
import { buildShim, whyNoShim, type BuiltShim } from '../../support/shim/build-shim.ts';
import type { Moment } from '../../support/shim/replay.ts';
import type { TraceEntry } from '../../support/shim/trace.ts';
import { ShimDisk } from '../../support/shim/shim-disk.ts';

const skipReason = whyNoShim();
const ROUNDS = roundsOf();
const SEED = firstSeed();
const SABOTAGED_ROUNDS = 3;
/** Of each moment, beside the worst one: states named by `crashStates`, and random mixes of sectors and names. */
const STATES_PER_KIND = 3;
/** Of the moments that are beside no rename. */
const OTHER_SHARE = 0.01;

/** What is rewritten, and by whom. */
interface Scene {
  /** Of dist. */
  readonly script: string;
  /** What its process opens, seen from the traced directory. */
  readonly directory: string;
  /** Where its only log that is rewritten lies. */
  readonly root: string;
  readonly judge: typeof judgeCompacted;
}

const BY_KEY: Scene = {
  script: 'compacting-writer.js',
  directory: TRACED.log,
  root: TRACED.log,
  judge: judgeCompacted,
};

test.skipIf(skipReason === null || !REQUIRES_ALL)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`under the shim (skipped: ${skipReason ?? 'no'})`, () => {
  let shim: BuiltShim;

  beforeAll(() => {
    shim = buildShim();
  });
  afterAll(() => shim.remove());

  test(`${ROUNDS} compactions by key leave a right mixture wherever the power fails (SEED=${SEED})`, async () => {
    const total = await cutAll(BY_KEY);
    expect(total.dropped).toBeGreaterThan(ROUNDS);
    // A cut that undoes no rename, and leaves no mixture, is none.
    expect(total.undone).toBeGreaterThan(ROUNDS * 5);
    expect(total.mixtures).toBeGreaterThan(ROUNDS * 5);
  });

  test.each<Sabotage>(['files', 'directories', 'all'])(
    'a process whose syncs of %s do nothing is caught',
    async (sabotage) => {
      for (let round = 0; round < SABOTAGED_ROUNDS; round++) {
        await inRound(BY_KEY, SEED + round, sabotage, async (disk, random) => {
          const how = { random, seed: SEED + round, directoryMode: 'strict' } as const;
          const judging = judgeMoments(BY_KEY, disk, how, newTotal());
          await expect(judging).rejects.toThrow(/^moment \d+, /);
        });
      }
    },
  );

  /** The power fails in each of the rounds, at many moments. */
  async function cutAll(scene: Scene): Promise<Total> {
    const total = newTotal();
    for (let round = 0; round < ROUNDS; round++) {
      await inRound(scene, SEED + round, 'none', (disk, random) => {
        const directoryMode = pick(random, ['strict', 'linux'] as const);
        return judgeMoments(scene, disk, { random, seed: SEED + round, directoryMode }, total);
      });
    }
    console.log(`SEED=${SEED}: ${scene.script}: ${ROUNDS} rounds, ${JSON.stringify(total)}`);
    expect(total.renames).toBeGreaterThan(ROUNDS * 5);
    return total;
  }

  async function inRound(
    scene: Scene,
    seed: number,
    sabotage: Sabotage,
    judge: (disk: ShimDisk, random: Random) => Promise<void>,
  ): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
    const disk = new ShimDisk(shim, directory);
    try {
      const [path, told] = [scene.directory, TRACED.told].map((name) => join(disk.root, name));
      await runShimmed(scene.script, { directory: path, told, seed, sabotage }, disk);
      await judge(disk, new SeededRandom(seed));
    } catch (error) {
      throw new Error(`SEED=${seed}, trace kept in ${disk.keep()}: ${String(error)}`, {
        cause: error,
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
});

interface Round {
  readonly random: Random;
  readonly seed: number;
  readonly directoryMode: 'strict' | 'linux';
}

type Total = ReturnType<typeof newTotal>;

function newTotal() {
  return { renames: 0, moments: 0, states: 0, undone: 0, mixtures: 0, rewritten: 0, dropped: 0 };
}

async function runShimmed(script: string, plan: object, disk: ShimDisk): Promise<void> {
  const path = distPath('test', 'support', 'power', script);
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, ...disk.environment() };
  await promisify(execFile)(process.execPath, [path, JSON.stringify(plan)], { env });
}

/** Whether a rename of a segment was just done, or a directory synced, which makes one durable. */
function isBesideRename({ entry }: Moment, root: string): boolean {
  return isSwap(entry) || (entry.kind === 'sync' && entry.path?.startsWith(root) === true);
}

function isSwap(entry: TraceEntry): boolean {
  return entry.kind === 'rename' && entry.path.endsWith('.log.tmp');
}

async function judgeMoments(
  scene: Scene,
  disk: ShimDisk,
  { random, seed, directoryMode }: Round,
  total: Total,
): Promise<void> {
  const seen = new Set<string>();
  const sectorBytes = pick(random, [512, 4096] as const);
  let last: FaultyFileSystem | null = null;
  for (const moment of disk.moments({ sectorBytes, directoryMode })) {
    const { entry, fileSystem } = moment;
    last = fileSystem;
    if (!isBesideRename(moment, scene.root) && random.next() >= OTHER_SHARE) continue;
    if (isSwap(entry)) total.renames++;
    total.moments++;
    const before = generationsIn(fileSystem, scene.root);
    const told = toldIn(toldOn(fileSystem));
    for (const { name, choice } of chosenStates(fileSystem, random, STATES_PER_KIND)) {
      const image = fileSystem.crashImage(choice);
      if (seen.size === seen.add(imageKey(image)).size) continue;
      total.states++;
      const after = generationsIn(image, scene.root);
      if (sum(after) < sum(before)) total.undone++;
      if (after.includes(0) && sum(after) > 0) total.mixtures++;
      try {
        await scene.judge(image, seed, told);
      } catch (error) {
        const how = `${directoryMode} names, sectors of ${sectorBytes}`;
        throw new Error(`moment ${total.moments}, ${name}, ${how}: ${String(error)}`, {
          cause: error,
        });
      }
    }
  }
  const told = toldIn(last === null ? new Uint8Array(0) : toldOn(last));
  total.rewritten += sum(told.get('rewritten') ?? []);
  total.dropped += sum(told.get('dropped') ?? []);
}

function toldOn(fileSystem: FaultyFileSystem): Uint8Array {
  return contentOf(fileSystem, TRACED.told);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
