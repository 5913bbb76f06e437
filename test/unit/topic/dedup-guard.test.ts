/** What a window of ids says when compaction asks, and whom it tells. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { openLocked } from '../../../src/store/open-store.ts';
import { resolveStoreOptions } from '../../../src/store/store-options.ts';
import { Topic } from '../../../src/topic/topic.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

test('compaction leaves the window alone, of which nobody is told', async () => {
  const { fileSystem, clock, random } = new StoreBench();
  const settings = resolveStoreOptions(STORE_PATH, { fileSystem, clock, random });
  const { topics, topicHome, lock, journal } = await openLocked(settings, 'throw');
  const topic = new Topic(await topics.open('t', { codec: utf8, dedupWindowMs: 1000 }));
  const { topicId } = topics.describe('t');
  const guard = present(topics.dedupGuardOf(topicId, 0), 'its topic is used');
  const codes = () => topicHome.signals.health.read().problems.map(({ code }) => code);
  const send = async (dedupId: string) => topic.append({ value: dedupId, dedupId });
  await send('old');
  clock.advance(900);
  await send('young');
  clock.advance(900);
  expect(await guard.allow(2, 'compaction')).toBe(1);
  clock.advance(5000);
  expect(codes()).toEqual([]);
  await send('younger');
  expect(await guard.allow(3, 'settled')).toBe(2);
  clock.advance(5000);
  expect(await guard.allow(3, 'compaction')).toBe(3);
  expect(codes()).toEqual(['dedup-holds-records']); // That is between retention and the window.
  expect(await guard.allow(3, 'settled')).toBe(3);
  expect(codes()).toEqual([]);
  await topics.close();
  await journal.close();
  await lock?.release();
});
