/**
 * Settings of a queue are changed, those of its topic with them, with a crash at each call: afterwards it
 * has all of the new ones or none.
 */
import { expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { crashPointsOf, disksAfterCrash, nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';

const BEFORE = { leaseMs: 30_000, failuresMax: 5, dedupWindowMs: 300_000, recordBytesMax: 4096 };
const AFTER = { leaseMs: 60_000, failuresMax: 9, dedupWindowMs: 7_200_000, recordBytesMax: 8192 };

function openOn(fileSystem: FaultyFileSystem, seed: number): Promise<Store> {
  const random = new SeededRandom(seed);
  return openStore('/store', { fileSystem, clock: new ManualClock(), random, freeBytesMin: 0 });
}

async function prepare(): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await openOn(fileSystem, 1);
  await (await store.queue('email', { partitions: 1, ...BEFORE })).send(Buffer.from('a'));
  await store.close();
  return fileSystem;
}

/** Between records of a consumer, so that journal and log have more to write. */
async function program(fileSystem: FaultyFileSystem, reached: () => void): Promise<void> {
  const store = await openOn(fileSystem, 2);
  const queue = await store.queue('email');
  const [delivery] = await queue.acquire();
  const { leaseMs, failuresMax, ...ofTopic } = AFTER;
  await queue.topic.alterShareGroup('queue', { leaseMs, failuresMax }, ofTopic);
  reached();
  await delivery?.ack();
  await store.close();
}

/** Opens what a crash left. @throws Error when it breaks the promise */
async function check(fileSystem: FaultyFileSystem, isAltered: boolean): Promise<string> {
  const store = await openOn(fileSystem, 3);
  const { dedupWindowMs, recordBytesMax } = store.describeTopic('email').options;
  const topic = await store.topic('email');
  const { leaseMs, failuresMax } = (await topic.describeShareGroup('queue')).settings;
  const found = { leaseMs, failuresMax, dedupWindowMs, recordBytesMax };
  await store.close();
  if (isAltered) expect(found).toEqual(AFTER);
  expect([BEFORE, AFTER]).toContainEqual(found);
  return found.leaseMs === BEFORE.leaseMs ? 'as before' : 'altered';
}

const seed = Number(process.env['SEED'] ?? 0);

test('all of them are changed, or none', async () => {
  const prepared = await prepare();
  const tally = new Tally();
  const seen = new Set<string>();
  const run = async (next: Parameters<FaultyFileSystem['killImage']>[1]) => {
    const random = new SeededRandom(seed);
    const schedule = scheduleOf(seed);
    const fileSystem = prepared.killImage({ inFlight: 'none' }, { schedule, random, ...next });
    let isAltered = false;
    const work = program(fileSystem, () => {
      isAltered = !fileSystem.isCrashed;
    });
    return { fileSystem, outcome: await fileSystem.drive(work), isAltered };
  };
  const calls: Call[] = [];
  const whole = await run({ trace: (_number, call) => void calls.push(call) });
  expect(whole).toMatchObject({ outcome: { status: 'done' }, isAltered: true });
  expect(whole.fileSystem.violations).toEqual([]);
  for (const crashAt of crashPointsOf(calls)) {
    const { call, when, pointCount } = crashAt;
    const { fileSystem, isAltered } = await run({ crashAt });
    tally.count('crash points', pointCount);
    for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: 2 })) {
      const key = `${isAltered} ${imageKey(disk.fileSystem)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const place = `crash ${when} call ${call} (${nameOf(calls[call - 1])}), ${disk.name}`;
      try {
        tally.count(await check(disk.fileSystem, isAltered));
      } catch (error) {
        tally.fail(`SEED=${seed} ${place}`, error);
      }
    }
  }
  console.log(tally.summary(`alter a queue, SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('crash points')).toBeGreaterThan(50);
  for (const what of ['as before', 'altered']) expect(tally.of(what)).toBeGreaterThan(10);
});
