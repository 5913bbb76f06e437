/** Whose syncs those of encoded batches are, in a store, where logs take turns. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { LATE_WRITE_BYTES } from '../../../src/core/limits.ts';
import { encodedRecordBytes } from '../../../src/format/batch-encoder.ts';
import { ownHome, type LogHome } from '../../../src/log/log-home.ts';
import { DURABILITY_LEVELS, resolveLogOptions } from '../../../src/log/log-options.ts';
import type { LogOptions } from '../../../src/log/log-options.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import { SyncTurns, type SyncTurn } from '../../../src/log/sync-turns.ts';
import { encodedTexts } from '../../support/encoded-texts.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { faultyDisk, LOG_PATH, settle, valuesOf } from '../../support/log-fixture.ts';
import { watched } from '../../support/watched.ts';
import { appendEncoded } from '../../support/encoded-appends.ts';

interface TurnLog {
  readonly log: Log<string>;
  readonly syncs: HeldSyncs;
  readonly clock: ManualClock;
  /** Of the syncs that began or wait: whether anybody waits for them. */
  readonly ranks: ('background' | 'awaited')[];
}

/** A log of a store: its syncs take turns. */
async function turnLog(options: Partial<LogOptions<string, string>>): Promise<TurnLog> {
  const fileSystem = await faultyDisk();
  const syncs = new HeldSyncs(fileSystem, '.log');
  const clock = new ManualClock();
  const syncTurns = new SyncTurns({ clock });
  const ranks: TurnLog['ranks'] = [];
  const takeTurn = (isBackground: boolean, of: object): SyncTurn => {
    const at = ranks.push(isBackground ? 'background' : 'awaited') - 1;
    const turn = syncTurns.take(isBackground ? 'background' : 'awaited', of);
    const hurry = () => {
      ranks[at] = 'awaited';
      turn.hurry();
    };
    return { begun: turn.begun, hurry, end: () => turn.end() };
  };
  const settings = resolveLogOptions<string, string>({
    fileSystem,
    codec: utf8,
    clock,
    random: new SeededRandom(1),
    ...options,
  });
  const home: LogHome = { ...ownHome(settings), takeTurn };
  return { log: await openLogIn(LOG_PATH, settings, home), syncs, clock, ranks };
}

describe('the sync of a batch', () => {
  test.each(DURABILITY_LEVELS)(
    'is one of the background in a log of level %s',
    async (durability) => {
      const { log, syncs, ranks } = await turnLog({ durability });
      syncs.hold();
      const { encoded } = log.forStore();
      const batches = [appendEncoded(encoded, encodedTexts(['a']))];
      await settle();
      batches.push(
        appendEncoded(encoded, encodedTexts(['b'])),
        appendEncoded(encoded, encodedTexts(['c'])),
      );
      await settle();
      expect(ranks).toEqual(['background']); // One at a time: those behind share the next.
      syncs.release();
      await Promise.all(batches);
      expect(ranks).toEqual(['background', 'background']);
      await log.close();
    },
  );

  test('is hurried by a caller who waits for it', async () => {
    const { log, syncs, ranks } = await turnLog({ durability: 'os' });
    syncs.hold();
    const batch = appendEncoded(log.forStore().encoded, encodedTexts(['a']));
    await settle();
    const synced = log.sync();
    await settle();
    expect(ranks).toEqual(['awaited']);
    syncs.release();
    await Promise.all([batch, synced]);
    expect(ranks).toEqual(['awaited']);
    await log.close();
  });

  test('comes by itself behind one that a caller waited for', async () => {
    const { log, syncs, ranks } = await turnLog({ durability: 'sync' });
    syncs.hold();
    const first = log.append({ value: 'a' });
    await settle();
    const batch = watched(appendEncoded(log.forStore().encoded, encodedTexts(['b'])));
    await settle();
    syncs.release();
    expect(await first).toMatchObject({ offset: 0 });
    await settle();
    expect(batch.value).toEqual({ baseOffset: 1, nextOffset: 2 });
    expect(ranks).toEqual(['awaited', 'background']);
    await log.close();
  });

  test('is that of the callers who wait behind it, when there are some', async () => {
    const { log, syncs, ranks } = await turnLog({ durability: 'sync' });
    syncs.hold();
    const first = log.append({ value: 'a' });
    await settle();
    const batch = watched(appendEncoded(log.forStore().encoded, encodedTexts(['b'])));
    const last = log.append({ value: 'c' });
    await settle();
    syncs.release();
    await Promise.all([first, last]);
    expect(batch.value).toEqual({ baseOffset: 1, nextOffset: 2 });
    expect(ranks).toEqual(['awaited', 'awaited']);
    await log.close();
  });
});

