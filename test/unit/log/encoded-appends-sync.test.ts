/** Batches of encoded records until they are synced: who is answered when, and who sees them. */
import { describe, expect, test, vi } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { DiskFullError, FailedError, OffsetOutOfRangeError } from '../../../src/core/errors.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { ownHome } from '../../../src/log/log-home.ts';
import { resolveLogOptions } from '../../../src/log/log-options.ts';
import type { Log } from '../../../src/log/log.ts';
import { LogMarks } from '../../../src/log/marks.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import { encodedTexts } from '../../support/encoded-texts.ts';
import type { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import {
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  settle,
  turns,
  valuesOf,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import { watched } from '../../support/watched.ts';
import { appendEncoded } from '../../support/encoded-appends.ts';

const LEVELS = ['os', 'interval', 'sync'] as const;
const LEVEL_OFFSETS = [
  ['os', 1],
  ['interval', 1],
  ['sync', 0],
] as const;

interface HeldLog {
  readonly fileSystem: FaultyFileSystem;
  readonly syncs: HeldSyncs;
  readonly clock: ManualClock;
  readonly log: Log<string>;
  readonly encoded: ReturnType<Log<string>['forStore']>['encoded'];
}

/** A log with segments large enough for one, whose syncs are held from here on. */
async function heldLog(options: TextLogOptions = {}): Promise<HeldLog> {
  const fileSystem = await faultyDisk();
  const syncs = new HeldSyncs(fileSystem, '.log');
  const clock = new ManualClock();
  const log = await openTextLog(fileSystem, { clock, segmentBytesMax: 2 ** 20, ...options });
  await log.append({ value: 'first' }, { durability: 'sync' });
  syncs.hold();
  return { fileSystem, syncs, clock, log, encoded: log.forStore().encoded };
}

describe('a batch that is not synced', () => {
  test.each(LEVELS)('is seen by nobody in a log of level %s', async (durability) => {
    const { syncs, log, encoded } = await heldLog({ durability, flushMs: 10 });
    const batch = watched(appendEncoded(encoded, encodedTexts(['b', 'c'])));
    const behind = watched(log.append({ value: 'd' }, { durability: 'os' }));
    await settle();
    // What is behind it is answered at its level, and not seen.
    expect(behind.value).toMatchObject({ offset: 3 });
    expect(batch.value).toBeNull();
    expect(log.visibleOffset).toBe(1);
    expect(await valuesOf(log)).toEqual(['first']);
    expect(await rejectionOf(log.read(1))).toBeInstanceOf(OffsetOutOfRangeError);

    syncs.release();
    await settle();
    expect(batch.value).toEqual({ baseOffset: 1, nextOffset: 3 });
    expect(log.syncedOffset).toBe(4);
    expect(await valuesOf(log)).toEqual(['first', 'b', 'c', 'd']);
    await log.close();
  });

  test.each(LEVEL_OFFSETS)(
    'hides nothing that stands before it in a log of level %s',
    async (durability, more) => {
      const { syncs, log, encoded } = await heldLog({ durability });
      const before = watched(log.append({ value: 'before' }, { durability: 'os' }));
      const batch = watched(appendEncoded(encoded, encodedTexts(['b'])));
      await settle();
      expect(before.value).toMatchObject({ offset: 1 });
      expect(log.visibleOffset).toBe(1 + more);
      syncs.release();
      await settle();
      expect(batch.value).not.toBeNull();
      expect(log.visibleOffset).toBe(3);
      await log.close();
    },
  );

  test('stays hidden when the level of its log is lowered meanwhile', async () => {
    const fileSystem = await faultyDisk();
    const syncs = new HeldSyncs(fileSystem, '.log');
    const settings = { ...resolveLogOptions({ fileSystem, codec: utf8 }) };
    const log = await openLogIn(LOG_PATH, settings, ownHome(settings));
    syncs.hold();
    const { encoded } = log.forStore();
    const batch = watched(appendEncoded(encoded, encodedTexts(['a'])));
    Object.assign(settings, { durability: 'os' });
    expect(await log.append({ value: 'b' })).toMatchObject({ durability: 'os' });
    expect(log.visibleOffset).toBe(0);
    syncs.release();
    await settle();
    expect(batch.value).not.toBeNull();
    expect(await valuesOf(log)).toEqual(['a', 'b']);
    await log.close();
  });

  test('wakes those who follow when it is synced, and has the checkpoint say so', async () => {
    const { fileSystem, syncs, clock, log, encoded } = await heldLog({ durability: 'os' });
    const follower = log.records({ from: 1, follow: true });
    const next = watched(follower.next());
    void appendEncoded(encoded, encodedTexts(['b']));
    await log.append({ value: 'c' });
    await settle();
    syncs.release();
    // Written behind the sync that covers the batch, and seen as soon as that is.
    await settle();
    expect(next.value).toMatchObject({ value: { offset: 1 }, done: false });
    await follower.return();
    clock.advance(200);
    const beside = await openTextLog(fileSystem, { readOnly: true });
    expect(await valuesOf(beside)).toEqual(['first', 'b', 'c']);
    await Promise.all([beside.close(), log.close()]);
  });

  test('costs the same as the only one when there are many', async () => {
    const { syncs, log, encoded } = await heldLog({ durability: 'os' });
    const caps = vi.spyOn(LogMarks.prototype, 'cap');
    const wakes = vi.spyOn(LogMarks.prototype, 'wake');
    const batches = Array.from({ length: 500 }, (_, at) =>
      appendEncoded(encoded, encodedTexts([`batch ${at}`])),
    );
    await settle();
    syncs.release();
    const ranges = await Promise.all(batches);
    expect(caps.mock.calls.length).toBeLessThan(5);
    expect(wakes.mock.calls.length).toBeLessThan(5);
    vi.restoreAllMocks();
    expect(ranges.map(({ baseOffset }) => baseOffset)).toEqual(batches.map((_, at) => at + 1));
    expect(log.visibleOffset).toBe(501);
    await log.close();
  });

  test('is answered in its turn among appends that wait for the same sync', async () => {
    const { syncs, log, encoded } = await heldLog({ durability: 'sync' });
    const answers: number[] = [];
    const all: Promise<unknown>[] = [];
    for (let at = 0; at < 20; at++) {
      const isPlain = at % 3 > 0;
      const values = Array.from({ length: 500 }, (_, n) => `${at} ${n}`);
      const append: Promise<unknown> = isPlain
        ? log.appendBatch(values.map((value) => ({ value })))
        : appendEncoded(encoded, encodedTexts(values));
      all.push(append.then(() => answers.push(at)));
    }
    await settle();
    syncs.release();
    await Promise.all(all);
    expect(answers).toEqual(Array.from({ length: 20 }, (_, at) => at));
    await log.close();
  });

  test('keeps its log from being closed as idle, and is answered when it is closed', async () => {
    const { syncs, log, encoded } = await heldLog({ durability: 'os' });
    expect(log.life.isQuiet).toBe(true);
    const batch = watched(appendEncoded(encoded, encodedTexts(['b'])));
    await settle();
    expect(log.life.isQuiet).toBe(false);
    const closed = watched(log.close().then(() => 'closed'));
    await settle();
    expect([batch.value, closed.value]).toEqual([null, null]);
    syncs.release();
    await turns(20);
    expect([batch.value, closed.value]).toEqual([{ baseOffset: 1, nextOffset: 2 }, 'closed']);
    expect(log.life.isQuiet).toBe(true);
  });

  test('is answered by a close in the turn of its append', async () => {
    const { syncs, log, encoded } = await heldLog({ durability: 'interval', flushMs: 60_000 });
    syncs.release();
    const batch = appendEncoded(encoded, encodedTexts(['b']));
    await log.close();
    expect(await batch).toEqual({ baseOffset: 1, nextOffset: 2 });
  });
});

describe('a batch that is taken back', () => {
  /** No room but for what is written already; looked at again. */
  function fill({ fileSystem, clock }: HeldLog): void {
    fileSystem.capacityBytes = fileSystem.disk.tree.usedBytes;
    clock.advance(1001);
  }

  function empty({ fileSystem, clock }: HeldLog): void {
    fileSystem.capacityBytes = 2 ** 40;
    clock.advance(1001);
  }

  test.each(LEVELS)('hides nothing any more in a log of level %s', async (durability) => {
    const held = await heldLog({ durability });
    const { syncs, log, encoded } = held;
    syncs.release();
    fill(held);
    const refused = [
      appendEncoded(encoded, encodedTexts(['b'])),
      appendEncoded(encoded, encodedTexts(['c'])),
    ];
    const errors = await Promise.all(refused.map(rejectionOf));
    expect(errors.map((error) => error instanceof DiskFullError)).toEqual([true, true]);
    expect(log.endOffset).toBe(1);
    expect(log.life.isQuiet).toBe(true);
    empty(held);
    await log.append({ value: 'd' });
    expect(await valuesOf(log)).toEqual(['first', 'd']);
    expect(await appendEncoded(encoded, encodedTexts(['e']))).toEqual({
      baseOffset: 2,
      nextOffset: 3,
    });
    expect(await valuesOf(log)).toEqual(['first', 'd', 'e']);
    await log.close();
  });

  test('leaves those before it hidden until they are synced', async () => {
    const held = await heldLog({ durability: 'os' });
    const { syncs, log, encoded } = held;
    const written = watched(appendEncoded(encoded, encodedTexts(['b'])));
    await settle();
    fill(held);
    const refused = appendEncoded(encoded, encodedTexts(['c']));
    expect(await rejectionOf(refused)).toBeInstanceOf(DiskFullError);
    empty(held);
    expect(await log.append({ value: 'd' })).toMatchObject({ offset: 2 });
    expect([log.visibleOffset, written.value]).toEqual([1, null]);
    syncs.release();
    await settle();
    expect(written.value).toEqual({ baseOffset: 1, nextOffset: 2 });
    expect(await valuesOf(log)).toEqual(['first', 'b', 'd']);
    await log.close();
  });

  test('by a write that fell short is told so', async () => {
    const { fileSystem, syncs, log, encoded } = await heldLog({ durability: 'os' });
    syncs.release();
    const rule = { operations: ['write'], path: /\.log$/, errno: 'ENOSPC' } as const;
    fileSystem.addFault({ ...rule, shortBytes: 'half' });
    const refused = appendEncoded(encoded, encodedTexts(['b', 'c']));
    expect(await rejectionOf(refused)).toBeInstanceOf(DiskFullError);
    // As a full disk does: it is the next write that is told why.
    expect(await rejectionOf(log.append({ value: 'd' }))).toBeInstanceOf(DiskFullError);
    expect(await log.append({ value: 'd' })).toMatchObject({ offset: 1 });
    expect(await valuesOf(log)).toEqual(['first', 'd']);
    await log.close();
  });
});

describe('a batch whose sync fails', () => {
  test.each(LEVELS)('is rejected and never seen in a log of level %s', async (durability) => {
    const { fileSystem, syncs, log, encoded } = await heldLog({ durability });
    const batch = rejectionOf(appendEncoded(encoded, encodedTexts(['b'])));
    await log.append({ value: 'behind' }, { durability: 'os' });
    await settle();
    const follower = log.records({ follow: true });
    expect(await follower.next()).toMatchObject({ value: { offset: 0 } });
    const next = rejectionOf(follower.next());
    fileSystem.addFault({ operations: ['datasync'], path: /\.log$/, errno: 'EIO' });
    syncs.release();
    const error = await batch;
    expect(error).toBeInstanceOf(FailedError);
    expect(error).toMatchObject({ details: { indeterminate: true } });
    expect(await next).toBeInstanceOf(FailedError);
    expect(log.visibleOffset).toBe(1);
    expect(log.life.isQuiet).toBe(false);
    expect(await rejectionOf(appendEncoded(encoded, encodedTexts(['c'])))).toBeInstanceOf(
      FailedError,
    );
    encoded.syncSoon();
    expect(await rejectionOf(log.close())).toBeInstanceOf(FailedError);
  });
});

test('a batch that a reader has seen survives a power cut', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { fileSystem, syncs, log, encoded } = await heldLog({ durability: 'os' });
    syncs.release();
    await appendEncoded(encoded, encodedTexts(['b', 'c']));
    syncs.hold();
    await log.append({ value: 'lost' });
    void appendEncoded(encoded, encodedTexts(['d'])).catch(() => undefined);
    await settle();
    const seen = await valuesOf(log);
    expect(seen).toEqual(['first', 'b', 'c', 'lost']);
    const image = fileSystem.crashImage({ random: new SeededRandom(seed) });
    const again = await openTextLog(image);
    expect((await valuesOf(again)).slice(0, 3)).toEqual(['first', 'b', 'c']);
    await again.close();
    syncs.release();
    await log.close();
  }
});
