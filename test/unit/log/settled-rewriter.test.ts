/** Rewriting of settled records in one log, beside others who take segments out, or put others in their place. */
import { expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { Pace } from '../../../src/core/pace.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import type { WantedOffsets } from '../../../src/log/settled-rewriter.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { verifyLog, type VerifyEvent } from '../../../src/log/verify.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { LOG_PATH, turns } from '../../support/log-fixture.ts';

const COUNT = 40;
const EVERY = 10;

/** Every tenth record is wanted. */
const wanted: WantedOffsets = {
  has: (offset) => offset % EVERY === 0,
  countIn(from, to) {
    return Array.from({ length: to - from }, (_, at) => from + at).filter((at) => this.has(at))
      .length;
  },
};

class Fixture {
  readonly clock = new ManualClock();
  readonly fileSystem = new MemoryFileSystem();
  readonly syncs = new HeldSyncs(this.fileSystem, '.tmp');
  /** Next generations that were begun. */
  begunCount = 0;

  constructor() {
    const open = this.fileSystem.open.bind(this.fileSystem);
    this.fileSystem.open = (path, mode) => {
      if (path.endsWith('.tmp') && path.includes('.log') && mode !== 'read') this.begunCount++;
      return open(path, mode);
    };
  }

  /** Two keys in turn, several sealed segments, and all of it is durable. */
  async open(): Promise<Log<string>> {
    const { fileSystem, clock } = this;
    const log = await openLog(LOG_PATH, {
      codec: utf8,
      fileSystem,
      clock,
      segmentBytesMax: 4096,
      compaction: 'key',
    });
    onTestFinished(() => {
      this.syncs.release();
      return log.close();
    });
    for (let at = 0; at < COUNT; at++) {
      await log.append({ key: `key ${at % 2}`, value: `${at}`.padEnd(400, '.') });
    }
    await log.sync();
    this.begunCount = 0; // New segments have such names, too.
    return log;
  }

  /** A next generation is written, and waits for its sync. */
  async held(): Promise<void> {
    for (let step = 0; step < 100 && this.syncs.waiting.length === 0; step++) await turns(20);
    expect(this.syncs.waiting).toHaveLength(1);
  }

  /** Rewrites the oldest segment that is due. */
  async rewrite(log: Log<string>): Promise<number> {
    const { settledRewriter } = log.forStore();
    const { segments } = await settledRewriter.choose(() => wanted);
    const [first] = segments;
    if (first === undefined) throw new Error('nothing is due');
    const { signal } = new AbortController();
    const { clock } = this;
    const pace = new Pace({ clock, bytesPerSecondMax: null, keepsAlive: false, signal });
    return settledRewriter.rewrite(first, wanted, pace);
  }
}

/** What is not as it should be on disk. */
async function remarksOf(fileSystem: FileSystem): Promise<VerifyEvent[]> {
  const remarks: VerifyEvent[] = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type !== 'segment') remarks.push(event);
  }
  return remarks;
}

async function offsetsOf(log: Log<string>): Promise<number[]> {
  const offsets: number[] = [];
  for await (const { offset, value } of log.records()) {
    expect(value).toBe(`${offset}`.padEnd(400, '.'));
    offsets.push(offset);
  }
  return offsets;
}

test('closing a log waits for a segment that is being rewritten', async () => {
  const fixture = new Fixture();
  const log = await fixture.open();
  fixture.syncs.hold();
  const rewriting = fixture.rewrite(log);
  await fixture.held();
  let isClosed = false;
  const closing = log.close().then(() => (isClosed = true));
  await turns(100);
  expect(isClosed).toBe(false);
  fixture.syncs.release();
  await closing;
  const names = await fixture.fileSystem.list(LOG_PATH);
  await rewriting;
  expect(await fixture.fileSystem.list(LOG_PATH)).toEqual(names);
});

test('settled records wait for a pass by key, which goes on with what they left', async () => {
  const fixture = new Fixture();
  const log = await fixture.open();
  fixture.syncs.hold();
  // Of two segments the first: the one behind it is rewritten before its turn comes.
  const compacting = log.compact();
  await fixture.held();
  const rewriting = fixture.rewrite(log);
  await turns(100);
  expect(fixture.begunCount).toBe(1);
  fixture.syncs.release();
  expect(await compacting).toMatchObject({ limitOffset: 35, rewrittenSegmentCount: 2 });
  expect(await rewriting).toBeGreaterThan(0);
  expect(fixture.begunCount).toBe(3);
  expect(await offsetsOf(log)).toEqual([35, 36, 37, 38, 39]);
  expect(await log.compact()).toMatchObject({ passCount: 0 });
  await log.close();
  expect(await remarksOf(fixture.fileSystem)).toEqual([]);
});

test('a pass by key waits for settled records', async () => {
  const fixture = new Fixture();
  const log = await fixture.open();
  fixture.syncs.hold();
  const rewriting = fixture.rewrite(log);
  await fixture.held();
  const compacting = log.compact();
  await turns(100);
  expect(fixture.begunCount).toBe(1);
  fixture.syncs.release();
  expect(await rewriting).toBeGreaterThan(0);
  await compacting;
  expect((await offsetsOf(log)).at(-1)).toBe(COUNT - 1);
});
