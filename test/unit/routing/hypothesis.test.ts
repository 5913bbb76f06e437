import { expect, test } from 'vitest';

import { WhatIf } from '../../../src/routing/what-if.ts';
import { StoreBench } from '../../support/store-fixture.ts';

test('a hypothesis that changes nothing sends keys by hash to the exchanges that got them', async () => {
  const store = await new StoreBench().open();
  const spread = await store.exchange('spread', { type: 'consistent-hash' });
  const expected: string[] = [];
  for (const name of ['one', 'two', 'three']) {
    await store.topic(name);
    const exchange = await store.exchange(name, { type: 'fanout' });
    await exchange.bind(name);
    await spread.bind({ exchange: name }, { pattern: '1' });
  }
  for (let n = 0; n < 30; n++) {
    const { destinations } = await spread.publish(null, { routingKey: `key ${n}` });
    expected.push(...destinations);
  }
  expect(new Set(expected).size).toBe(3);
  const topics = store.topics().map(({ name, topicId }) => ({ name, topicId, isQueue: false }));
  const { partitions } = await store.topic('exchange:spread');
  const source = partitions.at(0);
  const parts = { exchange: 'spread', source, catalog: store.exchangeCatalog, topics };
  const found: string[] = [];
  for await (const { destinations } of new WhatIf(parts, {})) found.push(...destinations);
  expect(found).toEqual(expected);
  await store.close();
});
