/** Who does not look for duplicates does not append to what compares all of its records. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const BY_CONTENT = { dedupBy: 'content' } as const;
const REFUSED = { code: 'ERR_VARVE_CONFLICT', details: { stored: "dedupBy 'content'" } };

test('a topic that compares content takes no appends of transactions and producers', async () => {
  const store = await new StoreBench().open();
  const topic = await store.topic('t', { codec: utf8, ...BY_CONTENT });
  const queue = await store.queue('q', { codec: utf8, ...BY_CONTENT });
  const direct = await store.exchange('', { codec: utf8 });
  await topic.append({ value: 'a' });
  const refused = [
    store.transaction((tx) => void tx.append(topic, { value: 'a' })),
    store.transaction((tx) => void tx.send(queue, 'a')),
    store.transaction((tx) => void tx.publish(direct, 'a', { routingKey: 't' })),
    (await store.producer('p')).append(topic, { value: 'a' }),
    (await store.producer('p2')).send(queue, 'a'),
  ];
  for (const each of refused) expect(await rejectionOf(each)).toMatchObject(REFUSED);
  expect(await topic.append({ value: 'a' })).toMatchObject({ duplicate: true, offset: 0 });
  await store.alterTopic('t', { dedupBy: 'id' });
  const again = await store.transaction((tx) => tx.append(topic, { value: 'a' }));
  expect(again.result?.placements).toEqual([{ partition: 0, baseOffset: 1, recordCount: 1 }]);
  await store.close();
});

test('the source of an exchange compares no content', async () => {
  const store = await new StoreBench().open();
  const refusal = {
    code: 'ERR_VARVE_INVALID_ARGUMENT',
    message: expect.stringContaining('dedupBy'),
  };
  const options = { type: 'topic', source: BY_CONTENT } as const;
  expect(await rejectionOf(store.exchange('e', options))).toMatchObject(refusal);
  await store.exchange('e', { type: 'topic' });
  expect(await rejectionOf(store.alterTopic('exchange:e', BY_CONTENT))).toMatchObject(refusal);
  await store.close();
});
