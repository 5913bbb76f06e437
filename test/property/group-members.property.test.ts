/**
 * The members of a consumer group, as their users hold them: whatever they do, a partition has one
 * reader at a time, always has one, and goes on where it was committed.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { Members } from '../support/group-members.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { StoreBench } from '../support/store-fixture.ts';

const HISTORIES_MIN = 500;
const MEMBERS_MIN = 2;
const MEMBERS_MAX = 8;
const PARTITION_COUNTS = [1, 3, 5, 8];
const RECORDS_PER_PARTITION = 12;
/** Longer than any log waits before it writes its checkpoint. */
const REST_MS = 1000;

type Step =
  | { readonly kind: 'join'; readonly pollMsMax: number }
  | { readonly kind: 'leave'; readonly member: number }
  | { readonly kind: 'finish'; readonly member: number; readonly commits: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'append'; readonly partition: number };

const pollMsMax = fc.constantFrom(100, 1000);
const member = fc.nat(MEMBERS_MAX - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), pollMsMax }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), member }) },
  {
    weight: 14,
    arbitrary: fc.record({ kind: fc.constant('finish' as const), member, commits: fc.boolean() }),
  },
  // Up to 99 ms the slowest handler is in time; beyond 1000 every one that works has stalled.
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(99) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(1500) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('append' as const), partition: fc.nat(7) }),
  },
);
const history = fc.record({
  partitionCount: fc.constantFrom(...PARTITION_COUNTS),
  singleActive: fc.nat(9).map((nat) => nat === 0),
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
});

const bench = new StoreBench();
const topics = new Map<number, StoreTopic<string>>();
let store: Store | null = null;

beforeAll(async () => {
  store = await bench.open();
  for (const partitions of PARTITION_COUNTS) {
    const topic = await store.topic(`of ${partitions}`, { codec: utf8, partitions });
    for (let at = 0; at < partitions * RECORDS_PER_PARTITION; at++) {
      await topic.append({ value: `${at}` }, { partition: at % partitions });
    }
    topics.set(partitions, topic);
  }
});

afterAll(async () => {
  await store?.close();
});

async function take(members: Members, next: Step): Promise<void> {
  const at = 'member' in next ? next.member % Math.max(1, members.count) : 0;
  if (next.kind === 'join' && members.count < MEMBERS_MAX) await members.join(next.pollMsMax);
  else if (next.kind === 'leave' && members.count > MEMBERS_MIN) await members.leave(at);
  else if (next.kind === 'finish') await members.finish(at, next.commits);
  else if (next.kind === 'wait') await members.wait(next.ms);
}

test('members that join, leave, stall and work slowly: one reader per partition, and never none', async () => {
  const seen = { histories: 0, batches: 0, commits: 0, fenced: 0, revoked: 0, lost: 0 };
  const { numRuns = 0, ...options } = asyncPropertyOptions();
  await fc.assert(
    fc.asyncProperty(history, async ({ partitionCount, singleActive, steps }) => {
      const topic = present(topics.get(partitionCount) ?? null, 'made before');
      const { clock } = bench;
      clock.advance(REST_MS);
      const timerCount = clock.pendingTimerCount;
      const group = `group ${seen.histories++}`;
      const members = new Members({ topic, clock, group, singleActive });
      try {
        await members.join(100);
        await members.join(1000);
        for (const next of steps) {
          if (next.kind === 'append') await members.append(next.partition % partitionCount);
          else await take(members, next);
          members.check();
          expect(members.violations).toEqual([]);
        }
      } finally {
        await members.close();
      }
      expect(members.violations).toEqual([]);
      clock.advance(REST_MS);
      expect(clock.pendingTimerCount).toBe(timerCount);
      const { batches, commits, fenced, revoked, lost } = members.tally;
      seen.batches += batches;
      seen.commits += commits;
      seen.fenced += fenced;
      seen.revoked += revoked;
      seen.lost += lost;
    }),
    { ...options, numRuns: Math.max(HISTORIES_MIN, numRuns) },
  );
  expect(seen.histories).toBeGreaterThanOrEqual(HISTORIES_MIN);
  expect(seen.batches).toBeGreaterThan(5 * HISTORIES_MIN);
  expect(seen.commits).toBeGreaterThan(HISTORIES_MIN);
  expect(seen.fenced).toBeGreaterThan(HISTORIES_MIN / 20);
  expect(seen.revoked).toBeGreaterThan(HISTORIES_MIN / 4);
  expect(seen.lost).toBeGreaterThan(HISTORIES_MIN / 20);
});