test('a record that nobody waits for is written also beside a sync that others wait for', async () => {
  const { log, syncs, clock } = await turnLog({ durability: 'sync', flushMs: 1000 });
  syncs.hold();
  const first = log.append({ value: 'a' });
  await settle();
  expect(log.appendNoWait({ value: 'b' })).toBe(1);
  await settle();
  syncs.release();
  await first;
  await settle();
  clock.advance(1000);
  await settle();
  expect([log.syncedOffset, log.visibleOffset]).toEqual([2, 2]);
  await log.close();
});

describe('a batch that may wait for others', () => {
  const answer = { complete: () => undefined, fail: () => undefined };

  test('is written when it is said so, or with what else is', async () => {
    const { log } = await turnLog({ durability: 'os' });
    const { encoded } = log.forStore();
    encoded.append(encodedTexts(['a']), answer);
    await settle();
    expect(log.syncedOffset).toBe(0);
    encoded.write();
    await settle();
    expect(log.syncedOffset).toBe(1);
    encoded.append(encodedTexts(['b']), answer);
    await log.append({ value: 'c' });
    await settle();
    expect(log.syncedOffset).toBe(3);
    await log.close();
  });

  test('is written once half a buffer waits', async () => {
    const { log } = await turnLog({ durability: 'os' });
    const { encoded } = log.forStore();
    const text = '.'.repeat(LATE_WRITE_BYTES / 4);
    for (const count of [1, 2, 3]) {
      encoded.append(encodedTexts([text]), answer);
      await settle();
      expect(log.syncedOffset, `after ${count}`).toBe(0);
    }
    encoded.append(encodedTexts([text]), answer);
    await settle();
    expect(log.syncedOffset).toBe(4);
    await log.close();
  });

  test('is written before its log is closed', async () => {
    const { log } = await turnLog({ durability: 'os' });
    let isSynced = false;
    const complete = (): void => void (isSynced = true);
    log.forStore().encoded.append(encodedTexts(['a']), { ...answer, complete });
    await log.close();
    expect(isSynced).toBe(true);
  });
});

describe('syncSoon', () => {
  test('has what was appended synced, and nobody waits for it', async () => {
    const { log, ranks } = await turnLog({ durability: 'os' });
    const { encoded } = log.forStore();
    await log.append({ value: 'a' });
    const behind = log.append({ value: 'b' });
    expect([log.syncedOffset, log.visibleOffset]).toEqual([0, 1]);
    encoded.syncSoon();
    await behind;
    await settle();
    expect([log.syncedOffset, log.visibleOffset]).toEqual([2, 2]);
    expect(new Set(ranks)).toEqual(new Set(['background']));
    const { length } = ranks;
    encoded.syncSoon();
    await settle();
    expect(ranks).toHaveLength(length); // There was nothing to sync.
    await log.append({ value: 'c' });
    await settle();
    expect(log.syncedOffset).toBe(2);
    await log.close();
    encoded.syncSoon();
  });
});

describe('beside a commit', () => {
  const records = ['c', 'd'].map((text) => {
    const value = Buffer.from(text);
    const sizeBytes = encodedRecordBytes(0, null, value);
    return { key: null, keyBytes: 0, headers: null, value, createTimeMs: 0, sizeBytes };
  });

  test('a batch before it is synced before it is durable, because the commit waits', async () => {
    const { log, syncs, ranks } = await turnLog({ durability: 'os' });
    syncs.hold();
    const { appender, encoded } = log.forStore();
    const batch = watched(appendEncoded(encoded, encodedTexts(['a', 'b'])));
    const held = appender.commits.hold([{ records, tag: null }]);
    const ready = watched(held.ready().then(() => true));
    await settle();
    expect([batch.value, ready.value, ranks]).toEqual([null, null, ['awaited']]);
    syncs.release();
    await settle();
    expect([batch.value, ready.value]).toEqual([{ baseOffset: 0, nextOffset: 2 }, true]);
    expect(log.visibleOffset).toBe(2);
    held.release();
    await held.ended;
    held.show();
    expect(await valuesOf(log)).toEqual(['a', 'b', 'c', 'd']);
    await log.close();
  });

  test('a batch behind it goes with it when it is refused', async () => {
    const { log } = await turnLog({ durability: 'os' });
    const { appender, encoded } = log.forStore();
    const held = appender.commits.hold([{ records, tag: null }]);
    const batch = appendEncoded(encoded, encodedTexts(['a']));
    await settle();
    expect([log.visibleOffset, log.endOffset]).toEqual([0, 3]);
    held.refuse(new Error('the journal has no room'));
    await expect(batch).rejects.toThrow('the journal has no room');
    await log.append({ value: 'e' });
    expect(await valuesOf(log)).toEqual(['e']);
    await log.close();
  });
});
