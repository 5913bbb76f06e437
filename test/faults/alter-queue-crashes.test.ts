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
import { Stops } from '../support/faults/stops.ts';
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
  const calls: Call[] = [];
  const stops = new Stops<boolean>();
  const run = async () => {
    const random = new SeededRandom(seed);
    const schedule = scheduleOf(seed);
    let isAltered = false;
    const fileSystem: FaultyFileSystem = prepared.killImage(
      { inFlight: 'none' },
      {
        schedule,
        random,
        trace: (_number, call) => void calls.push(call),
        onPoint: (point) => stops.add(point, fileSystem, isAltered),
      },
    );
    const work = program(fileSystem, () => {
      isAltered = true;
    });
    return { fileSystem, outcome: await fileSystem.drive(work), isAltered };
  };
  const whole = await run();
  expect(whole).toMatchObject({ outcome: { status: 'done' }, isAltered: true });
  expect(whole.fileSystem.violations).toEqual([]);
  for (const crashAt of crashPointsOf(calls)) {
    const { call, when, pointCount } = crashAt;
    const stop = stops.at(crashAt);
    tally.count('crash points', pointCount);
    if (stop === null) {
      tally.fail(`${when} call ${call}`, new Error('it does not come there'));
      continue;
    }
    const { fileSystem, known } = stop;
    for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: 2 })) {
      const key = `${known} ${imageKey(disk.fileSystem)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const place = `crash ${when} call ${call} (${nameOf(calls[call - 1])}), ${disk.name}`;
      try {
        tally.count(await check(disk.fileSystem, known));
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
