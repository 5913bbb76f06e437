/** What share groups accept, and what of it is held against what is stored. */
import { describe, expect, test } from 'vitest';

import {
  alteredShareSettings,
  checkShareOptions,
  newShareSettings,
  shareSettings,
  shareConflict,
  type ShareGroupOptions,
} from '../../../src/queue/share-settings.ts';
import { EntryReader, EntryWriter } from '../../../src/journal/entry-bytes.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const BAD: readonly [name: string, options: object, error: typeof TypeError | typeof RangeError][] =
  [
    ['a lease below 10 ms', { leaseMs: 9 }, RangeError],
    ['a lease above 12 h', { leaseMs: 43_200_001 }, RangeError],
    ['a lease of half a ms', { leaseMs: 10.5 }, RangeError],
    ['a lease that is a text', { leaseMs: '1000' }, TypeError],
    ['no lease at all', { leaseMs: null }, TypeError],
    ['no failure allowed', { failuresMax: 0 }, RangeError],
    ['too many failures', { failuresMax: 1001 }, RangeError],
    ['no expiry allowed', { expiriesMax: 0 }, RangeError],
    ['too many expiries', { expiriesMax: 251 }, RangeError],
    ['nothing leased', { leasedMax: 0 }, RangeError],
    ['too much leased', { leasedMax: 1_000_001 }, RangeError],
    ['leased without a bound', { leasedMax: null }, TypeError],
    ['nothing ahead', { prefetch: 0 }, RangeError],
    ['dead letters without a name', { deadLetter: '' }, RangeError],
    ['dead letters to a number', { deadLetter: 5 }, TypeError],
    ['a routing key that is a number', { deadLetterRoutingKey: 5 }, TypeError],
    ['half a character in a routing key', { deadLetterRoutingKey: '\ud800' }, RangeError],
    ['an unknown retention', { retention: 'acked' }, TypeError],
    ['a start that is none', { from: 'middle' }, TypeError],
    ['creation as a text', { create: 'yes' }, TypeError],
    ['an unknown option', { failureMax: 5 }, TypeError],
  ];

/** As a caller without types would. */
function check(options: object): ShareGroupOptions {
  return checkShareOptions(options);
}

