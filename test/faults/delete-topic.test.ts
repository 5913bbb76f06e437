/**
 * A topic is deleted and made again, with a crash at each call: it is there whole or gone, its files
 * are gone when the store was open again, and nothing of it shows in a topic of its name.
 */
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { topicIdOf } from '../../src/topic/topic-names.ts';
import { crashPointsOf, disksAfterCrash, nameOf, scheduleOf } from '../support/faults/crash-run.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { Stops } from '../support/faults/stops.ts';
import { Tally } from '../support/faults/tally.ts';
import type { Call } from '../support/fault-plan.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';

const PATH = '/store';
/** What the program was told before the crash. */
type Stage = 'there' | 'deleted' | 'made again' | 'written again';

function openOn(fileSystem: FaultyFileSystem, seed: number): Promise<Store> {
  const random = new SeededRandom(seed);
  return openStore(PATH, { fileSystem, clock: new ManualClock(), random, freeBytesMin: 0 });
}

/** Two topics with a record in each partition; a group has read the one that will go. */
async function prepare(): Promise<{ fileSystem: FaultyFileSystem; topicId: number }> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const store = await openOn(fileSystem, 1);
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  for (const partition of [0, 1]) await topic.append({ value: 'old' }, { partition });
  await (await store.topic('other', { codec: utf8 })).append({ value: 'kept' });
  const member = await topic.consumerGroup('g');
  for await (const batch of member.batches()) {
    await member.commit(batch);
    break;
  }
  const { topicId } = store.describeTopic('t');
  await store.close();
  return { fileSystem, topicId };
}

/** Deletes the topic while a member reads it, and makes it again. */
async function program(fileSystem: FaultyFileSystem, reached: (stage: Stage) => void) {
  const store = await openOn(fileSystem, 2);
  const member = await (await store.topic('t', { codec: utf8 })).consumerGroup('g');
  const reading = member
    .batches()
    .next()
    .catch(() => undefined);
  await store.deleteTopic('t');
  reached('deleted');
  await reading;
  const topic = await store.topic('t', { codec: utf8 });
  reached('made again');
  await topic.append({ value: 'new' });
  reached('written again');
  await store.close();
}

async function valuesOf(store: Store, name: string): Promise<(string | null)[]> {
  const topic = await store.topic(name, { codec: utf8, create: false });
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

/** Opens what a crash left. @throws Error when it breaks a promise */
async function check(fileSystem: FaultyFileSystem, stage: Stage, oldId: number): Promise<string> {
  const store = await openOn(fileSystem, 3);
  expect(await valuesOf(store, 'other')).toEqual(['kept']);
  const found = store.topics().find(({ name }) => name === 't') ?? null;
  const isOld = found?.topicId === oldId;
  if (isOld) {
    expect(stage).toBe('there');
    expect(await valuesOf(store, 't')).toEqual(['old', 'old']);
    expect(store.groups()).toMatchObject([{ topic: 't', name: 'g' }]);
    await store.deleteTopic('t');
  } else {
    expect(store.groups()).toEqual([]);
    const values = found === null ? null : await valuesOf(store, 't');
    if (stage === 'made again') expect(values).not.toBeNull();
    if (stage === 'written again') expect(values).toEqual(['new']);
    expect([null, [], ['new']]).toContainEqual(values);
  }
  const topic = await store.topic('t', { codec: utf8 });
  expect(await valuesOf(store, 't')).toEqual(
    stage === 'written again' ? ['new'] : expect.any(Array),
  );
  expect(await valuesOf(store, 't')).not.toContain('old');
  expect(topic.partitionCount).toBe(1);
  const { topicId } = store.describeTopic('t');
  await store.close();
  const ids = (await fileSystem.list(`${PATH}/topics`)).map(topicIdOf);
  expect(ids).toContain(topicId);
  expect(ids).not.toContain(oldId);
  const again = await openOn(fileSystem, 4);
  expect(again.topics().map(({ name }) => name)).toEqual(['other', 't']);
  await again.close();
  if (isOld) return 'the old topic was there';
  return found === null ? 'no topic was there' : 'the new topic was there';
}

test.each([0, 2])('deletes a topic whatever a crash leaves, SEED=%i', async (seed) => {
  const { fileSystem: prepared, topicId } = await prepare();
  const tally = new Tally();
  const seen = new Set<string>();
  const calls: Call[] = [];
  const stops = new Stops<Stage>();
  const run = async () => {
    const random = new SeededRandom(seed);
    const schedule = scheduleOf(seed);
    let stage: Stage = 'there';
    const fileSystem: FaultyFileSystem = prepared.killImage(
      { inFlight: 'none' },
      {
        schedule,
        random,
        trace: (_number, call) => void calls.push(call),
        onPoint: (point) => stops.add(point, fileSystem, stage),
      },
    );
    const work = program(fileSystem, (reached) => {
      stage = reached;
    });
    return { fileSystem, outcome: await fileSystem.drive(work), stage };
  };
  const whole = await run();
  expect(whole).toMatchObject({ outcome: { status: 'done' }, stage: 'written again' });
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
        tally.count(await check(disk.fileSystem, known, topicId));
      } catch (error) {
        tally.fail(`${place}, ${disk.name}`, error);
      }
    }
  }
  console.log(tally.summary(`delete a topic, SEED=${seed}`));
  expect(tally.failures).toEqual([]);
  expect(tally.of('crash points')).toBeGreaterThan(100);
  for (const what of ['the old topic was', 'no topic was', 'the new topic was']) {
    expect(tally.of(`${what} there`)).toBeGreaterThan(10);
  }
});
