/**
 * Ids that are looked for on the disk, where reads fail and tables are damaged: what is stored is stored once,
 * nothing else is called a duplicate, and a look-up that cannot be made says so.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { StoreError } from '../../src/core/errors.ts';
import { segmentFileName } from '../../src/format/file-names.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { flipBit } from '../support/disk-damage.ts';
import { withoutMemoryForIds } from '../support/faults/disk-ids.ts';
import { settled } from '../support/faults/told-outcome.ts';
import { walkSegment } from '../support/segment-walk.ts';
import { StoreDisk } from '../support/store-disk.ts';

const STORED = 24;
const NEW_IDS = ['new 0', 'new 1', 'new 2'];
const FAULTS = [
  { errno: 'EIO', times: 1, operations: ['read', 'open'] },
  { errno: 'EIO', times: Number.POSITIVE_INFINITY, operations: ['read', 'open'] },
] as const;

const summaries: string[] = [];
let looks = (): number => 0;

beforeEach(() => {
  looks = withoutMemoryForIds();
});

afterEach(() => vi.restoreAllMocks());

function topicOf(store: Store): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8, partitions: 2, segmentBytesMax: 4096 });
}

function oldId(number: number): string {
  return `old ${number}`;
}

function send(topic: StoreTopic<string>, id: string, partition: number) {
  return topic.append({ value: id, dedupId: id, headers: { pad: 'x'.repeat(500) } }, { partition });
}

/** A closed store: three segments with tables in each of two partitions. */
async function filled(): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await topicOf(store);
  for (let number = 0; number < STORED; number++) await send(topic, oldId(number), number % 2);
  await store.close();
  return disk;
}

/** Everything is known. @param stored  ids beside the old ones */
async function expectWhole(disk: StoreDisk, stored: ReadonlySet<string>): Promise<void> {
  const store = await disk.open();
  const topic = await topicOf(store);
  const counts = new Map<string, number>();
  for await (const { value } of topic.records()) {
    counts.set(value ?? '', (counts.get(value ?? '') ?? 0) + 1);
  }
  expect(Math.max(...counts.values())).toBe(1);
  expect(counts.size).toBe(STORED + stored.size);
  for (let number = 0; number < STORED; number++) {
    const answer = await send(topic, oldId(number), 1 - (number % 2));
    expect(answer).toMatchObject({ duplicate: true, offset: number >> 1, partition: number % 2 });
  }
  for (const id of NEW_IDS) {
    expect(await send(topic, id, 0)).toMatchObject({ duplicate: stored.has(id) });
  }
  await store.close();
}

describe('look-ups on the disk', () => {
  test.each(FAULTS)('that fail with $errno, $times times, store nothing twice', async (fault) => {
    const prepared = await filled();
    const before = looks();
    let failures = 0;
    let answers = 0;
    let calls = 0;
    for (let isDone = false; !isDone;) {
      calls++;
      const disk = prepared.copy();
      const { fileSystem } = disk;
      const store = await disk.open();
      const topic = await topicOf(store);
      const fromCall = fileSystem.callCount + calls;
      fileSystem.addFault({ fromCall, ...fault });
      const stored = new Set<string>();
      const sendAll = async () => {
        for (let number = 0; number < STORED; number += 5) {
          const sent = send(topic, oldId(number), 1 - (number % 2));
          const [outcome] = await Promise.allSettled([sent]);
          if (outcome.status === 'fulfilled') {
            answers++;
            expect(outcome.value).toMatchObject({ duplicate: true, offset: number >> 1 });
          } else {
            failures++;
            expect(outcome.reason).toBeInstanceOf(StoreError);
          }
        }
        for (const id of NEW_IDS) {
          const answer = await send(topic, id, 0).catch(() => null);
          expect(answer?.duplicate ?? false).toBe(false);
          if (answer !== null) stored.add(id);
        }
      };
      await settled(disk, sendAll());
      isDone = fileSystem.callCount < fromCall;
      fileSystem.clearFaults();
      await settled(disk, store.close());
      const left = disk.copy();
      await settled(left, expectWhole(left, stored));
    }
    summaries.push(
      `${fault.errno} ${fault.times}: ${calls} calls, ${failures} failed, ${answers} answered`,
    );
    expect(looks() - before).toBeGreaterThan(calls);
    expect(answers).toBeGreaterThan(0);
    expect(failures).toBeGreaterThan(0);
  });

  test('in tables of which any byte is another find the same', async () => {
    const prepared = await filled();
    const probe = await prepared.open();
    const path = join((await topicOf(probe)).partitions.at(0).path, segmentFileName(0));
    await probe.close();
    const { tables, index } = await walkSegment(prepared.fileSystem, path);
    expect(tables).toHaveLength(1);
    expect(index).not.toBeNull();
    const from = tables[0]?.position ?? 0;
    const to = index?.endPosition ?? 0;
    const before = looks();
    for (let position = from; position < to; position++) {
      const disk = prepared.copy();
      // Before it is loaded, or behind that: then its directory is known already.
      const isLoaded = position % 2 === 0;
      const store = await disk.open();
      const topic = await topicOf(store);
      if (isLoaded) expect(await send(topic, 'first', 1)).toMatchObject({ duplicate: false });
      flipBit(disk.fileSystem, path, { position, bit: position % 8 });
      for (let number = 0; number < STORED; number += 2) {
        const answer = await send(topic, oldId(number), 1);
        expect(answer, `byte ${position}`).toMatchObject({ duplicate: true, offset: number >> 1 });
      }
      expect(await send(topic, 'new 0', 0)).toMatchObject({ duplicate: false });
      await store.close();
    }
    summaries.push(`${to - from} bytes, ${looks() - before} look-ups`);
    expect(looks() - before).toBeGreaterThan(to - from);
  });
});

test('a segment that cannot be read back when it is full has no table, and forgets nothing', async () => {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await topicOf(store);
  await send(topic, oldId(0), 0);
  const { path } = topic.partitions.at(0);
  const first = segmentFileName(0);
  disk.fileSystem.addFault({
    errno: 'EIO',
    operations: ['read'],
    path: join(path, first),
    times: 1,
  });
  for (let number = 1; number < STORED; number++) {
    expect(await send(topic, oldId(number), number % 2)).toMatchObject({ duplicate: false });
  }
  disk.fileSystem.clearFaults();
  for (let number = 0; number < STORED; number++) {
    expect(await send(topic, oldId(number), 0)).toMatchObject({ duplicate: true });
  }
  await store.close();
  const { tables, index } = await walkSegment(disk.fileSystem, join(path, first));
  expect([tables.length, index === null]).toEqual([0, false]);
  await expectWhole(disk, new Set());
});

afterAll(() => console.log(summaries.join('\n')));
