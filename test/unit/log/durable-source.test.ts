/** Reads that go no further than what survives a power cut. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ClosedError, FailedError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import type { SourceOptions } from '../../../src/log/read-options.ts';
import type { RecordSource } from '../../../src/log/record-source.ts';
import { commit, CommitBench } from '../../support/commit-bench.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import {
  appendEach,
  appendTogether,
  faultyDisk,
  openTextLog,
  rejectionOf,
  settle,
  textAt,
} from '../../support/log-fixture.ts';

const REST = { isDurable: true } as const;
const FOLLOWING = { ...REST, follow: true } as const;

function sourceOf<T>(log: Log<T>, options: SourceOptions): RecordSource {
  return log.source(options, 'reused');
}

/** What a source gave, as [`from`, `to`) of its batches, and why it ended. */
class Walk {
  readonly ranges: [number, number][] = [];
  readonly ended: Promise<unknown>;
  isOver = false;

  constructor(source: RecordSource) {
    this.ended = this.#walk(source).finally(() => (this.isOver = true));
  }

  async #walk(source: RecordSource): Promise<unknown> {
    try {
      while (await source.next()) {
        const { baseOffset, recordCount } = source.batch.header;
        this.ranges.push([Math.max(source.from, baseOffset), baseOffset + recordCount]);
      }
      return null;
    } catch (error) {
      return error;
    } finally {
      source.close();
    }
  }
}

describe('a source of what is durable', () => {
  test('ends where the log was synced, though more is visible', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { durability: 'os' });
    await appendTogether(log, 3);
    await log.sync();
    await appendTogether(log, 4);
    expect([log.durableOffset, log.visibleOffset]).toEqual([3, 7]);
    const durable = new Walk(sourceOf(log, REST));
    const visible = new Walk(sourceOf(log, {}));
    expect([await durable.ended, durable.ranges]).toEqual([null, [[0, 3]]]);
    expect([await visible.ended, visible.ranges]).toEqual([
      null,
      [
        [0, 3],
        [3, 7],
      ],
    ]);
    await log.close();
  });

  test('gives the batch as it is stored, with its header', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendTogether(log, 3);
    const source = sourceOf(log, { ...REST, from: 1 });
    expect(await source.next()).toBe(true);
    expect([source.from, source.to]).toEqual([1, 3]);
    const { bytes, at, header } = source.batch;
    expect(header).toMatchObject({ baseOffset: 0, recordCount: 3, topologyVersion: 0 });
    const stored = Buffer.from(bytes.subarray(at, at + header.sizeBytes));
    expect(stored.includes(textAt(2))).toBe(true);
    expect(await source.next()).toBe(false);
    source.close();
    expect(log.life.reads.size).toBe(0);
    await log.close();
  });

  test('that follows waits for the sync, whether it is there before or behind what it waits for', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { durability: 'os' });
    const walk = new Walk(sourceOf(log, { ...FOLLOWING, to: 12 }));
    await appendTogether(log, 5);
    await settle(); // Would never come back if the source looked again and again.
    expect(walk.ranges).toEqual([]);
    await log.sync();
    await settle();
    expect(walk.ranges).toEqual([[0, 5]]);
    await appendTogether(log, 3);
    await appendTogether(log, 4);
    await settle();
    expect(walk.ranges).toHaveLength(1);
    await log.sync();
    expect(await walk.ended).toBeNull();
    expect(walk.ranges.slice(1)).toEqual([
      [5, 8],
      [8, 12],
    ]);
    await log.close();
  });

  test('is not woken by what is visible only, as others are', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { durability: 'os' });
    const durable = new Walk(sourceOf(log, FOLLOWING));
    const visible = new Walk(sourceOf(log, { follow: true }));
    for (let n = 0; n < 5; n++) {
      await appendTogether(log, 1);
      await settle();
    }
    expect([durable.ranges.length, visible.ranges.length]).toEqual([0, 5]);
    await log.sync();
    await settle();
    expect([durable.ranges.length, visible.ranges.length]).toEqual([5, 5]);
    await log.close();
    expect(await durable.ended).toBeInstanceOf(ClosedError);
    expect(await visible.ended).toBeInstanceOf(ClosedError);
  });

  test('in a log of level sync follows what is visible', async () => {
    const fileSystem = new MemoryFileSystem();
    const syncs = new HeldSyncs(fileSystem, '.log');
    const log = await openTextLog(fileSystem);
    const walk = new Walk(sourceOf(log, { ...FOLLOWING, to: 6 }));
    await appendEach(log, 2);
    await settle();
    expect(walk.ranges).toEqual([
      [0, 1],
      [1, 2],
    ]);
    syncs.hold();
    const appended = appendTogether(log, 4);
    await settle();
    expect(syncs.waiting).toHaveLength(1);
    expect(walk.ranges).toHaveLength(2);
    syncs.release();
    await appended;
    expect(await walk.ended).toBeNull();
    expect(walk.ranges.at(-1)).toEqual([2, 6]);
    await log.close();
  });

  test('goes on over many segments, each synced when it is full', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { durability: 'os' });
    const walk = new Walk(sourceOf(log, FOLLOWING));
    await appendEach(log, 200);
    await settle();
    const reached = walk.ranges.at(-1)?.[1] ?? 0;
    expect(reached).toBe(log.durableOffset);
    expect(reached).toBeGreaterThan(100);
    expect(reached).toBeLessThan(200);
    await log.sync();
    await settle();
    expect(walk.ranges).toEqual(Array.from({ length: 200 }, (_, n) => [n, n + 1]));
    await log.close();
  });

  test('sees what a commit put into the journal, before the log itself is synced', async () => {
    const { store, topic } = await new CommitBench().open('os');
    await topic.append({ value: 'plain' }, { partition: 0 });
    const log = present(topic.partitions.at(0).opened, 'opened by the append');
    const walk = new Walk(sourceOf(log, FOLLOWING));
    await settle();
    expect(walk.ranges).toEqual([]);
    await commit({ store, topic }, [['a', 'b'], [], []]);
    await settle();
    expect([log.syncedOffset, log.durableOffset]).toEqual([1, 3]);
    expect(walk.ranges).toEqual([
      [0, 1],
      [1, 3],
    ]);
    await store.close();
  });

  test('that waits ends with its signal, its close, and the writer', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendTogether(log, 2);
    const controller = new AbortController();
    const aborted = new Walk(sourceOf(log, { ...FOLLOWING, signal: controller.signal }));
    const failing = new Walk(sourceOf(log, FOLLOWING));
    await settle();
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await aborted.ended).toBe(reason);
    expect(failing.isOver).toBe(false);
    fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    await rejectionOf(log.sync());
    expect(await failing.ended).toBeInstanceOf(FailedError);
    expect([aborted.ranges, failing.ranges]).toEqual([[], []]);
    await rejectionOf(log.close());
  });

  test('is no option of users', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    const options: SourceOptions = REST;
    expect(() => log.cursor(options)).toThrow(TypeError);
    await log.close();
  });
});

describe('of a read-only handle', () => {
  test('it ends where the checkpoint of the writer says', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendTogether(log, 3);
    await log.sync();
    const reader = await openTextLog(fileSystem, { readOnly: true });
    const first = new Walk(sourceOf(reader, REST));
    expect([await first.ended, first.ranges]).toEqual([null, [[0, 3]]]);
    await appendTogether(log, 4);
    await log.sync();
    const second = new Walk(sourceOf(reader, REST));
    expect(await second.ended).toBeNull();
    expect(second.ranges.at(-1)).toEqual([3, 7]);
    await reader.close();
    await log.close();
  });
});
