/** By which time a window of ids goes: nothing is forgotten early, wherever it is known from. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreDisk } from '../../support/store-disk.ts';

const WINDOW_MS = 300_000;
const HOUR_MS = 3_600_000;
const headers = { pad: 'x'.repeat(1000) };

function topicIn(store: Store): Promise<StoreTopic<string>> {
  return store.topic('orders', { codec: utf8, segmentBytesMax: 4096 });
}

function send(topic: StoreTopic<string>, dedupId: string) {
  return topic.append({ value: dedupId, dedupId, headers });
}

/** In memory; in tables of sealed segments; in batches. */
test.each([
  ['open', 0],
  ['closed', 20],
  ['closed', 0],
  ['killed', 0],
] as const)('to the millisecond, %s with %i records behind', async (ending, behind) => {
  const disk = await StoreDisk.make();
  let store = await disk.open();
  let topic = await topicIn(store);
  for (const id of ['one', 'two']) {
    disk.clock.advance(1);
    expect(await send(topic, id)).toMatchObject({ duplicate: false });
  }
  for (let n = 0; n < behind; n++) await topic.append({ value: 'plain', headers });
  if (ending !== 'open') {
    if (ending === 'closed') await store.close();
    else disk.kill();
    store = await disk.open();
    topic = await topicIn(store);
  }
  disk.clock.advance(WINDOW_MS);
  expect(await send(topic, 'two')).toMatchObject({ offset: 1, duplicate: true });
  disk.clock.advance(WINDOW_MS / 256 + 1);
  expect(await send(topic, 'two')).toMatchObject({ offset: 2 + behind, duplicate: false });
  await store.close();
});

test('whatever the clock says when they are loaded once more: it was set back before they came', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await topicIn(store);
  await send(topic, 'before');
  disk.clock.jumpTo(disk.clock.now() - HOUR_MS);
  disk.clock.advance(60_000);
  await send(topic, 'one'); // Its log has it at the time of the one before: none goes back.
  await store.alterTopic('orders', { dedupWindowMs: WINDOW_MS + 1 });
  disk.clock.advance(WINDOW_MS);
  expect(await send(topic, 'one')).toMatchObject({ offset: 1, duplicate: true });
  disk.clock.advance(2 * WINDOW_MS);
  expect(await send(topic, 'one')).toMatchObject({ offset: 2, duplicate: false });
  await store.close();
});

test('a clock that was set back between two processes does not make a window longer, or shorter', async () => {
  const disk = await StoreDisk.make();
  let store = await disk.open();
  await send(await topicIn(store), 'one');
  await store.close();
  disk.clock.jumpTo(disk.clock.now() - HOUR_MS);
  store = await disk.open();
  const topic = await topicIn(store);
  expect(await send(topic, 'one')).toMatchObject({ offset: 0, duplicate: true });
  disk.clock.advance(WINDOW_MS);
  expect(await send(topic, 'one')).toMatchObject({ offset: 0, duplicate: true });
  disk.clock.advance(WINDOW_MS / 256 + 1);
  expect(await send(topic, 'one')).toMatchObject({ offset: 1, duplicate: false });
  await store.close();
});
