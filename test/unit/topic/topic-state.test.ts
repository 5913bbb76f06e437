/** What the journal knows of topics, also from before they had all of their options. */
import { describe, expect, test } from 'vitest';

import { Fold } from '../../../src/journal/fold.ts';
import { topicAltered, topics } from '../../../src/topic/topic-state.ts';
import { REDUCERS } from '../../../src/store/store-state.ts';
import { registry } from '../../support/journal-bench.ts';
import { settingsOf } from '../../support/journal-history.ts';
import { KEEPING_DEFAULTS } from '../../support/keeping-defaults.ts';
import { partOf } from '../../support/state-parts.ts';

/** Topic 5 as a snapshot run had it before topics had options of deduplication. */
const OLD_STATE =
  '096f72646572732fc3a40307080902c80180808020018088b2a0020001c0843d8080408080040101' +
  '0680d0eab6b73381d0eab6b73300020280d0eab6b7330381d0eab6b733';
/** What the state of today has more: the defaults of deduplication... */
const DEDUP = '01e0a7120000';
/** ...and those of compaction, and of unfinished work. */
const KEEPING = ['000000', '000000000000e03f', '80b89929', '0000'].join('');

function restored(hex: string): Fold {
  const fold = new Fold(REDUCERS);
  const state = new Uint8Array(Buffer.from(hex, 'hex'));
  fold.restore({ reducer: 'topic', id: '5', from: 0, state }, 0);
  return fold;
}

describe('a topic in a snapshot of before there was deduplication', () => {
  test('has the options that it had, and the defaults of the others', () => {
    expect(restored(OLD_STATE).get(topics, '5')).toEqual({
      name: 'orders/ä',
      logIds: [7, 8, 9],
      options: {
        durability: 'sync',
        flushMs: 200,
        segmentBytesMax: 67_108_864,
        segmentAgeMsMax: 604_800_000,
        retentionMs: null,
        retentionBytes: 1_000_000,
        recordBytesMax: 1_048_576,
        batchBytesMax: 65_536,
        compression: 'gzip',
        compressionLevel: 6,
        dedupWindowMs: 300_000,
        dedupBy: 'id',
        dedupScope: 'topic',
        ...KEEPING_DEFAULTS,
      },
      createdTimeMs: 1_767_225_600_000,
      alteredTimeMs: 1_767_225_600_001,
      isDeleting: false,
      keyMaps: [
        { partitionCount: 2, timeMs: 1_767_225_600_000 },
        { partitionCount: 3, timeMs: 1_767_225_600_001 },
      ],
    });
  });

  test('is written with all of them, and is the same when it is read again', () => {
    const fold = restored(OLD_STATE);
    const [copy] = [...fold.copies(() => 0)].map(partOf);
    const written = Buffer.from(copy?.state ?? []).toString('hex');
    expect(written).toBe(OLD_STATE + DEDUP + KEEPING);
    expect(restored(written).hash()).toBe(fold.hash());
  });

  test('can be altered, and others do not change with it', () => {
    const fold = restored(OLD_STATE);
    const options = settingsOf(2, 3);
    const entry = registry.encode(topicAltered, { topicId: 5, options, timeMs: 9 });
    expect(fold.apply(registry.decode(entry), 0)).toBeNull();
    expect(fold.get(topics, '5')?.options).toEqual({ ...options, dedupWindowMs: 'settled' });
    expect(restored(OLD_STATE).get(topics, '5')?.options.dedupWindowMs).toBe(300_000);
  });

  test.each([1, 2, 3, 4, 5])('is no state when %i bytes of the new ones are missing', (missing) => {
    const whole = OLD_STATE + DEDUP;
    expect(() => restored(whole.slice(0, whole.length - 2 * missing))).toThrow('ends within');
  });
});

describe('a topic in a snapshot of before there was compaction', () => {
  /** A window until records are settled, by content and by key: null, 1, 1. */
  const STATE = `${OLD_STATE}000101`;

  test('keeps what it had of deduplication, and has the defaults of the others', () => {
    const options = restored(STATE).get(topics, '5')?.options;
    expect(options).toMatchObject({ dedupWindowMs: 'settled', dedupBy: 'content' });
    expect(options).toMatchObject({ dedupScope: 'key', compressionLevel: 6, ...KEEPING_DEFAULTS });
  });

  test('is written with all of them, and is the same when it is read again', () => {
    const fold = restored(STATE);
    const [copy] = [...fold.copies(() => 0)].map(partOf);
    const written = Buffer.from(copy?.state ?? []).toString('hex');
    expect(written).toBe(STATE + KEEPING);
    expect(restored(written).hash()).toBe(fold.hash());
  });

  test.each([1, 2, 3, 6, 7, 13, 14, 16])(
    'is no state when %i bytes of the new ones are missing',
    (missing) => {
      const whole = STATE + KEEPING;
      expect(KEEPING.length).toBe(2 * 17);
      expect(() => restored(whole.slice(0, whole.length - 2 * missing))).toThrow('ends within');
    },
  );

  test.each([
    ['a share that is no number', '000000000000f87f'],
    ['an infinite share', '000000000000f07f'],
    ['a second form of 0', '0000000000000080'],
  ])('is no state with %s', (_, share) => {
    const keeping = KEEPING.replace('000000000000e03f', share);
    expect(keeping).toHaveLength(KEEPING.length);
    expect(() => restored(STATE + keeping)).toThrow('a number is none that is written');
  });
});
