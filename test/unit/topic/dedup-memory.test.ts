/** What is known of ids takes no more memory than it may, and nothing is forgotten. */
import { afterEach, describe, expect, test, vi } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { HealthBoard } from '../../../src/core/health-board.ts';
import { DedupMemory, type IdHolder } from '../../../src/topic/dedup-memory.ts';
import type { PartitionSet } from '../../../src/topic/partition-set.ts';

const BYTES_MAX = 2 ** 20;
const VALUE = new Uint8Array(0);

async function openOn(fileSystem: MemoryFileSystem, number: number) {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const random = new SeededRandom(number);
  const dedupBytesMax = BYTES_MAX;
  const store = await openStore('/store', { fileSystem, clock, random, dedupBytesMax });
  const topic = await store.topic('t', {
    codec: bytes,
    partitions: 2,
    durability: 'os',
    segmentBytesMax: 2 ** 18,
  });
  return { store, topic, clock };
}

const COUNT = 80_000;
const BATCH = 2000;

function batchAt(from: number, count = BATCH) {
  return Array.from({ length: count }, (_, n) => ({ value: VALUE, dedupId: `${from + n}` }));
}

/** Ids here and there, from first to last. */
async function sampled(topic: StoreTopic<Uint8Array>): Promise<number> {
  let duplicates = 0;
  for (let from = 0; from < COUNT; from += 5000) {
    const partition = (from / 1000) % 2;
    const answer = await topic.appendBatch(batchAt(from, 5), { partition });
    duplicates += answer.duplicates.length;
  }
  return duplicates;
}

function problemsOf(store: { health(): { problems: readonly { code: string }[] } }): string[] {
  return store.health().problems.map(({ code }) => code);
}

/** What each topic that loads its ids says of their memory. */
function watchHolders(): () => IdHolder[] {
  const joined = vi.spyOn(DedupMemory.prototype, 'join');
  return () => joined.mock.calls.map(([, holder]) => holder);
}

afterEach(() => vi.restoreAllMocks());

describe('80,000 ids in the mebibyte that they may have', () => {
  test('are all known: while they come, when all came, and when the store was opened again', async () => {
    const holders = watchHolders();
    const fileSystem = new MemoryFileSystem();
    const life = await openOn(fileSystem, 1);
    let mostBytes = 0;
    expect(problemsOf(life.store)).toEqual([]);
    for (let from = 0; from < COUNT; from += BATCH) {
      const partition = (from / BATCH) % 2;
      const { duplicates } = await life.topic.appendBatch(batchAt(from), { partition });
      expect(duplicates).toEqual([]);
      mostBytes = Math.max(mostBytes, holders()[0]?.idBytes ?? 0);
    }
    // What is in segments that are not full, and comes before some others have gone, is above the bound.
    expect(mostBytes).toBeGreaterThan(BYTES_MAX / 2);
    expect(mostBytes).toBeLessThan(1.5 * BYTES_MAX);
    expect(problemsOf(life.store)).toEqual(['dedup-over-memory']);
    const samples = 5 * (COUNT / 5000);
    expect(await sampled(life.topic)).toBe(samples);
    await life.store.close();
    const next = await openOn(fileSystem, 2);
    expect(await sampled(next.topic)).toBe(samples);
    expect(holders()).toHaveLength(2);
    expect(holders()[1]?.idBytes).toBeLessThan(BYTES_MAX);
    expect(problemsOf(next.store)).toEqual(['dedup-over-memory']);
    await next.store.close();
  }, 60_000);
});

describe('the memory for ids', () => {
  function holderOf(topicName: string, idBytes: number) {
    const asked: number[] = [];
    const letGo = (sizeBytes: number): void => void asked.push(sizeBytes);
    const holder = { topicName, idBytes, needsDisk: false, isGone: false, letGo };
    const topic = { name: topicName } as unknown as PartitionSet; // A key.
    return { topic, holder, asked };
  }

  test('is asked back from the topic that has most of it', () => {
    const memory = new DedupMemory(800, new HealthBoard(new ManualClock()));
    const [small, large] = [holderOf('small', 300), holderOf('large', 500)];
    memory.join(small.topic, small.holder);
    memory.join(large.topic, large.holder);
    expect([small.asked, large.asked]).toEqual([[], []]);
    large.holder.idBytes = 501;
    memory.look();
    expect([small.asked, large.asked]).toEqual([[], [1 + 100]]);
    large.holder.isGone = true;
    memory.look();
    expect(large.asked).toHaveLength(1);
    expect(memory.roomFor(small.topic)).toBe(800);
  });

  test('is what others leave to a topic that loads, and never nothing', () => {
    const memory = new DedupMemory(1600, new HealthBoard(new ManualClock()));
    const [one, other] = [holderOf('one', 1000), holderOf('other', 1590)];
    memory.join(one.topic, one.holder);
    expect(memory.roomFor(other.topic)).toBe(600);
    expect(memory.roomFor(one.topic)).toBe(1600); // What it has is loaded anew.
    memory.join(other.topic, other.holder);
    expect(memory.roomFor(one.topic)).toBe(100);
  });

  test('is said to be short while ids of a topic are looked for on the disk', () => {
    const board = new HealthBoard(new ManualClock());
    const memory = new DedupMemory(800, board);
    const { topic, holder } = holderOf('orders', 500);
    memory.join(topic, holder);
    expect(board.read().problems).toEqual([]);
    holder.needsDisk = true;
    memory.look();
    expect(board.read().problems).toMatchObject([{ code: 'dedup-over-memory' }]);
    expect(board.read().problems[0]?.message).toContain('topic orders');
    memory.leave(topic);
    memory.look();
    expect(board.read().problems).toEqual([]);
  });
});

test('a bound below a mebibyte is refused', async () => {
  const options = { fileSystem: new MemoryFileSystem(), dedupBytesMax: 2 ** 20 - 1 };
  await expect(openStore('/store', options)).rejects.toThrow(RangeError);
});