describe('options of a share group', () => {
  test.each(BAD)('%s is refused', (_name, options, error) => {
    expect(() => check(options)).toThrow(error);
    expect(() => check(options)).toThrow(
      expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }),
    );
  });

  test('all bounds are allowed', () => {
    const least = { leaseMs: 10, failuresMax: 1, expiriesMax: 1, leasedMax: 1, prefetch: 1 };
    const most = { leaseMs: 43_200_000, failuresMax: 1000, expiriesMax: 250, leasedMax: 1_000_000 };
    for (const options of [
      least,
      most,
      { failuresMax: null, expiriesMax: null, deadLetter: null },
    ]) {
      expect(check(options)).toMatchObject(options);
    }
  });

  test('what is left out comes from the defaults, those of a queue first', () => {
    const given = { failuresMax: 7, deadLetter: undefined };
    expect(newShareSettings(given, { retention: 'settled' })).toEqual({
      leaseMs: 30_000,
      failuresMax: 7,
      expiriesMax: 20,
      leasedMax: 2000,
      deadLetter: null,
      deadLetterRoutingKey: null,
      retention: 'settled',
    });
  });

  test('are kept with a routing key or without, those without as stores have them from before', () => {
    const bytesOf = (changes: object) => {
      const writer = new EntryWriter();
      shareSettings.write(writer, { ...newShareSettings({}, {}), ...changes });
      return writer.take();
    };
    for (const deadLetter of [null, 'exchange:dlx']) {
      for (const deadLetterRoutingKey of [null, '', 'a.b']) {
        const reader = new EntryReader(bytesOf({ deadLetter, deadLetterRoutingKey }));
        const expected = newShareSettings({ deadLetter, deadLetterRoutingKey }, {});
        expect(shareSettings.read(reader)).toEqual(expected);
        reader.end();
      }
    }
    const [none, plain, keyed] = [
      bytesOf({}),
      bytesOf({ deadLetter: 'd' }),
      bytesOf({ deadLetter: 'd', deadLetterRoutingKey: 'k' }),
    ];
    expect([plain.length - none.length, keyed.length - plain.length]).toEqual([2, 2]);
    const at = none.length - 2; // In front of `retention`.
    expect([none[at], plain[at], keyed[at]]).toEqual([0, 1, 3]);
    const newer = none.with(at, 4);
    expect(() => shareSettings.read(new EntryReader(newer))).toThrow('no way of dead records');
  });

  test('only what was given is compared and changed', () => {
    const stored = newShareSettings({}, {});
    const label = { kind: 'queue', name: 'q' };
    expect(shareConflict(label, stored, {})).toBeNull();
    expect(shareConflict(label, stored, { failuresMax: 5, deadLetter: null })).toBeNull();
    const conflict = shareConflict(label, stored, { failuresMax: null });
    expect(conflict?.details).toEqual({
      kind: 'queue',
      name: 'q',
      stored: 'failuresMax 5',
      requested: 'failuresMax null',
    });
    expect(alteredShareSettings(stored, { failuresMax: null, leaseMs: undefined })).toEqual({
      ...stored,
      failuresMax: null,
    });
    expect(() => alteredShareSettings(stored, { leasedMax: 0 })).toThrow(RangeError);
  });

  test('each setting that differs from what is stored is a conflict, and changes nothing', async () => {
    const store = await new StoreBench().open();
    const queue = await store.queue('q', { failuresMax: 3 });
    const others = [
      { leaseMs: 1000 },
      { failuresMax: 4 },
      { expiriesMax: null },
      { leasedMax: 5 },
      { deadLetter: 'dead' },
      { retention: 'keep' as const },
    ];
    for (const options of others) {
      await expect(store.queue('q', options)).rejects.toMatchObject({
        code: 'ERR_VARVE_CONFLICT',
      });
    }
    expect(queue.settings).toMatchObject({ failuresMax: 3, leaseMs: 30_000, deadLetter: null });
    await store.close();
  });

  test('a queue is not its own dead-letter queue', async () => {
    const store = await new StoreBench().open();
    const wrong = {
      code: 'ERR_VARVE_INVALID_ARGUMENT',
      message: 'Expected `deadLetter` to be another queue than this one, got `"q"` (string)',
    };
    await expect(store.queue('q', { deadLetter: 'q' })).rejects.toMatchObject(wrong);
    await store.queue('q');
    const topic = await store.topic('q');
    await expect(topic.alterShareGroup('queue', { deadLetter: 'q' })).rejects.toMatchObject(wrong);
    await store.close();
  });

  test('a mistake in the options of a queue makes no topic', async () => {
    const store = await new StoreBench().open();
    const wrong: readonly object[] = [
      { deadletter: 'dead' },
      { deadLetter: 'q' },
      { deadLetter: '' },
      { leaseMs: 0 },
      { retention: 'always' },
      { prefetch: 0 },
      { from: 'begin' },
      { create: 1 },
      { partitions: 0 },
      { codec: 'json' },
    ];
    for (const options of wrong) {
      await expect(store.queue('q', options)).rejects.toMatchObject({
        code: 'ERR_VARVE_INVALID_ARGUMENT',
      });
      expect(store.topics()).toEqual([]);
    }
    await store.close();
  });

  test('a queue without a name is told so', async () => {
    const store = await new StoreBench().open();
    await expect(store.queue(undefined as unknown as string)).rejects.toMatchObject({
      message: 'Expected `name` to be a string, got undefined',
    });
    await store.close();
  });

  test('a queue that is made of a topic with records keeps them, unless it says otherwise', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('log');
    await topic.append({ value: Buffer.from('kept') });
    expect((await store.queue('log')).settings.retention).toBe('keep');
    const work = await store.topic('work');
    await work.append({ value: Buffer.from('work') });
    const queue = await store.queue('work', { retention: 'settled' });
    expect(queue.settings.retention).toBe('settled');
    await store.topic('empty');
    expect((await store.queue('empty')).settings.retention).toBe('settled');
    await store.close();
  });

  test('a group that is not there is not made with `create: false`', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t');
    await expect(topic.shareGroup('g', { create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    await expect(store.queue('other', { create: false })).rejects.toMatchObject({
      code: 'ERR_VARVE_NOT_FOUND',
    });
    await store.close();
  });
});
