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

  test('a place beyond the end is told, and not taken for one that was lost', async () => {
    const { topic, member } = await setup();
    await member.close();
    const other = await topic.consumerGroup('g', { from: { offset: 999 } });
    await expect(other.batches().next()).rejects.toMatchObject({
      code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
    });
  });
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
