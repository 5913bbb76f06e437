/** How a compaction ends that does not get to its end: what it throws, and what it leaves. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import {
  ClosedError,
  ConflictError,
  CorruptLogError,
  DiskFullError,
  FailedError,
  IoError,
  ReadOnlyError,
} from '../../../src/core/errors.ts';
import type { CompactOptions } from '../../../src/log/compact-options.ts';
import { spoilReads } from '../../support/bad-reads.ts';
import { Compacting, DOTS, keyedOffsets } from '../../support/compacting.ts';
import { flipBit } from '../../support/disk-damage.ts';
import {
  LOG_PATH,
  openTextLog,
  rejectionOf,
  segmentPaths,
  settle,
} from '../../support/log-fixture.ts';

/** Three segments in which most is superseded, and the active one. Of all but the first the first two records have no key. */
async function filled(options: Parameters<typeof Compacting.open>[0] = {}) {
  const one = await Compacting.open(options);
  const bases = [0];
  for (let segment = 0; segment < 3; segment++) {
    await one.append(null, 'a', 'b', 'a', 'b', `c${segment}`);
    bases.push(await one.roll());
  }
  return { one, bases };
}

/** Nothing is left of what was not put in place, and the rest can be compacted. */
async function expectWhole(one: Compacting): Promise<void> {
  expect(await one.temporaries()).toEqual([]);
  one.fileSystem.clearFaults();
  const result = await one.log.compact();
  const offsets = await keyedOffsets(one.log);
  expect(offsets.length).toBe(5);
  expect(result.limitedBy).toBe('active-segment');
  expect(await one.log.compact()).toMatchObject({ passCount: 0 });
}

describe('it is refused', () => {
  test.each([
    ['an unknown option', { byteMax: 1 }, TypeError],
    ['too slow a rate', { bytesPerSecondMax: 1 }, RangeError],
    ['a signal that is none', { signal: 1 }, TypeError],
    ['no function', { onProgress: 1 }, TypeError],
  ])('with %s', async (_, options, ErrorClass) => {
    const one = await Compacting.open();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller may pass all the same
    const given = options as CompactOptions;
    const error = await rejectionOf(one.log.compact(given));
    expect(error).toBeInstanceOf(ErrorClass);
    expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    expect(await rejectionOf(one.log.planCompaction(given))).toBeInstanceOf(ErrorClass);
  });

  test('where the log is not compacted', async () => {
    const one = await Compacting.open({ compaction: 'off' });
    expect(await rejectionOf(one.log.compact())).toBeInstanceOf(ConflictError);
    expect(await rejectionOf(one.log.planCompaction())).toBeInstanceOf(ConflictError);
  });

  test('in a read-only handle, and in a closed one', async () => {
    const one = await Compacting.open();
    const reader = await openTextLog(one.fileSystem, { readOnly: true, compaction: 'key' });
    expect(await rejectionOf(reader.compact())).toBeInstanceOf(ReadOnlyError);
    await reader.close();
    await one.log.close();
    expect(await rejectionOf(one.log.compact())).toBeInstanceOf(ClosedError);
  });

  test('once the writer has failed', async () => {
    const { one } = await filled();
    one.fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    await rejectionOf(one.log.append({ value: DOTS }));
    expect(await rejectionOf(one.log.compact())).toBeInstanceOf(FailedError);
    expect(await rejectionOf(one.log.planCompaction())).toBeInstanceOf(FailedError);
  });
});

