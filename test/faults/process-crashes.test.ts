/**
 * Every crash point of a member that reads, processes and writes: its position and what it wrote agree on
 * each disk, and who goes on from there leaves each output once.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import type { ConsumerGroup } from '../../src/group/consumer-group.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../src/log/log-options.ts';
import type { Store } from '../../src/store/store.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';
import { StoreDisk } from '../support/store-disk.ts';

/** Of the input, each a batch; at the last one the handler throws. */
const VALUES = ['a', 'b', 'c'] as const;
const STOP = 'stop';
const RANDOM_CUTS = 2;

async function openAll(store: Store, durability: DurabilityLevel) {
  const input = await store.topic('input', { codec: utf8 });
  const output = await store.topic('output', { codec: utf8, partitions: 2, durability });
  const tasks = await store.queue('tasks', { codec: utf8 });
  const member = await input.consumerGroup('copy');
  return { output, tasks, member };
}

type Opened = Awaited<ReturnType<typeof openAll>>;

/** Until the stop. */
async function processAll({ output, tasks, member }: Opened): Promise<void> {
  const processing = member.process((batch, { tx }) => {
    for (const { value } of batch) {
      if (value === STOP) throw new Error(STOP);
      for (const partition of [0, 1]) tx.append(output, { value: value ?? '' }, { partition });
      tx.send(tasks, value ?? '');
    }
  });
  await processing.catch((error: unknown) => {
    if (!(error instanceof Error && error.message === STOP)) throw error;
  });
}

/** How many of the input are handled, by the position and by each output. */
async function handledCounts(opened: Opened): Promise<readonly number[]> {
  const lists = await Promise.all([
    valuesOf(opened, 'output', 0),
    valuesOf(opened, 'output', 1),
    valuesOf(opened, 'tasks', 0),
  ]);
  for (const list of lists) expect(list).toEqual(VALUES.slice(0, list.length));
  return [committedIn(opened.member), ...lists.map(({ length }) => length)];
}

function committedIn(member: ConsumerGroup<string>): number {
  return member.committed(0)?.offset ?? 0;
}

async function valuesOf({ output, tasks }: Opened, name: 'output' | 'tasks', partitions: number) {
  const values: (string | null)[] = [];
  const topic = name === 'output' ? output : tasks.topic;
  for await (const { value } of topic.records({ partitions })) values.push(value);
  return values;
}

async function prepare(level: DurabilityLevel): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  await openAll(store, level);
  const input = await store.topic('input', { codec: utf8 });
  for (const value of [...VALUES, STOP]) await input.append({ value });
  await store.close();
  return disk;
}

const summaries: string[] = [];

describe('read, process, write', () => {
  test.each(DURABILITY_LEVELS)(
    'is exactly once behind a crash at any call, topics at %s',
    async (level) => {
      const found = await crashAtEveryCall({
        disk: await prepare(level),
        randomCuts: RANDOM_CUTS,
        prepare: (store) => openAll(store, level),
        run: processAll,
        async look(store, mishap) {
          const opened = await openAll(store, level);
          const counts = await handledCounts(opened);
          expect(new Set(counts).size, counts.join()).toBe(1);
          if (mishap === 'none') expect(counts[0]).toBe(VALUES.length);
          await processAll(opened);
          expect(await handledCounts(opened)).toEqual(counts.map(() => VALUES.length));
          return `${counts[0]} handled`;
        },
      });
      expect([...found.keys()].toSorted()).toEqual([0, 1, 2, 3].map((count) => `${count} handled`));
      for (const count of found.values()) expect(count).toBeGreaterThan(1);
      summaries.push(`${level}: ${JSON.stringify(Object.fromEntries(found))}`);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
