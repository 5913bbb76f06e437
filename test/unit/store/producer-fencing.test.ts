import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { FencedError } from '../../../src/core/ownership-errors.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('a producer that is over may be closed: who has its name by now can still be fenced', async () => {
  const store = await new StoreBench().open();
  const topic = await store.topic('t', { codec: utf8 });
  const first = await store.producer('p');
  const second = await store.producer('p');
  await first.close();
  expect(store.producers()).toMatchObject([{ name: 'p', isOpen: true }]);
  const third = await store.producer('p');
  expect(await rejectionOf(second.append(topic, { value: 'a' }))).toBeInstanceOf(FencedError);
  expect(await third.append(topic, { value: 'b' })).toMatchObject({ offset: 0 });
  await second.close();
  expect(store.producers()).toMatchObject([{ name: 'p', isOpen: true }]);
  await store.close();
});
