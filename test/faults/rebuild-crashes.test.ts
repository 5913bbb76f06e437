/**
 * A destination is rebuilt, with a crash at each call: its log is the old one or the new one then, a
 * rebuild after that brings all of it back, and nothing is left of one that was cut short.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { isStoreError } from '../../src/core/errors.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { contentOf, damageBatches, logPath, loseLog } from '../support/rebuilds.ts';
import { crashPointsOf, disksAfterCrash, nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Stops } from '../support/faults/stops.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { STORE_PATH } from '../support/store-fixture.ts';

const HARMS = {
  damaged: (fileSystem: FaultyFileSystem, path: string) => damageBatches(fileSystem, path, [1]),
  lost: loseLog,
};
/** Read and committed by a group. */
const COMMITTED = 3;

function openOn(fileSystem: FaultyFileSystem, seed: number): Promise<Store> {
  const random = new SeededRandom(seed);
  return openStore(STORE_PATH, { fileSystem, clock: new ManualClock(), random, freeBytesMin: 0 });
}

interface Prepared {
  readonly fileSystem: FaultyFileSystem;
  readonly content: readonly string[];
  /** What could be read before the rebuild; null = the log could not be opened. */
  readonly rest: readonly string[] | null;
  readonly path: string;
}

/** A destination of two segments, of which a group has read a part, is harmed. */
async function prepare(harm: keyof typeof HARMS): Promise<Prepared> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await openOn(fileSystem, 1);
  const topic = await store.topic('t', { codec: utf8, segmentBytesMax: 4096 });
  const events = await store.exchange('events', { type: 'direct', codec: utf8 });
  await events.bind('t', { pattern: 'a' });
  for (let at = 0; at < 6; at++) {
    const routingKey = at === 2 ? 'b' : 'a';
    await events.publish(`${at}`.repeat(1000), { routingKey, confirm: 'routed' });
  }
  const member = await topic.consumerGroup('g');
  for await (const batch of member.batches()) {
    await member.commit(batch);
    if (batch.nextOffset >= COMMITTED) break;
  }
  const content = await contentOf(store, 't');
  const path = logPath(store, 't', 0);
  await store.close();
  await HARMS[harm](fileSystem, path);
  await fileSystem.syncDirectory(join(path, '..'));
  const image = fileSystem.killImage({ inFlight: 'none' }, { random: new SeededRandom(1) });
  const rest = await image.drive(restOn(image));
  if (rest.status !== 'done') throw new Error('the rest cannot be read', { cause: rest });
  return { fileSystem, content, rest: rest.value, path };
}

async function restOn(fileSystem: FaultyFileSystem): Promise<readonly string[] | null> {
  const store = await openOn(fileSystem, 4);
  const rest = await readable(store);
  await store.close();
  return rest;
}

/** What can be read of the destination; null = it cannot be opened. */
async function readable(store: Store): Promise<readonly string[] | null> {
  try {
    return await contentOf(store, 't', { onCorruption: 'skip' });
  } catch (error) {
    if (isStoreError(error, 'ERR_VARVE_NOT_FOUND')) return null;
    throw error;
  }
}

/** @param reached  told when the rebuild has resolved */
async function program(fileSystem: FaultyFileSystem, reached: () => void): Promise<void> {
  const store = await openOn(fileSystem, 2);
  const events = await store.exchange('events', { codec: utf8 });
  await events.rebuild('t', { dryRun: false });
  reached();
  await store.close();
}

/** Opens what a crash left. @throws Error when it breaks a promise */
async function check(
  fileSystem: FaultyFileSystem,
  { content, rest, path }: Prepared,
  isRebuilt: boolean,
): Promise<string> {
  const store = await openOn(fileSystem, 3);
  expect(isRebuilt ? [content] : [content, rest]).toContainEqual(await readable(store));
  const events = await store.exchange('events', { codec: utf8 });
  const found = await events.rebuild('t', { dryRun: false });
  const [partition] = found.partitions;
  expect(partition?.endOffset).toBe(content.length);
  if (isRebuilt) expect(partition?.isDamaged).toBe(false);
  expect(await contentOf(store, 't')).toEqual(content);
  expect((await fileSystem.list(join(path, '..'))).toSorted()).toEqual(['0']);
  const member = await (await store.topic('t', { codec: utf8 })).consumerGroup('g');
  const { value: batch } = await member.batches().next();
  expect(batch?.baseOffset).toBe(COMMITTED);
  await events.publish('more', { routingKey: 'a', confirm: 'routed' });
  expect(await contentOf(store, 't')).toHaveLength(content.length + 1);
  await store.close();
  return partition?.isDamaged === true ? 'the old log was there' : 'the new log was there';
}

