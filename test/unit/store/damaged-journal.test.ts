/** A store whose journal is damaged: shown up to the damage, refusing every change. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { CorruptLogError } from '../../../src/core/errors.ts';
import type { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { readWhole } from '../../../src/io/transfer.ts';
import type { Store } from '../../../src/store/store.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

const JOURNAL = `${STORE_PATH}/journal`;
const FIRST_SEGMENT = `${JOURNAL}/00000000000000000000.log`;

/** Topics `a`, then `b`, with a record each; group `g` read the one of `a`. */
async function setup({ runs = 0 } = {}): Promise<StoreBench> {
  const bench = new StoreBench();
  const store = await bench.open();
  const topic = await store.topic('a', { codec: utf8 });
  await topic.append({ value: 'in a' });
  await topic.resetGroup('g', { offset: 1 }, { dryRun: false });
  for (let run = 0; run < runs; run++) await store.snapshot();
  await (await store.topic('b', { codec: utf8 })).append({ value: 'in b' });
  await store.close();
  return bench;
}

async function invert(fileSystem: MemoryFileSystem, path: string, at: number): Promise<void> {
  const bytes = await readWhole(fileSystem, path, 2 ** 20);
  const file = await fileSystem.open(path, 'write');
  await file.write(Uint8Array.of((bytes[at] ?? 0) ^ 0xff), at);
  await file.close();
}

/** Where the batch begins that holds the entry which creates a topic of this name. */
async function placeOf(fileSystem: MemoryFileSystem, name: string): Promise<number> {
  const bytes = Buffer.from(await readWhole(fileSystem, FIRST_SEGMENT, 2 ** 20));
  return bytes.indexOf(Buffer.from([1, ...Buffer.from(name)]), 128);
}

async function opened(bench: StoreBench, readOnly = false): Promise<Store> {
  const store = await bench.open({ readOnly });
  onTestFinished(() => store.close());
  return store;
}

describe.each([
  ['opened', false],
  ['only looked at', true],
])('a store with a damaged journal that is %s', (_how, readOnly) => {
  test('shows what is known up to the damage, and says what it is', async () => {
    const bench = await setup();
    await invert(bench.fileSystem, FIRST_SEGMENT, await placeOf(bench.fileSystem, 'b'));
    const store = await opened(bench, readOnly);
    expect(store.damage).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
    expect(store.damage?.details).toMatchObject({ firstOffset: 2 });
    const { status, problems } = store.health();
    expect([status, problems.map(({ code }) => code)]).toEqual(['failed', ['journal-damaged']]);
    expect(store.topics().map(({ name }) => name)).toEqual(['a']);
    const topic = await store.topic('a', { codec: utf8 });
    const values: (string | null)[] = [];
    for await (const { value } of topic.records()) values.push(value);
    expect(values).toEqual(['in a']);
    expect(store.groups()).toEqual([{ topic: 'a', name: 'g', memberCount: 0 }]);
    expect(await topic.describeGroup('g')).toMatchObject({ partitions: [{ lag: 0 }] });
  });

  test('refuses every change, with the damage as the cause, and writes nothing', async () => {
    const bench = await setup();
    await invert(bench.fileSystem, FIRST_SEGMENT, await placeOf(bench.fileSystem, 'b'));
    const store = await opened(bench, readOnly);
    const topic = await store.topic('a', { codec: utf8 });
    const member = await topic.consumerGroup('g');
    const directories = await bench.fileSystem.list(`${STORE_PATH}/topics`);
    const refused = { code: 'ERR_VARVE_READ_ONLY', cause: store.damage };
    const changes: [string, () => unknown][] = [
      ['append', () => topic.append({ value: 'x' })],
      ['new topic', () => store.topic('c')],
      ['lost topic', () => store.topic('b')],
      ['alter', () => store.alterTopic('a', { retentionMs: 1 })],
      ['partitions', () => store.addPartitions('a', 2)],
      ['commit', () => member.commit({ partition: 0, offset: 0 })],
      ['reset', () => topic.resetGroup('h', 'earliest', { dryRun: false })],
      ['delete group', () => topic.deleteGroup('other').catch(() => store.snapshot())],
      ['snapshot', () => store.snapshot()],
    ];
    for (const [name, change] of changes) {
      const error: unknown = await Promise.resolve()
        .then(change)
        .catch((thrown: unknown) => thrown);
      expect({ name, error }).toMatchObject({ name, error: refused });
    }
    await expect(store.topic('b', { create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
      cause: store.damage,
    });
    expect(await bench.fileSystem.list(`${STORE_PATH}/topics`)).toEqual(directories);
  });
});

test('fail: is not opened', async () => {
  const bench = await setup();
  await invert(bench.fileSystem, FIRST_SEGMENT, await placeOf(bench.fileSystem, 'b'));
  for (const readOnly of [false, true]) {
    await expect(bench.open({ readOnly, onCorruption: 'fail' })).rejects.toMatchObject({
      code: 'ERR_VARVE_CORRUPT',
    });
  }
});

test('its lock is free again: others may look and repair', async () => {
  const bench = await setup();
  await invert(bench.fileSystem, FIRST_SEGMENT, await placeOf(bench.fileSystem, 'b'));
  const one = await opened(bench);
  const two = await opened(bench);
  expect([one.damage?.code, two.damage?.code]).toEqual(['ERR_VARVE_CORRUPT', 'ERR_VARVE_CORRUPT']);
});

test('damage that a snapshot run has passed costs nothing', async () => {
  const bench = await setup({ runs: 1 });
  await invert(bench.fileSystem, FIRST_SEGMENT, await placeOf(bench.fileSystem, 'a'));
  const store = await bench.open({ readOnly: true });
  onTestFinished(() => store.close());
  const damaged: CorruptLogError | null = store.damage;
  expect(store.topics().map(({ name }) => name)).toEqual(['a', 'b']);
  // All is known, but the file is not whole: opening examines it, and so it is not written to.
  expect(damaged?.code).toBe('ERR_VARVE_CORRUPT');
});
