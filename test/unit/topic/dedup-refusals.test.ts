/** Who does not look for duplicates does not append to what compares all of its records. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const BY_CONTENT = { dedupBy: 'content' } as const;
const REFUSED = { code: 'ERR_VARVE_CONFLICT', details: { stored: "dedupBy 'content'" } };

test('a topic that compares content takes no appends of producers', async () => {
  const store = await new StoreBench().open();
  const topic = await store.topic('t', { codec: utf8, ...BY_CONTENT });
  const queue = await store.queue('q', { codec: utf8, ...BY_CONTENT });
  await topic.append({ value: 'a' });
  const producer = await store.producer('p');
  expect(await rejectionOf(producer.append(topic, { value: 'a' }))).toMatchObject(REFUSED);
  expect(await rejectionOf(producer.send(queue, 'a'))).toMatchObject(REFUSED);
  expect(await topic.append({ value: 'a' })).toMatchObject({ duplicate: true, offset: 0 });
  await store.alterTopic('t', { dedupBy: 'id' });
  expect(await producer.append(topic, { value: 'a' })).toMatchObject({ offset: 1 });
  await store.close();
});
