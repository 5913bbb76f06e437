/**
 * Every crash point of a transactional worker with two handlers, one of which fails at first: each record is
 * acked where what comes of it is there, and nowhere else, on each disk; who goes on leaves it there once.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../src/log/log-options.ts';
import { fixed } from '../../src/queue/retry-policy.ts';
import type { Store } from '../../src/store/store.ts';
import { textsOf } from '../support/dead-queue.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';
import { valuesOf } from '../support/routing-disk.ts';
import { StoreDisk } from '../support/store-disk.ts';

const VALUES = ['a', 'b', 'c'] as const;
/** Its handler throws when it has added something. */
const FAILING = 'b';
const RANDOM_CUTS = 2;

async function openAll(store: Store, durability: DurabilityLevel) {
  const jobs = await store.queue('jobs', { codec: utf8 });
  const one = await store.topic('one', { codec: utf8, durability });
  const other = await store.topic('other', { codec: utf8, durability });
  const tasks = await store.queue('tasks', { codec: utf8 });
  return { store, jobs, one, other, tasks };
}

type Opened = Awaited<ReturnType<typeof openAll>>;

/** Opens the logs, too. */
async function openForWork(store: Store, durability: DurabilityLevel): Promise<Opened> {
  const opened = await openAll(store, durability);
  await foundIn(store);
  return opened;
}

/** Until all that was sent is handled. */
async function workAll({ store, jobs, one, other, tasks }: Opened): Promise<void> {
  let left = (await textsOf(store, 'jobs')).length;
  if (left === 0) return;
  let tellDone = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    tellDone = resolve;
  });
  const worker = jobs.work(
    async ({ value, failures }, { tx }) => {
      tx.append(one, { value: value ?? '' });
      await Promise.resolve();
      if (value === FAILING && failures === 0) throw new Error('no luck');
      tx.append(other, { value: value ?? '' });
      tx.send(tasks, value ?? '');
      if (--left === 0) tellDone();
    },
    { transactional: true, concurrency: 2, retry: fixed(0), onError: () => undefined },
  );
  await done;
  await worker.drain();
}

/** Of each record whether it is done: acked, and with all that comes of it. @throws where that is so in part */
async function foundIn(store: Store): Promise<readonly boolean[]> {
  const outputs: (readonly (string | null)[])[] = [];
  for (const name of ['one', 'other', 'tasks']) outputs.push(await valuesOf(store, name));
  const waiting = await textsOf(store, 'jobs');
  expect(store.misfits.count).toBe(0);
  return VALUES.map((value) => {
    const counts = outputs.map((values) => values.filter((each) => each === value).length);
    const isAcked = !waiting.includes(value);
    expect(counts, `${value}, acked: ${isAcked}`).toEqual(counts.map(() => (isAcked ? 1 : 0)));
    return isAcked;
  });
}

async function prepare(level: DurabilityLevel): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const { jobs } = await openAll(store, level);
  for (const value of VALUES) await jobs.send(value);
  await store.close();
  return disk;
}

const summaries: string[] = [];

describe('a transactional worker', () => {
  test.each(DURABILITY_LEVELS)(
    'has moved each record once behind a crash at any call, topics at %s',
    async (level) => {
      const found = await crashAtEveryCall({
        disk: await prepare(level),
        randomCuts: RANDOM_CUTS,
        prepare: (store) => openForWork(store, level),
        run: workAll,
        async look(store, mishap) {
          const doneCount = (await foundIn(store)).filter(Boolean).length;
          if (mishap === 'none') expect(doneCount).toBe(VALUES.length);
          await workAll(await openAll(store, level));
          expect(await foundIn(store)).toEqual(VALUES.map(() => true));
          return `${doneCount} done`;
        },
      });
      expect([...found.keys()]).toEqual(expect.arrayContaining(['0 done', '3 done']));
      expect(found.size).toBeGreaterThan(2);
      summaries.push(`${level}: ${JSON.stringify(Object.fromEntries(found))}`);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