describe('a signal', () => {
  test('ends it between two segments, with its reason; what was swapped stays', async () => {
    const { one, bases } = await filled();
    const ending = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ freedBytes }: { readonly freedBytes: number }) => {
      if (freedBytes > 0) ending.abort(reason);
    };
    const { signal } = ending;
    expect(await rejectionOf(one.log.compact({ signal, onProgress }))).toBe(reason);
    const generations = one.log.forStore().segments.all.map(({ header }) => header?.generation);
    expect(generations).toEqual([1, 0, 0, 0]);
    expect(one.log.stats().compaction).toMatchObject({ rewrittenSegmentCount: 1, passCount: 1 });
    expect(one.compacted).toMatchObject([{ segmentCount: 1, why: 'asked' }]);
    // What carries the end of that pass is not read again.
    const { rewrittenSegmentCount } = await one.log.compact();
    expect(rewrittenSegmentCount).toBe(2);
    const [, second = 0, third = 0] = bases;
    const kept = [5, second + 6, third + 4, third + 5, third + 6];
    expect(await keyedOffsets(one.log)).toEqual(kept);
  });

  test('that was aborted before ends it before it begins', async () => {
    const { one } = await filled();
    const signal = AbortSignal.abort(new Error('no'));
    expect(await rejectionOf(one.log.compact({ signal }))).toBe(signal.reason);
    expect(await rejectionOf(one.log.planCompaction({ signal }))).toBe(signal.reason);
    expect(one.log.stats().compaction.passCount).toBe(0);
    await expectWhole(one);
  });

  test('ends a wait for its turn at once', async () => {
    const { one } = await filled();
    const first = one.log.compact();
    const ending = new AbortController();
    const second = rejectionOf(one.log.compact({ signal: ending.signal }));
    ending.abort(new Error('not so long'));
    let isFirstDone = false;
    void first.then(() => (isFirstDone = true));
    expect(await second).toBe(ending.signal.reason);
    expect(isFirstDone).toBe(false);
    expect(await first).toMatchObject({ passCount: 1 });
  });

  test('ends the wait for what a rate leaves, which is kept', async () => {
    const clock = new ManualClock();
    const { one } = await filled({ clock });
    const ending = new AbortController();
    const { signal } = ending;
    const before = clock.pendingTimerCount;
    const running = one.log.compact({ bytesPerSecondMax: 64 * 1024, signal });
    await settle();
    expect(clock.pendingTimerCount).toBe(before + 1);
    ending.abort(new Error('too slow'));
    expect(await rejectionOf(running)).toBe(signal.reason);
    expect(clock.pendingTimerCount).toBe(before);
    await expectWhole(one);
  });
});

describe('closing the log', () => {
  test('ends it, and leaves nothing behind', async () => {
    const { one } = await filled();
    const running = rejectionOf(one.log.compact());
    const waiting = rejectionOf(one.log.compact());
    await one.log.close();
    expect(await running).toBeInstanceOf(ClosedError);
    expect(await waiting).toBeInstanceOf(ClosedError);
    expect(await one.temporaries()).toEqual([]);
    expect(one.fileSystem.openFileCount).toBe(0);
    await expectWhole(await Compacting.open({}, one.fileSystem));
  });

  test('ends what began by itself, which is no failure', async () => {
    const { one } = await filled();
    const { compactor } = one.log.forStore();
    const running = compactor.compactDue();
    await one.log.close();
    expect(await running).toBeNull();
    expect(compactor.stats.lastError).toBeNull();
    expect(await compactor.compactDue()).toBeNull();
  });
});

test('who asks takes over from what began by itself', async () => {
  const { one } = await filled();
  const { compactor } = one.log.forStore();
  const due = compactor.compactDue();
  expect(await one.log.compact()).toMatchObject({ passCount: 1 });
  expect(await due).toBeNull();
  expect(compactor.stats.lastError).toBeNull();
  await expectWhole(one);
});

