import { describe, expect, onTestFinished, test } from 'vitest';

import { json, utf8 } from '../../../src/codec/codec.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const INVALID = { code: 'ERR_VARVE_INVALID_ARGUMENT' };

async function setup() {
  const store = await new StoreBench().open();
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions: 2 });
  await topic.append({ value: 'a' }, { partition: 0 });
  const member = await topic.consumerGroup('g', { from: 'earliest' });
  const first = await member.batches().next();
  if (first.done === true) throw new Error('there is a record');
  return { store, topic, member, batch: first.value };
}

describe('a mistake of a member', () => {
  test('a position that is none, or of no partition', async () => {
    const { member, batch } = await setup();
    const [record] = batch;
    for (const wrong of [
      record,
      null,
      1,
      [null],
      { offset: 1 },
      { partition: '0', offset: 1 },
      { partition: 7, offset: 1 },
    ]) {
      await expect(member.commit(wrong as never)).rejects.toMatchObject(INVALID);
    }
    expect(() => member.seek(7, 'earliest')).toThrow(expect.objectContaining(INVALID));
    expect(member.committed(0)).toBeNull();
  });

  test('an option of a commit that there is not', async () => {
    const { member, batch } = await setup();
    const wrong = { meta: 'note' } as never;
    await expect(member.commit(batch, wrong)).rejects.toThrow('unknown key `meta`');
  });

  test('after it was closed: it reads nothing, and is told that it is closed', async () => {
    const { topic } = await setup();
    const member = await topic.consumerGroup('h', { from: 'latest' });
    const reading = member.batches().next();
    await member.close();
    expect(await member.batches().next()).toEqual({ done: true, value: undefined });
    await reading;
    const closed = expect.objectContaining({ code: 'ERR_VARVE_CLOSED' });
    expect(() => member.seek(0, 'earliest')).toThrow(closed);
    expect(() => member.pause()).toThrow(closed);
    expect(() => member.resume([0])).toThrow(closed);
    await expect(member.commit()).rejects.toEqual(closed);
  });

  test('what is paused or resumed is a list', async () => {
    const { member } = await setup();
    for (const wrong of [0, null, '0', { partition: 0 }]) {
      const error = expect.objectContaining(INVALID);
      expect(() => member.pause(wrong as never)).toThrow(error);
      expect(() => member.resume(wrong as never)).toThrow(error);
    }
    expect(() => member.pause(0 as never)).toThrow('Expected `partitions` to be an array, got `0`');
  });

  test('a place to begin at that is none, or two', async () => {
    const { topic, member } = await setup();
    for (const wrong of [new Date(0), 5, {}, { offset: 1, timestamp: -1 }, { time: 5 }, null]) {
      expect(() => member.seek(0, wrong as never)).toThrow(expect.objectContaining(INVALID));
      const joining = topic.consumerGroup('h', { from: wrong as never });
      await expect(joining).rejects.toMatchObject(INVALID);
    }
    expect(() => member.seek(0, new Date(0) as never)).toThrow(/\{ timestamp \}.*, got Date$/u);
  });

  test('an option of a read that there is not, or of another type', async () => {
    const { topic } = await setup();
    for (const wrong of [null, 5, { from: 'latest' }, { signal: {} }, { keepsAlive: 'no' }]) {
      const member = await topic.consumerGroup('h');
      await expect(member.batches(wrong as never).next()).rejects.toMatchObject(INVALID);
      await member.close();
    }
  });

  test('a place beyond the end is told, and not taken for one that was lost', async () => {
    const { topic, member } = await setup();
    await member.close();
    const other = await topic.consumerGroup('g', { from: { offset: 999 } });
    await expect(other.batches().next()).rejects.toMatchObject({
      code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
    });
  });
});

describe('a mistake in a reset changes nothing', () => {
  test.each<[string, unknown, unknown]>([
    ['a misspelt dry run', 'latest', { dryrun: false }],
    ['a dry run that is no boolean', 'latest', { dryRun: 0 }],
    ['one partition, without a list', 'latest', { dryRun: false, partitions: 0 }],
    ['no options', 'latest', null],
    ['a date', new Date(0), { dryRun: false }],
    ['no place', {}, { dryRun: false }],
    ['a word', 'newest', { dryRun: false }],
    ['two places', { timestamp: 0, offset: -5 }, { dryRun: false }],
    ['a shift and a place', { shiftBy: 1, offset: 1 }, { dryRun: false }],
    ['positions that are none', { positions: [null] }, { dryRun: false }],
    ['positions without a list', { positions: 1 }, { dryRun: false }],
  ])('%s', async (_name, to, options) => {
    const { topic, member } = await setup();
    await member.close();
    await topic.resetGroup('g', { offset: 0 }, { dryRun: false });
    const reset = topic.resetGroup('g', to as never, options as never);
    await expect(reset).rejects.toMatchObject(INVALID);
    const { partitions } = await topic.describeGroup('g');
    expect(partitions[0]).toMatchObject({ committedOffset: 0, lag: 1 });
  });
});

describe('a mistake in an append changes nothing', () => {
  test.each<[string, unknown]>([
    ['a misspelt name', { duribility: 'os' }],
    ['an option of logs alone', { expectedOffset: 1 }],
    ['no object', 'os'],
    ['null', null],
    ['what is no signal', { signal: {} }],
  ])('options: %s', async (_name, options) => {
    const { topic } = await setup();
    const records = [{ value: 'b' }];
    await expect(topic.append({ value: 'b' }, options as never)).rejects.toMatchObject(INVALID);
    await expect(topic.appendBatch(records, options as never)).rejects.toMatchObject(INVALID);
    expect(await topic.append({ value: 'b' }, { partition: 0 })).toMatchObject({ offset: 1 });
  });

  test.each([[{}], [null], ['ab'], [new Set([{ value: 'b' }])]])(
    'records that are no list: %j',
    async (records) => {
      const { store, topic } = await setup();
      const single = await store.topic('of one', { codec: utf8 });
      for (const each of [topic, single]) {
        const appended = each.appendBatch(records as never);
        await expect(appended).rejects.toMatchObject(INVALID);
        await expect(appended).rejects.toThrow('Expected `records` to be an array');
      }
    },
  );

  test('an empty list is none: nothing is placed, with one partition as with many', async () => {
    const { store, topic } = await setup();
    const single = await store.topic('of one', { codec: utf8 });
    for (const each of [topic, single]) {
      expect(await each.appendBatch([])).toMatchObject({ placements: [], recordCount: 0 });
    }
  });
});

test('a position that is no object', async () => {
  const { topic } = await setup();
  for (const wrong of [null, 5, undefined]) {
    await expect(topic.read(wrong as never)).rejects.toMatchObject(INVALID);
    await expect(topic.deleteBefore(wrong as never)).rejects.toMatchObject(INVALID);
  }
});

test('a listener that is none, or of an event that there is not', async () => {
  const { store } = await setup();
  const error = expect.objectContaining(INVALID);
  expect(() => store.on('topic-create' as never, () => undefined)).toThrow(error);
  expect(() => store.on('closed', 'print' as never)).toThrow(error);
});

test('an option of a read that there is not', async () => {
  const { topic } = await setup();
  const wrong = { partition: 0 } as never;
  await expect(topic.batches(wrong).next()).rejects.toThrow('unknown key `partition`');
});

test('a codec that is none', async () => {
  const { store } = await setup();
  for (const wrong of [json, 'json', JSON]) {
    await expect(store.topic('u', { codec: wrong as never })).rejects.toMatchObject(INVALID);
  }
  expect(store.topics()).toHaveLength(1);
});
