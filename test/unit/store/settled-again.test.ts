/** What is settled and could not go at the first look: it is tried again, and who cannot do it says so. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { turns } from '../../support/log-fixture.ts';
import { COUNT, SEALED, SettledQueue, valueAt } from '../../support/settled-queue.ts';

const MINUTE_MS = 60_000;

async function opened(config: object = {}, segmentBytesMax?: number): Promise<SettledQueue> {
  const fixture = new SettledQueue();
  await fixture.open(config, segmentBytesMax);
  onTestFinished(() => fixture.store.close());
  return fixture;
}

function startOf({ queue }: SettledQueue): Promise<number> {
  return queue.topic.partitions.at(0).use((log) => Promise.resolve(log.startOffset));
}

/** Tries at next generations, each of which finds the disk full while there are any left to fail. */
class FullDisk {
  triedCount = 0;
  failingCount = Infinity;

  constructor({ bench: { fileSystem } }: SettledQueue) {
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = (path, mode) => {
      if (path.endsWith('.tmp') && path.includes('/topics/') && mode !== 'read') {
        this.triedCount++;
        if (this.triedCount <= this.failingCount) {
          throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
        }
      }
      return open(path, mode);
    };
  }
}

/** Mostly settled, and there was no room to rewrite it. */
async function failedOnce() {
  const fixture = await opened();
  const disk = new FullDisk(fixture);
  const all = await fixture.fill();
  await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
  await fixture.look();
  expect(disk.triedCount).toBe(1);
  return { fixture, disk };
}

describe('segments that are settled go later', () => {
  test('when a window of ids is over that needed them, though nothing more is settled', async () => {
    const fixture = await opened({ dedupWindowMs: 10 * MINUTE_MS });
    const { queue } = fixture;
    for (let at = 0; at < COUNT; at++) await queue.send(valueAt(at), { dedupId: `${at}` });
    await queue.ackAll(await queue.acquire({ max: COUNT }));
    await fixture.look();
    expect(await startOf(fixture)).toBe(0);
    for (let minutes = 0; minutes < 16; minutes++) {
      fixture.bench.clock.advance(MINUTE_MS);
      await turns(50);
    }
    expect(await startOf(fixture)).toBeGreaterThan(SEALED - 1);
  });

  test('when their segment is sealed, though nothing more is settled', async () => {
    const fixture = await opened({}, 4 * 1024 * 1024);
    await fixture.queue.ackAll(await fixture.fill());
    await fixture.look();
    await fixture.store.alterTopic('q', { segmentBytesMax: 81_920 });
    await fixture.queue.send(valueAt(COUNT));
    await fixture.look();
    expect(await startOf(fixture)).toBe(COUNT);
  });
});

describe('segments that are mostly settled are rewritten later', () => {
  test('but for one that is deleted meanwhile, which is no failure', async () => {
    const fixture = await opened();
    const { fileSystem } = fixture.bench;
    const all = await fixture.fill();
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 49));
    await fixture.reopen(); // Nobody has a file of it open.
    const space = fileSystem.space.bind(fileSystem);
    const segmentRecords = 81;
    let deletedCount = 0;
    fileSystem.space = async (path) => {
      if (path.includes('/topics/') && deletedCount++ === 0) {
        await fixture.queue.topic.deleteBefore({ partition: 0, offset: segmentRecords });
        await turns(50); // Its file is gone, too.
      }
      return space(path);
    };
    await fixture.look();
    expect(deletedCount).toBeGreaterThan(0);
    expect(await startOf(fixture)).toBe(segmentRecords);
    expect(fixture.store.health().problems).toEqual([]);
    await fixture.look();
    expect(await fixture.left()).toEqual([99, 149, 199, 249, 299]);
  });

  test('when the disk has room again, and health says so until then', async () => {
    const { fixture, disk } = await failedOnce();
    const { problems } = fixture.store.health();
    expect(problems).toMatchObject([{ code: 'compaction-failed', topic: 'q', partition: 0 }]);
    expect(problems[0]?.message).toContain('settled records of q/0 could not be taken out');
    // After a minute, then after two: not at each look.
    for (let looks = 0; looks < 5; looks++) await fixture.look();
    expect(disk.triedCount).toBe(2);
    disk.failingCount = 0;
    for (let looks = 0; looks < 3; looks++) await fixture.look();
    expect(fixture.rewrittenCount).toBe(4);
    expect(fixture.store.health().problems).toEqual([]);
  });

  test('or never, when they are to be kept: then nothing has failed any more', async () => {
    const { fixture, disk } = await failedOnce();
    expect(fixture.store.health().problems).toMatchObject([{ code: 'compaction-failed' }]);
    await (await fixture.store.topic('q')).alterShareGroup('queue', { retention: 'keep' });
    await fixture.look();
    expect(fixture.store.health().problems).toEqual([]);
    expect(disk.triedCount).toBe(1);
  });

  test('when a gate that was shut is open again, and nothing has failed', async () => {
    const fixture = await opened();
    const all = await fixture.fill();
    const { rewriting } = fixture.queue.topic.partitions.at(0);
    const run = rewriting.run.bind(rewriting);
    // It is shut behind the look at it, and open again before anybody asks why.
    rewriting.run = async (ending, action) => {
      const open = await rewriting.shut();
      const running = run(ending, action);
      open();
      return running;
    };
    await fixture.queue.ackAll(all.filter(({ offset }) => offset % 50 !== 0));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(0);
    expect(fixture.store.health().problems).toEqual([]);
    rewriting.run = run;
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(4);
  });

  test('when a purge was undone, and as many others are settled since', async () => {
    const fixture = await opened();
    const all = await fixture.fill();
    await fixture.queue.ackAll(all.filter(({ offset }) => offset >= SEALED));
    const some = all.filter(({ offset }) => offset < SEALED && offset % 50 !== 0);
    await Promise.all(some.map((delivery) => delivery.release()));
    expect(await fixture.queue.purge()).toBe(some.length);
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(0);
    expect(await fixture.queue.undoPurge()).toBe(some.length);
    await fixture.queue.ackAll(await fixture.queue.acquire({ max: COUNT }));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(4);
  });
});