describe('damage', () => {
  const [dirtyAt, cleanAt] = [300, 300];

  test('in what is dirty: what lies in front of it is compacted', async () => {
    const { one, bases } = await filled();
    const path = present((await segmentPaths(one.fileSystem))[1], 'the second segment');
    flipBit(one.fileSystem, path, { position: dirtyAt });
    const plan = await one.log.planCompaction();
    expect(plan).toMatchObject({ limitedBy: 'damage', limitOffset: bases[1], passCount: 1 });
    const error = await rejectionOf(one.log.compact());
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({ details: { file: path } });
    expect((await one.log.read(1)) === null && (await one.log.read(3)) !== null).toBe(true);
    const generations = one.log.forStore().segments.all.map(({ header }) => header?.generation);
    expect(generations).toEqual([1, 0, 0, 0]);
    expect(await one.temporaries()).toEqual([]);
  });

  test('in what is clean: nothing behind it is rewritten', async () => {
    const { one } = await filled();
    await one.log.compact();
    await one.append('a', 'a');
    await one.roll();
    const path = present((await segmentPaths(one.fileSystem))[1], 'the second segment');
    flipBit(one.fileSystem, path, { position: cleanAt });
    expect(await rejectionOf(one.log.compact())).toMatchObject({ details: { file: path } });
    const generations = one.log.forStore().segments.all.map(({ header }) => header?.generation);
    expect(generations.slice(1)).toEqual([1, 1, 0, 0]);
  });

  test('is no lag where ages count, in a segment without an index', async () => {
    const { one, bases } = await filled();
    await one.log.close();
    const path = present((await segmentPaths(one.fileSystem))[1], 'the second segment');
    const { sizeBytes } = await one.fileSystem.stat(path);
    flipBit(one.fileSystem, path, { position: sizeBytes - 2 });
    flipBit(one.fileSystem, path, { position: dirtyAt });
    const again = await Compacting.open({ compactionLagMsMin: 1 }, one.fileSystem);
    again.clock.advance(1000);
    expect(await again.log.planCompaction()).toMatchObject({
      limitedBy: 'damage',
      limitOffset: bases[1],
    });
    expect(await rejectionOf(again.log.compact())).toMatchObject({ details: { file: path } });
  });

  test('of a header is damage of its segment', async () => {
    const { one, bases } = await filled();
    await one.log.close();
    const path = present((await segmentPaths(one.fileSystem))[1], 'the second segment');
    flipBit(one.fileSystem, path, { position: 20 });
    const again = await Compacting.open({}, one.fileSystem);
    expect(await again.log.planCompaction()).toMatchObject({
      limitedBy: 'damage',
      limitOffset: bases[1],
    });
    expect(await rejectionOf(again.log.compact())).toMatchObject({ details: { file: path } });
  });
});

