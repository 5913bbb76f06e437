/**
 * Every crash point of a queue whose segments are rewritten while a record of theirs is leased, one waits, and
 * one is dead: whatever is left, nothing that is not settled there is missing, and everything else is sound.
 */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { TOPICS_DIRECTORY } from '../../src/format/file-names.ts';
import { verifyLog } from '../../src/log/verify.ts';
import type { Delivery } from '../../src/queue/delivery.ts';
import type { Store } from '../../src/store/store.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { STORE_PATH } from '../support/store-fixture.ts';

const LOOK_MS = 30_000;
const HOUR_MS = 3_600_000;
/** Four in a segment. */
const COUNT = 18;
const RANDOM_CUTS = 2;

/** One in each of the first three segments; the fourth stays as it is, the fifth is the last. */
const LEASED = 1;
const DELAYED = 4;
const DEAD = 9;
const ACKED_LATER = 13;
const RELEASED = 14;
const WANTED = [LEASED, DELAYED, DEAD, 12, ACKED_LATER, RELEASED];
const isWanted = (offset: number) => WANTED.includes(offset) || offset >= 16;

const valueAt = (offset: number) => `record ${offset} `.padEnd(20_000, '.');

const summaries: string[] = [];

function queueOf(store: Store) {
  return store.queue('q', {
    codec: utf8,
    durability: 'os',
    segmentBytesMax: 81_920,
    leaseMs: HOUR_MS,
    failuresMax: 1,
    deadLetter: null,
  });
}

/** All was handed out; one waits for an hour, one is dead, and all of it is synced. */
async function prepare(): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const queue = await queueOf(store);
  for (let at = 0; at < COUNT; at++) await queue.send(valueAt(at));
  const all = await queue.acquire({ max: COUNT });
  expect(all).toHaveLength(COUNT);
  await all[DELAYED]?.release({ delayMs: HOUR_MS });
  await all[DEAD]?.reject('broken');
  await store.close();
  return disk;
}

interface Prepared {
  readonly store: Store;
  readonly disk: StoreDisk;
  readonly leased: readonly Delivery<string>[];
}

async function program({ store, disk, leased }: Prepared): Promise<void> {
  const queue = await queueOf(store);
  let count = 0;
  const rewritten = new Promise<void>((resolve) =>
    store.on('compacted', () => {
      count++;
      if (count === 3) resolve();
    }),
  );
  await queue.ackAll(leased.filter(({ offset }) => !isWanted(offset)));
  disk.clock.advance(LOOK_MS);
  await rewritten;
  await queue.ackAll(leased.filter(({ offset }) => offset === ACKED_LATER));
  await leased.find(({ offset }) => offset === RELEASED)?.release();
  expect(await queue.purge()).toBe(2);
  expect(await queue.undoPurge()).toBe(2);
  await (await store.topic('q')).shareGroup('late');
}

/** @returns how many records are left, which says what was rewritten */
async function look(store: Store, disk: StoreDisk): Promise<string> {
  const { fileSystem } = disk;
  const queue = await queueOf(store);
  const found: number[] = [];
  for await (const { offset, value } of queue.topic.records()) {
    expect(value).toBe(valueAt(offset));
    found.push(offset);
  }
  const topics = join(STORE_PATH, TOPICS_DIRECTORY);
  const [topic = ''] = await fileSystem.list(topics);
  const path = join(topics, topic, '0');
  const names = await fileSystem.list(path);
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  for await (const event of verifyLog(path, { fileSystem, holdsLock: true })) {
    expect(event.type).not.toBe('damage');
  }
  const wanted = Array.from({ length: COUNT }, (_, at) => at).filter(isWanted);
  expect(found).toEqual(expect.arrayContaining(wanted));

  await queue.undoPurge(); // What was purged was wanted when the segments were rewritten.
  const unsettled: number[] = [];
  for await (const { offset } of queue.browse()) unsettled.push(offset);
  const handed = await queue.acquire({ max: COUNT });
  const { settled, deadCount, delayedCount } = await queue.stats();
  expect(settled.missing).toBe(0);
  expect({ deadCount, delayedCount }).toEqual({ deadCount: 1, delayedCount: 1 });
  for (const { offset } of handed) expect(found).toContain(offset);
  const known = new Set([...unsettled, ...handed.map(({ offset }) => offset)]);
  for (const offset of WANTED.filter((at) => at !== ACKED_LATER)) {
    expect(known.has(offset) || offset === DEAD, `offset ${offset}`).toBe(true);
  }
  return `${found.length} left`;
}

test('whatever a crash leaves of a rewriting, nothing is missing that is not settled', async () => {
  const disk = await prepare();
  const found = await crashAtEveryCall<Prepared>({
    disk,
    prepare: async (store, crashed) => {
      const queue = await queueOf(store);
      const leased = await queue.acquire({ max: COUNT });
      return { store, disk: crashed, leased };
    },
    run: program,
    look: (store, _mishap, left) => look(store, left),
    randomCuts: RANDOM_CUTS,
  });
  summaries.push([...found].map(([word, count]) => `${word}: ${count}`).join(', '));
  // None, one, two and all of the segments were rewritten.
  expect(found.size).toBe(4);
});

afterAll(() => console.log(summaries.join('\n')));
