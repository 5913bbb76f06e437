/** A partition that was repaired goes on in its store. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { repairLog } from '../../../src/log/repair-log.ts';
import { STORE_PATH, StoreBench } from '../../support/store-fixture.ts';

test('its only header was damaged, so nothing says any more whose it is', async () => {
  const bench = new StoreBench();
  const { fileSystem } = bench;
  const store = await bench.open();
  const topic = await store.topic('t', { codec: utf8 });
  await topic.append({ value: 'a' });
  await store.close();
  const [name = ''] = await fileSystem.list(`${STORE_PATH}/topics`);
  const path = `${STORE_PATH}/topics/${name}/0`;
  const segment = (await fileSystem.list(path)).find((file) => file.endsWith('.log'));
  const file = await fileSystem.open(`${path}/${segment}`, 'write');
  await file.write(new Uint8Array(16).fill(7), 8);
  await file.close();
  await repairLog(path, { fileSystem });
  const again = await bench.open();
  const reopened = await again.topic('t', { codec: utf8 });
  const { offset } = await reopened.append({ value: 'b' });
  expect((await reopened.read({ partition: 0, offset }))?.value).toBe('b');
  await again.close();
});
