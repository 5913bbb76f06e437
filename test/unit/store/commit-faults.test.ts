import { describe, expect, onTestFinished, test } from 'vitest';

import { DiskFullError, FailedError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/limits.ts';
import { commit, CommitBench, contents } from '../../support/commit-bench.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';

/** Lets run what follows from calls that have ended. */
async function continuations(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** Writes to the log of partition 0. */
const FIRST_LOG = { operations: ['write'], path: /topics.*\/0\/.*log$/ } as const;

describe('a commit on a failing disk', () => {
  test('comes to nothing when the journal has no room, and leaves the logs open', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    await topic.append({ value: 'before' }, { partition: 0 });
    const full = { operations: ['write'], path: /journal\/.*log$/, errno: 'ENOSPC' } as const;
    bench.fileSystem.addFault({ ...full, times: 2 }); // Also when the reserve was given up for it.
    await expect(commit({ store, topic }, [['a'], ['b'], []])).rejects.toThrow(DiskFullError);
    expect(await contents(topic)).toEqual([['before'], [], []]);
    await commit({ store, topic }, [['c'], ['d'], []]);
    expect(await contents(topic)).toEqual([['before', 'c'], ['d'], []]);
  });

  test('is refused before it is durable when there is no room for it above the floor', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open('sync', MIB);
    await contents(topic); // Opens its logs.
    const { freeBytes, totalBytes } = await bench.fileSystem.space('/store');
    const room = 10_000;
    bench.fileSystem.capacityBytes = totalBytes - freeBytes + MIB + room;
    bench.clock.advance(60_000); // What was asked before is old.
    const large = 'x'.repeat(room / 2);
    await expect(commit({ store, topic }, [[large], ['b'], []])).rejects.toThrow(DiskFullError);
    expect(await contents(topic)).toEqual([[], [], []]);
    await commit({ store, topic }, [['a'], ['b'], []]);
    expect(await contents(topic)).toEqual([['a'], ['b'], []]);
  });

  test('may be there after the journal could not be synced, and nobody gets its offsets', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    bench.fileSystem.addFault({ operations: ['datasync'], path: /journal/, errno: 'EIO' });
    const error: unknown = await commit({ store, topic }, [['a'], ['b'], []]).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(FailedError);
    expect(error).toMatchObject({ details: { indeterminate: true } });
    await expect(topic.append({ value: 'c' }, { partition: 0 })).rejects.toThrow(FailedError);
    expect((await topic.append({ value: 'd' }, { partition: 2 })).offset).toBe(0);
  });

  test('waits for room in a log, once it is durable, and holds the others until then', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    const [full, other] = await Promise.all([0, 1].map((at) => topic.partitions.at(at).log()));
    bench.fileSystem.addFault({ ...FIRST_LOG, errno: 'ENOSPC', times: 2 });
    const { baseOffsets } = await commit({ store, topic }, [['a', 'b'], ['c'], []]);
    expect(baseOffsets).toEqual([0, 0]);
    expect(full?.stats().pendingApplyBytes).toBeGreaterThan(0);
    expect(store.health().problems.map(({ code }) => code)).toEqual(['commit-pending']);
    expect(await contents(topic)).toEqual([[], [], []]);
    await expect(topic.append({ value: 'd' }, { partition: 0 })).rejects.toThrow(DiskFullError);
    await expect(commit({ store, topic }, [['d'], ['d'], []])).rejects.toThrow(DiskFullError);
    await topic.append({ value: 'e' }, { partition: 1 }); // Behind it, acknowledged, not yet seen.
    expect(other?.visibleOffset).toBe(0);
    bench.clock.advance(1000); // Not yet.
    await continuations();
    expect(await contents(topic)).toEqual([[], [], []]);
    bench.clock.advance(1000);
    await continuations();
    expect(full?.stats().pendingApplyBytes).toBe(0);
    expect(store.health().status).toBe('ok');
    expect(await contents(topic)).toEqual([['a', 'b'], ['c', 'e'], []]);
    await topic.append({ value: 'f' }, { partition: 0 });
    expect((await contents(topic))[0]).toEqual(['a', 'b', 'f']);
  });

  test('stays out of sight in all its logs behind one that waits for room', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    await contents(topic); // Opens its logs.
    bench.fileSystem.addFault({ ...FIRST_LOG, errno: 'ENOSPC' });
    await commit({ store, topic }, [['a'], ['b'], []]);
    await commit({ store, topic }, [[], ['c'], ['d']]);
    await commit({ store, topic }, [[], [], ['e']]);
    expect(await contents(topic)).toEqual([[], [], []]);
    bench.clock.advance(1000);
    await continuations();
    expect(await contents(topic)).toEqual([['a'], ['b', 'c'], ['d', 'e']]);
    await commit({ store, topic }, [[], ['f'], ['g']]);
    expect(await contents(topic)).toEqual([['a'], ['b', 'c', 'f'], ['d', 'e', 'g']]);
  });

  test('that waits for room when the store is closed is there when it is opened again', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    await contents(topic); // Opens its logs.
    bench.fileSystem.addFault({
      operations: ['write'],
      path: /topics.*\/0\/.*log$/,
      errno: 'ENOSPC',
      times: Infinity,
    });
    await commit({ store, topic }, [['a'], ['b'], []]);
    await store.close();
    expect(bench.clock.pendingTimerCount).toBe(0);
    bench.fileSystem.clearFaults();
    expect(await contents((await bench.open()).topic)).toEqual([['a'], ['b'], []]);
  });

  test('is found by an opening that has no room for it, and seen when there is', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    await commit({ store, topic }, [['a'], ['b'], []]);
    bench.cutPower();
    bench.fileSystem.addFault({
      operations: ['write'],
      path: /topics.*\/0\/.*log$/,
      errno: 'ENOSPC',
      skip: 1, // The header is written again, in its place.
    });
    const again = await bench.open();
    expect(await contents(again.topic)).toEqual([[], ['b'], []]);
    await expect(again.topic.append({ value: 'c' }, { partition: 0 })).rejects.toThrow(
      DiskFullError,
    );
    bench.clock.advance(1000);
    await continuations();
    expect(await contents(again.topic)).toEqual([['a'], ['b'], []]);
  });

  test('is whole at the next opening when a writer fails while the journal is synced', async () => {
    const bench = new CommitBench();
    const held = new HeldSyncs(bench.fileSystem, '/journal/0'); // Not its checkpoint.
    const { store, topic } = await bench.open();
    onTestFinished(() => held.release());
    await topic.append({ value: 'plain' }, { partition: 0 });
    await topic.append({ value: 'plain' }, { partition: 1 });
    held.hold();
    const committed = commit({ store, topic }, [['a'], ['b'], []]);
    await turns(5);
    expect(held.waiting).toHaveLength(1);
    const fault = {
      operations: ['datasync'],
      path: /topics.*\/0\/checkpoint$/,
      errno: 'EIO',
    } as const;
    bench.fileSystem.addFault(fault);
    bench.clock.advance(100); // It is synced when nothing was written for a while.
    await turns(5);
    expect((await topic.partitions.at(0).log()).stats().state).toBe('failed');
    held.release();
    expect(await committed).toEqual({ baseOffsets: [1, 1] });
    expect(await contents(topic)).toEqual([['plain'], ['plain', 'b'], []]);
    await expect(commit({ store, topic }, [['c'], [], ['c']])).rejects.toThrow(FailedError);
    await commit({ store, topic }, [[], ['d'], ['d']]);
    await expect(store.close()).rejects.toThrow(FailedError);
    expect(await contents((await bench.open()).topic)).toEqual([
      ['plain', 'a'],
      ['plain', 'b', 'd'],
      ['d'],
    ]);
  });

  test('fails with the log that cannot sync what stands before it; others go on', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open('os');
    for (const partition of [0, 1]) await topic.append({ value: 'plain' }, { partition });
    bench.fileSystem.addFault({
      operations: ['datasync'],
      path: /topics.*\/0\/.*log$/,
      errno: 'EIO',
    });
    const both = commit({ store, topic }, [['a'], ['b'], []]);
    const other = commit({ store, topic }, [[], ['c'], ['c']]);
    await expect(both).rejects.toThrow(FailedError);
    expect(await other).toEqual({ baseOffsets: [1, 0] });
    expect(await contents(topic)).toEqual([['plain'], ['plain', 'c'], ['c']]);
    bench.cutPower();
    expect((await contents((await bench.open('os')).topic)).slice(1)).toEqual([
      ['plain', 'c'],
      ['c'],
    ]);
  });

  test('is applied by the next opening when a log fails after it is durable', async () => {
    const bench = new CommitBench();
    const { store, topic } = await bench.open();
    await contents(topic); // Opens its logs.
    bench.fileSystem.addFault({ ...FIRST_LOG, errno: 'EIO' });
    await commit({ store, topic }, [['a'], ['b'], []]);
    expect(await contents(topic)).toEqual([[], ['b'], []]);
    await expect(topic.append({ value: 'c' }, { partition: 0 })).rejects.toThrow(FailedError);
    await store.close().catch(() => undefined);
    expect(await contents((await bench.open()).topic)).toEqual([['a'], ['b'], []]);
  });
});
