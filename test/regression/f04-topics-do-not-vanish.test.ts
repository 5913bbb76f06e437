/**
 * F4. Elsewhere: a whole stream was gone after kill -9, because nothing durable said that it was
 * there (nats-server#6888).
 *
 * Here: a topic exists when the journal says so. From the answer on it is there, whatever happens,
 * with what was acknowledged in it; before, it is there as a whole or not at all; and its files do
 * not decide: when they are missing that is an error, and never an empty topic.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { TOPICS_DIRECTORY } from '../../src/format/file-names.ts';
import { topicDirectoryName } from '../../src/topic/topic-names.ts';
import type { Store } from '../../src/store/store.ts';
import { rejectionOf } from '../support/log-fixture.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { STORE_PATH } from '../support/store-fixture.ts';

const OLD_RECORDS = 3;

/** What the program was told before the end. */
interface Told {
  isCreated: boolean;
  recordCount: number;
}

async function storeWithOld(): Promise<{ disk: StoreDisk; store: Store }> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await store.topic('old', { codec: utf8 });
  for (let at = 0; at < OLD_RECORDS; at++) await topic.append({ value: `${at}` });
  return { disk, store };
}

/** Makes a topic of two partitions and appends to both. */
async function createNew(store: Store, told: Told): Promise<void> {
  const topic = await store.topic('new', { codec: utf8, partitions: 2 });
  told.isCreated = true;
  for (const partition of [0, 1]) {
    await topic.append({ value: `in ${partition}` }, { partition });
    told.recordCount++;
  }
}

async function valuesIn(store: Store, name: string): Promise<(string | null)[]> {
  const topic = await store.topic(name, { codec: utf8, create: false });
  const values: (string | null)[] = [];
  for await (const record of topic.records()) values.push(record.value);
  return values;
}

/** Both topics as promised; a new one that was never answered can be made now. */
async function check(store: Store, told: Told): Promise<void> {
  expect(await valuesIn(store, 'old')).toEqual(['0', '1', '2']);
  const names = store.topics().map(({ name }) => name);
  const isThere = names.includes('new');
  if (told.isCreated) expect(names).toContain('new');
  if (isThere) {
    expect(store.describeTopic('new').partitionCount).toBe(2);
    const expected = ['in 0', 'in 1'].slice(0, told.recordCount);
    expect(await valuesIn(store, 'new')).toEqual(expect.arrayContaining(expected));
  }
  const topic = await store.topic('new', { codec: utf8, partitions: 2 });
  await topic.append({ value: 'more' }, { partition: 1 });
}

describe('F4: a topic', () => {
  test.each(['power cut', 'kill'] as const)(
    'survives a %s at any call from its answer on, and is whole or not there before',
    async (ending) => {
      const seen = { crashes: 0, without: 0, unanswered: 0 };
      const made = await storeWithOld();
      await made.store.close();
      for (let call = 1; ; call++) {
        const disk = made.disk.copy();
        const store = await disk.open();
        const { fileSystem } = disk;
        fileSystem.crashAt = { call: fileSystem.callCount + call, when: 'inside' };
        const told: Told = { isCreated: false, recordCount: 0 };
        const outcome = await disk.drive(createNew(store, told));
        if (ending === 'kill') disk.kill();
        else disk.cutPower();
        const again = await disk.open();
        const isThere = again.topics().some(({ name }) => name === 'new');
        if (!isThere) seen.without++;
        else if (!told.isCreated) seen.unanswered++;
        await check(again, told);
        await again.close();
        if (outcome.status === 'done') break;
        expect(outcome.status).toBe('crashed');
        seen.crashes++;
      }
      expect(seen.crashes).toBeGreaterThan(20);
      expect(seen.without).toBeGreaterThan(5);
      if (ending === 'kill') expect(seen.unanswered).toBeGreaterThan(0);
    },
  );

  test('whose directory is missing is an error, and stays one', async () => {
    const { disk, store } = await storeWithOld();
    const { topicId } = store.describeTopic('old');
    await store.close();
    const { fileSystem } = disk;
    const path = join(STORE_PATH, TOPICS_DIRECTORY, topicDirectoryName('old', topicId));
    await fileSystem.rename(path, join(STORE_PATH, 'elsewhere'));
    const again = await disk.open();
    expect(again.topics().map(({ name }) => name)).toEqual(['old']);
    const topic = await again.topic('old', { codec: utf8 });
    const error = await rejectionOf(topic.append({ value: 'lost' }));
    expect(error).toMatchObject({ code: expect.stringMatching(/CORRUPT|NOT_FOUND/) });
    await expect(valuesIn(again, 'old')).rejects.toMatchObject({ name: (error as Error).name });
    await again.close();
    expect(await fileSystem.list(join(STORE_PATH, TOPICS_DIRECTORY))).toEqual([]);
    await fileSystem.rename(join(STORE_PATH, 'elsewhere'), path);
    const mended = await disk.open();
    expect(await valuesIn(mended, 'old')).toEqual(['0', '1', '2']);
    await mended.close();
  });

  test('that the journal does not know is neither listed nor removed', async () => {
    const { disk, store } = await storeWithOld();
    const stranger = join(STORE_PATH, TOPICS_DIRECTORY, topicDirectoryName('stranger', 5));
    await disk.fileSystem.makeDirectory(join(stranger, '0'));
    await store.close();
    const again = await disk.open();
    expect(again.topics().map(({ name }) => name)).toEqual(['old']);
    await again.close();
    expect(await disk.fileSystem.list(stranger)).toEqual(['0']);
  });
});
