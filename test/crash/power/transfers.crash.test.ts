/**
 * Real processes that move money between two accounts, under a shim that records each call on their files:
 * after the kill, disks that a power cut could have left are built from the record, opened by the engine,
 * and audited. What is committed is whole, in the queue and in both accounts, one of which is not synced.
 *
 * `VARVE_CRASH_CYCLES` scales the number of rounds, `SEED` picks them; a failing round prints its own SEED
 * and keeps its trace. Needs gcc.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom, type Random } from '../../../src/core/random.ts';
import { openStore } from '../../../src/index.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { pathsOn } from '../../support/faults/image-key.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { chosenStates, NOTHING } from '../../support/power/chosen-states.ts';
import { firstSeed, REQUIRES_ALL, roundsOf } from '../../support/power/rounds.ts';
import type { Sabotage } from '../../support/power/sabotage.ts';
import { pick } from '../../support/power/writer-plan.ts';
import { buildShim, whyNoShim, type BuiltShim } from '../../support/shim/build-shim.ts';
import { ShimDisk } from '../../support/shim/shim-disk.ts';
import { materialize } from '../../support/shim/shim-stage.ts';
import { Auditor, type Findings } from '../transfers/auditor.ts';
import { runLife } from '../transfers/run-life.ts';
import { Told } from '../transfers/told.ts';

const skipReason = whyNoShim();
const ROUNDS = roundsOf();
const SEED = firstSeed();
const SABOTAGED_ROUNDS = 3;
/** Of each round, beside the worst one: states named by `crashStates`, and random mixes of sectors and names. */
const STATES_PER_KIND = 6;
/** So many answers a life hears, at most, and so many ms more. */
const MOVED_MAX = 60;
const MORE_MS_MAX = 5;
/** The store, seen from the traced directory. */
const TRACED_STORE = '/store';
const STRICT = { sectorBytes: 512, directoryMode: 'strict' } as const;

test.skipIf(skipReason === null || !REQUIRES_ALL)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`under the shim (skipped: ${skipReason ?? 'no'})`, () => {
  let shim: BuiltShim;

  beforeAll(() => {
    shim = buildShim();
  });
  afterAll(() => shim.remove());

  test(`${ROUNDS} power cuts leave all money moved once or not at all (SEED=${SEED})`, async () => {
    const total = { states: 0, moved: 0, untold: 0, wentOn: 0, bytesLost: 0, roundsWithLosses: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      await inRound(SEED + round, async ({ disk, told, random }) => {
        const lives = 1 + randomBelow(random, 2);
        for (let life = 0; life < lives; life++) await liveAndDie({ disk, told, random }, life);
        const worst = disk.replay(STRICT).fileSystem;
        const lostBytes = bytesOn(worst) - bytesOn(worst.crashImage(NOTHING));
        total.bytesLost += lostBytes;
        if (lostBytes > 0) total.roundsWithLosses++;
        for (const { movedCount, untoldCount } of await auditStates({ disk, told, random })) {
          total.states++;
          total.moved += movedCount;
          total.untold += untoldCount;
        }
        await goOn(worst.crashImage(NOTHING), told);
        total.wentOn++;
      });
    }
    console.log(`SEED=${SEED}: ${ROUNDS} rounds, ${JSON.stringify(total)}`);
    expect(total.moved).toBeGreaterThan(total.states * 5);
    // A cut that took nothing away is none.
    expect(total.roundsWithLosses).toBeGreaterThan(ROUNDS / 2);
    expect(total.wentOn).toBe(ROUNDS);
  });

  test.each<Sabotage>(['files', 'all'])(
    'a process whose syncs of %s do nothing is caught',
    async (sabotage) => {
      for (let round = 0; round < SABOTAGED_ROUNDS; round++) {
        await inRound(SEED + round, async ({ disk, told, random }) => {
          // An honest life first: a store whose own file was lost is not even opened.
          await liveAndDie({ disk, told, random }, 0);
          const before = told.sent.size;
          await liveAndDie({ disk, told, random }, 1, sabotage);
          expect(told.sent.size).toBeGreaterThan(before);
          const image = disk.replay(STRICT).fileSystem.crashImage(NOTHING);
          await expect(auditOf(image, told)).rejects.toThrow(
            /is lost|instead of|was moved|missing/,
          );
        });
      }
    },
  );

  async function inRound(seed: number, run: (round: Round) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'varve-test-'));
    const disk = new ShimDisk(shim, directory);
    try {
      await run({ disk, told: new Told(), random: new SeededRandom(seed) });
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
  readonly disk: ShimDisk;
  readonly told: Told;
  readonly random: Random;
}

async function liveAndDie(
  { disk, told, random }: Round,
  life: number,
  sabotage: Sabotage = 'none',
): Promise<void> {
  const seed = randomBelow(random, 2 ** 31);
  const directory = join(disk.root, TRACED_STORE);
  const movedCount = 1 + randomBelow(random, MOVED_MAX);
  const moreMs = random.next() * MORE_MS_MAX;
  const { said } = await runLife(
    { directory, life, seed, isLast: false, sabotage },
    {
      when: (moved) => moved(movedCount).then(() => pause(moreMs)),
      kill: () => disk.doom(),
    },
    disk.environment(),
  );
  told.hear(said);
}

/** The worst state, some named ones (torn writes among them), and random mixes. */
async function auditStates({ disk, told, random }: Round): Promise<readonly Findings[]> {
  const sectorBytes = pick(random, [512, 4096] as const);
  const directoryMode = pick(random, ['strict', 'linux'] as const);
  const { fileSystem } = disk.replay({ sectorBytes, directoryMode });
  const findings: Findings[] = [];
  for (const { name, choice } of chosenStates(fileSystem, random, STATES_PER_KIND)) {
    try {
      findings.push(await auditOf(fileSystem.crashImage(choice), told));
    } catch (error) {
      const how = `${directoryMode} names, sectors of ${sectorBytes}`;
      throw new Error(`${name}, ${how}: ${String(error)}`, { cause: error });
    }
  }
  return findings;
}

/** By somebody who knows only what was said. */
async function auditOf(fileSystem: FaultyFileSystem, told: Told): Promise<Findings> {
  const store = await openStore(TRACED_STORE, { fileSystem });
  try {
    return await new Auditor().audit(store, told);
  } finally {
    await store.close();
  }
}

/** What was found goes on, on the real file system, until everything is moved. */
async function goOn(image: FaultyFileSystem, told: Told): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'varve-test-'));
  try {
    await materialize(image, root);
    const directory = join(root, TRACED_STORE);
    await runLife({ directory, life: -1, seed: 1, isLast: true, sabotage: 'none' }, null);
    const store = await openStore(directory);
    const { transferCount, movedCount } = await new Auditor().audit(store, told);
    await store.close();
    expect(movedCount).toBe(transferCount);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Of all records, and of what stands around them. */
function bytesOn(fileSystem: FaultyFileSystem): number {
  const paths = pathsOn(fileSystem).filter((path) => path.endsWith('.log'));
  return paths.reduce((sum, path) => sum + contentOf(fileSystem, path).length, 0);
}
