/** A destination log that cannot be opened when the first record is to go there. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';

interface Broken {
  readonly reopen: () => Promise<Store>;
  /** Lets the log be opened again. */
  readonly mend: () => Promise<void>;
}

/** A closed store: of what was published to `events`, nothing has reached `one`, but all has `two`. */
async function broken(): Promise<Broken> {
  const fileSystem = new MemoryFileSystem();
  const reopen = () =>
    openStore('/store', {
      fileSystem,
      clock: new ManualClock(1_000_000),
      random: new SeededRandom(1),
    });
  let store = await reopen();
  const path = (await store.topic('one')).partitions.at(0)?.path ?? '';
  await store.topic('two');
  const events = await store.exchange('events', { type: 'fanout' });
  for (const name of ['one', 'two']) await events.bind(name);
  await store.close();
  await fileSystem.rename(path, '/away');
  store = await reopen();
  const opened = await store.exchange('events', { codec: utf8 });
  for (const value of ['a', 'b']) await opened.publish(value);
  await expect
    .poll(async () => (await opened.stats()).destinations)
    .toMatchObject([
      { destination: 'one', isBehind: true, error: expect.any(String) },
      { destination: 'two', position: 2, recordCount: 2 },
    ]);
  await store.close();
  return { reopen, mend: () => fileSystem.rename('/away', path) };
}

test('gets all of it once it can be opened, also after the store was closed', async () => {
  const { reopen, mend } = await broken();
  await mend();
  const store = await reopen();
  const values: (string | null)[] = [];
  const one = await store.topic('one', { codec: utf8 });
  const signal = AbortSignal.timeout(5000);
  for await (const batch of one.batches({ follow: true, limit: 2, signal })) {
    for (const { value } of batch) values.push(value);
  }
  expect(values).toEqual(['a', 'b']);
  await store.close();
});

test('holds the source, and can be let off, also after the store was closed', async () => {
  const { reopen } = await broken();
  const store = await reopen();
  const events = await store.exchange('events');
  expect(await events.detach('one')).toBe(2);
  expect(await events.detach('one')).toBe(0);
  expect(await events.stats()).toMatchObject({ skippedCount: 2 });
  await store.close();
});