test.each([
  ['damaged', 0],
  ['damaged', 2],
  ['lost', 0],
] as const)('rebuilds a log that is %s whatever a crash leaves, SEED=%i', async (harm, seed) => {
  const prepared = await prepare(harm);
  const tally = new Tally();
  const seen = new Set<string>();
  const calls: Call[] = [];
  const stops = new Stops<boolean>();
  const run = async () => {
    const random = new SeededRandom(seed);
    const schedule = scheduleOf(seed);
    let isRebuilt = false;
    const fileSystem: FaultyFileSystem = prepared.fileSystem.killImage(
      { inFlight: 'none' },
      {
        schedule,
        random,
        trace: (_number, call) => void calls.push(call),
        onPoint: (point) => stops.add(point, fileSystem, isRebuilt),
      },
    );
    const work = program(fileSystem, () => {
      isRebuilt = true;
    });
    return { fileSystem, outcome: await fileSystem.drive(work), isRebuilt };
  };
  expect(prepared.rest).not.toEqual(prepared.content);
  expect(prepared.rest?.length ?? 0).toBe(harm === 'lost' ? 0 : prepared.content.length - 1);
  const whole = await run();
  expect(whole).toMatchObject({ outcome: { status: 'done' }, isRebuilt: true });
  expect(whole.fileSystem.violations).toEqual([]);
  for (const crashAt of crashPointsOf(calls)) {
    const { call, when, pointCount } = crashAt;
    const stop = stops.at(crashAt);
    const place = `SEED=${seed} crash ${when} call ${call} (${nameOf(calls[call - 1])})`;
    tally.count('crash points', pointCount);
    if (stop === null) {
      tally.fail(place, new Error('it does not come there'));
      continue;
    }
    const { fileSystem, known } = stop;
    for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: 2 })) {
      const key = `${known} ${imageKey(disk.fileSystem)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      try {
        tally.count(await check(disk.fileSystem, prepared, known));
      } catch (error) {
        tally.fail(`${place}, ${disk.name}`, error);
      }
    }
  }
  console.log(tally.summary(`rebuild a ${harm} log, SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('crash points')).toBeGreaterThan(200);
  for (const what of ['the old log was there', 'the new log was there']) {
    expect(tally.of(what)).toBeGreaterThan(10);
  }
});

/** Fails calls below a topic, once; then the same store and a new one go on. */
async function failCall(prepared: Prepared, skip: number, errno: string): Promise<string> {
  const random = new SeededRandom(skip);
  const fileSystem = prepared.fileSystem.killImage({ inFlight: 'none' }, { random });
  const work = async (): Promise<string> => {
    const store = await openOn(fileSystem, 2);
    const events = await store.exchange('events', { codec: utf8 });
    await events.rebuild('t'); // Opens what is open then.
    fileSystem.addFault({ errno, path: /topics\/t-/, skip });
    const failure = await events.rebuild('t', { dryRun: false }).then(
      () => null,
      (error: unknown) => error,
    );
    fileSystem.clearFaults();
    if (failure !== null) {
      // Once more in the same process; a log whose writer failed needs an opening.
      await events.rebuild('t', { dryRun: false }).catch(() => undefined);
    }
    await store.close().catch(() => undefined);
    return failure === null ? 'passed' : 'failed';
  };
  const outcome = await fileSystem.drive(work());
  if (outcome.status !== 'done') throw new Error(`it is ${outcome.status}`, { cause: outcome });
  const checked = await fileSystem.drive(check(fileSystem, prepared, false));
  if (checked.status === 'failed') throw checked.error;
  expect(checked.status).toBe('done');
  return outcome.value;
}

test.each([
  ['damaged', 'EIO'],
  ['lost', 'EIO'],
  ['damaged', 'ENOSPC'],
] as const)(
  'a log that is %s is rebuilt after any one call failed with %s',
  async (harm, errno) => {
    const prepared = await prepare(harm);
    const tally = new Tally();
    for (let skip = 0, passed = 0; passed < 3; skip++) {
      try {
        const what = await failCall(prepared, skip, errno);
        tally.count(what);
        passed = what === 'passed' ? passed + 1 : 0;
      } catch (error) {
        tally.fail(`call ${skip}`, error);
        passed = 0;
      }
      if (skip > 1000) throw new Error('it never ends');
    }
    console.log(tally.summary(`rebuild a ${harm} log, ${errno}`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('failed')).toBeGreaterThan(30);
  },
);