describe('a failure', () => {
  test.each([
    ['to open the file', 'EMFILE', 'create', IoError],
    ['for want of room', 'ENOSPC', 'write', DiskFullError],
    ['to sync the file', 'EIO', 'datasync', IoError],
    ['to rename it for want of room', 'ENOSPC', 'rename', DiskFullError],
    ['to rename it for want of quota', 'EDQUOT', 'rename', DiskFullError],
  ] as const)('%s ends it, leaves nothing, and may be tried again', async (_, errno, call, Is) => {
    const { one } = await filled();
    one.fileSystem.addFault({ errno, operations: [call], path: '.tmp' });
    const error = await rejectionOf(one.log.compact());
    expect(error).toBeInstanceOf(Is);
    const { endOffset } = one.log.stats();
    expect(await one.log.append({ value: DOTS })).toMatchObject({ offset: endOffset });
    await expectWhole(one);
  });

  test.each(['EMFILE', 'ENFILE'])('to open the directory (%s) ends it, too', async (errno) => {
    const { one } = await filled();
    one.fileSystem.addFault({ errno, operations: ['syncDirectory'], path: LOG_PATH });
    const error = await rejectionOf(one.log.compact());
    expect(error).toMatchObject({ details: { operation: 'syncDirectory', errno } });
    expect(one.log.stats()).toMatchObject({ state: 'open' });
    await expectWhole(one);
  });

  const flip = (byteAt: number) => (found: Uint8Array, position: number) => {
    const at = byteAt - position;
    if (at >= 0 && at < found.length) found[at] = (found[at] ?? 0) ^ 1;
    return found.length;
  };
  const endAt = (sizeBytes: number) => (found: Uint8Array, position: number) =>
    Math.max(0, Math.min(found.length, sizeBytes - position));

  test.each([
    ['a flipped bit in its header', flip(20), 0],
    ['a flipped bit in its first batch', flip(200), 128],
    ['an end in its header', endAt(100), 0],
    ['an end in its first batch', endAt(200), 128],
  ])('to read what was written, %s, is one of the unfinished file', async (_, bad, position) => {
    const { one } = await filled();
    const end = spoilReads(one.fileSystem, '.tmp', bad);
    const [path = ''] = await segmentPaths(one.fileSystem);
    const error = await rejectionOf(one.log.compact());
    const at = { path: `${path}.tmp`, operation: 'read', position, errno: 'EIO' };
    expect(error).toBeInstanceOf(IoError);
    expect(error).toMatchObject({ details: at, cause: { details: { file: at.path, position } } });
    expect(one.log.stats().state).toBe('open');
    end();
    expect(await one.log.planCompaction()).toMatchObject({ limitedBy: 'active-segment' });
    await expectWhole(one);
  });

  test('of a read of the unfinished file is told of with its name', async () => {
    const { one } = await filled();
    one.fileSystem.addFault({ errno: 'EIO', operations: ['read'], path: '.tmp' });
    const [path = ''] = await segmentPaths(one.fileSystem);
    const details = { path: `${path}.tmp`, operation: 'read', errno: 'EIO' };
    expect(await rejectionOf(one.log.compact())).toMatchObject({ details });
    expect(one.log.stats().state).toBe('open');
    await expectWhole(one);
  });

  test.each(['rename', 'syncDirectory'] as const)('of a %s stops the writer', async (call) => {
    const { one } = await filled();
    one.fileSystem.addFault({ errno: 'EIO', operations: [call] });
    expect(await rejectionOf(one.log.compact())).toBeInstanceOf(FailedError);
    await rejectionOf(one.log.close());
    one.fileSystem.clearFaults();
    await expectWhole(await Compacting.open({}, one.fileSystem));
  });

  test('of who is told of its progress ends it with that', async () => {
    const { one } = await filled();
    const reason = new Error('I did not listen');
    const onProgress = () => {
      throw reason;
    };
    expect(await rejectionOf(one.log.compact({ onProgress }))).toBe(reason);
    await expectWhole(one);
  });
});

test('a segment that may not be swapped now ends the pass: nothing behind it says that it is done', async () => {
  const { one } = await filled();
  const second = present(one.log.forStore().segments.all[1], 'the second segment');
  second.file = await one.fileSystem.open(second.path, 'read'); // As if the writer still had it.
  const generations = () => one.log.forStore().segments.all.map(({ header }) => header?.generation);
  expect(await one.log.compact()).toMatchObject({ rewrittenSegmentCount: 1 });
  expect(generations()).toEqual([1, 0, 0, 0]);
  await second.file.close();
  second.file = null;
  expect(await one.log.compact()).toMatchObject({ rewrittenSegmentCount: 2 });
  expect(generations()).toEqual([1, 1, 1, 0]);
  await expectWhole(one);
});

test('retention beside it takes segments, and it goes on with the others', async () => {
  const { one, bases } = await filled();
  const running = one.log.compact();
  await one.log.deleteBefore(present(bases[2], 'three segments'));
  expect(await running).toMatchObject({ limitedBy: 'active-segment' });
  expect(await one.temporaries()).toEqual([]);
  const first = present(bases[2], 'three segments');
  expect(await keyedOffsets(one.log)).toEqual([4, 5, 6].map((at) => first + at));
  expect((await one.fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.log')).length).toBe(
    2,
  );
});
