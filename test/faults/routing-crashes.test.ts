/**
 * Crashes at every file-system call of an exchange: while it is published to at full rate and new
 * bindings get the past, of which one is taken away meanwhile, and while destinations forget theirs. Whatever a power cut or a kill leaves,
 * each destination log holds in the end what a plain filter of the source says, and nothing that a
 * reader has seen is another then (A10).
 */
import { afterAll, describe, expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { WHENS } from '../support/faults/crash-run.ts';
import { RoutingProgram, type RoutingSetting } from '../support/faults/routing-program.ts';
import { Tally } from '../support/faults/tally.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';

const PLAIN = { durability: 'os', hasBackfill: true, overlaps: false, trims: false } as const;

const SETTINGS: readonly RoutingSetting[] = [
  { ...PLAIN, name: 'a backfill', seed: 0 },
  { ...PLAIN, name: 'a backfill, out of order', durability: 'sync', seed: 2 },
  { ...PLAIN, name: 'overlapping backfills', overlaps: true, seed: 0 },
  {
    ...PLAIN,
    name: 'overlapping backfills, out of order',
    durability: 'interval',
    overlaps: true,
    seed: 3,
  },
  {
    ...PLAIN,
    name: 'marks and retention',
    durability: 'interval',
    hasBackfill: false,
    trims: true,
    seed: 0,
  },
  { ...PLAIN, name: 'a backfill and retention', trims: true, seed: 1 },
];

const summaries: string[] = [];

interface Disk {
  readonly name: string;
  readonly isPowerCut: boolean;
  readonly fileSystem: FaultyFileSystem;
}

/** One disk per crash point, another at the next: the program runs anew for each. */
function diskOf(fileSystem: FaultyFileSystem, number: number): Disk {
  const next = { schedule: null, random: new SeededRandom(number), crashAt: null };
  const random = new SeededRandom(number);
  switch (number % 5) {
    case 0:
      return {
        name: 'what was synced',
        isPowerCut: true,
        fileSystem: fileSystem.crashImage({ data: 'none', names: 'none' }, next),
      };
    case 1:
      return {
        name: 'kill, none in flight',
        isPowerCut: false,
        fileSystem: fileSystem.killImage({ inFlight: 'none' }, next),
      };
    case 2:
      return {
        name: 'kill, some in flight',
        isPowerCut: false,
        fileSystem: fileSystem.killImage({ inFlight: 'random', random }, next),
      };
    default:
      return {
        name: 'a power cut',
        isPowerCut: true,
        fileSystem: fileSystem.crashImage({ random }, next),
      };
  }
}

describe.each(SETTINGS)('$name', (setting) => {
  test('ends in the filter of the source, wherever it is stopped', async () => {
    const tally = new Tally();
    const whole = new RoutingProgram(setting, null);
    expect(await whole.run()).toMatchObject({ status: 'done' });
    expect(whole.world.complaints()).toEqual([]);
    const { callCount } = whole.world.fileSystem;
    for (let call = whole.openingCalls + 1; call <= callCount; call++) {
      for (const [at, when] of WHENS.entries()) {
        const program = new RoutingProgram(setting, { call, when });
        const outcome = await program.run();
        const { fileSystem } = program.world;
        tally.count('crash points');
        const disk = diskOf(fileSystem, 3 * call + at + setting.seed);
        const place = `crash ${when} call ${call}: ${disk.name}`;
        if (outcome.status !== 'crashed') tally.fail(place, new Error(`it is ${outcome.status}`));
        const problems = await program.check(disk.fileSystem, disk.isPowerCut);
        if (problems.length > 0) tally.fail(place, new Error(problems.slice(0, 3).join('; ')));
      }
    }
    summaries.push(tally.summary(setting.name));
    expect(tally.failures).toEqual([]);
    expect(tally.of('crash points')).toBeGreaterThan(300);
  });
});

afterAll(() => console.log(summaries.join('\n')));
