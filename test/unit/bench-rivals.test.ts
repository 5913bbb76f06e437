/** The contests with rivals are fair on paper, and the peers stay out of Varve's own packages. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cSuite } from '../../bench/suites/c.ts';
import { peersSuite } from '../../bench/suites/peers.ts';
import { queueSuite } from '../../bench/suites/queue.ts';

const root = join(import.meta.dirname, '..', '..');
const contests = [...cSuite, ...peersSuite];

function json(...names: readonly string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(join(root, ...names), 'utf8')) as Record<string, unknown>;
}

describe.each(contests.map((contest) => [contest.id, contest] as const))('%s', (_id, contest) => {
  test('goals name sides of the contest, and sides have ids of their own', () => {
    const sides = contest.sides.map(({ id }) => id);
    expect(new Set(sides).size).toBe(sides.length);
    for (const { subject, references } of contest.goals) {
      expect(sides).toEqual(expect.arrayContaining([subject, ...references]));
    }
  });

  test('all sides handle values of the same size, and as many of them', () => {
    const perRecord = (valueBytes: unknown) => Number(valueBytes) + 32.25;
    const counts = contest.sides.map(({ parameters: { records, bytes, valueBytes } }) =>
      typeof records === 'number' ? records : Number(bytes) / perRecord(valueBytes),
    );
    expect(Math.max(...counts) / Math.min(...counts)).toBeLessThan(1.01);
    expect(new Set(contest.sides.map(({ parameters }) => parameters['valueBytes'])).size).toBe(1);
    expect(new Set(contest.sides.map(({ metric }) => metric)).size).toBe(1);
  });
});

test('the goals against the C program are the ones that were set', () => {
  const goals = cSuite.flatMap((contest) =>
    contest.goals.map(({ goal }) => [contest.id, goal] as const),
  );
  expect(Object.fromEntries(goals)).toEqual({
    'c/append-os/100': 0.6,
    'c/append-os/1024': 0.9,
    'c/append-sync/100': 0.8,
    'c/append-sync/1024': 0.8,
    'c/scan/100': 0.6,
    'c/scan/1024': 0.6,
  });
});

test('the goals against the peers are the ones that were set', () => {
  const goals = peersSuite.flatMap((contest) => contest.goals.map(({ goal }) => goal));
  expect(goals).toEqual([4, 4, 12]);
});

test('the goals of the queue are the ones that were set', () => {
  const goals = queueSuite.flatMap((contest) =>
    contest.goals.map(({ goal, bound }) => [contest.id, bound, goal] as const),
  );
  expect(goals).toEqual([
    ['queue/batched', 'min', 6],
    ['queue/batched', 'min', 30],
    ['queue/one-by-one', 'min', 30],
    ['queue/idle-latency', 'max', 1.5],
    ['queue/idle-latency', 'max', 5],
    ['queue/backlog', 'min', 0.9],
    ['queue/backlog', 'max', 8],
  ]);
});

test('the latency from send to handler is counted in fdatasyncs, 0.1 ms beside them', () => {
  const goal = queueSuite.find(({ id }) => id === 'queue/idle-latency')?.goals[0];
  const sample = (p50Us: number) => ({ bytes: 1, records: 1, ms: 1, extra: { p50Us } });
  expect(goal?.compute?.(sample(400), [sample(200)])).toBe(1.5);
});

test('the peers of the queue do the same work in whole calls, and sync as the title says', () => {
  const sides = queueSuite.flatMap((contest) => contest.sides);
  const peers = sides.filter(({ job }) => job.startsWith('peer-'));
  expect(peers.map(({ parameters: { valueBytes } }) => valueBytes)).toEqual(peers.map(() => 100));
  expect(new Set(peers.map(({ metric }) => metric))).toEqual(new Set(['records/s']));
  for (const { title, parameters } of peers) {
    const { records, recordsPerCall, synchronous, appendFsync } = parameters;
    expect(Number(records) % Number(recordsPerCall), title).toBe(0);
    if (appendFsync === undefined) expect(synchronous, title).toBe('FULL');
    else expect(title).toContain(`appendfsync ${appendFsync}`);
  }
});

test('the peers are pinned in a package of their own, and no lock names a host', () => {
  const { dependencies, private: isPrivate } = json('bench', 'peers', 'package.json');
  expect(isPrivate).toBe(true);
  const pins = Object.values(dependencies as Record<string, string>);
  expect(pins).toHaveLength(4);
  expect(pins.every((pin) => /^\d+\.\d+\.\d+$/.test(pin))).toBe(true);
  const lock = readFileSync(join(root, 'bench', 'peers', 'package-lock.json'), 'utf8');
  expect(lock).not.toMatch(/resolved|https?:\/\/[^"]*registry/);
  for (const peer of Object.keys(dependencies as Record<string, string>)) {
    expect(json('package-lock.json')['packages']).not.toHaveProperty([`node_modules/${peer}`]);
  }
});
