/** Ids of segments that were rewritten: each that is left is known by its own record, from tables and from batches. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { forgeGeneration } from '../../support/forged-generation.ts';
import { walkSegment } from '../../support/segment-walk.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const IDS = 60;
const IN_BATCH = 6;
const OPTIONS = { codec: utf8, segmentBytesMax: 4096, dedupWindowMs: 100_000 };

test.each(['tables', 'batches'])('a retry is told by what is left, from %s', async (from) => {
  const bench = new StoreBench();
  const { fileSystem } = bench;
  const store = await bench.open();
  const topic = await store.topic('t', OPTIONS);
  const { path } = await topic.partitions.at(0).log();
  for (let first = 0; first < IDS; first += IN_BATCH) {
    const ids = Array.from({ length: IN_BATCH }, (_, n) => first + n);
    const records = ids.map((id) => ({ value: `${id} ${'.'.repeat(300)}`, dedupId: `id ${id}` }));
    await topic.appendBatch(records);
  }
  await store.close();
  const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log')).toSorted();
  const sealed = names.slice(0, -1);
  expect(sealed.length).toBeGreaterThan(3);
  let tableCount = 0;
  for (const name of sealed) {
    const file = join(path, name);
    await forgeGeneration(fileSystem, file, { keeps: ({ offset }) => offset % 3 === 2 });
    const walked = await walkSegment(fileSystem, file);
    tableCount += walked.tables.length;
    if (from === 'tables') continue;
    const open = await fileSystem.open(file, 'write');
    await open.truncate(walked.batches.at(-1)?.endPosition ?? 0);
    await open.close();
  }
  expect(tableCount).toBe(sealed.length);

  const again = await bench.open();
  const reopened = await again.topic('t', OPTIONS);
  const activeFrom = Number(names.at(-1)?.slice(0, 20));
  for (let id = 0; id < IDS; id++) {
    const { offset, duplicate } = await reopened.append({ value: 'again', dedupId: `id ${id}` });
    const isLeft = id % 3 === 2 || id >= activeFrom;
    expect([id, duplicate]).toEqual([id, isLeft]);
    if (isLeft) expect(offset).toBe(id);
  }
  await again.close();
});
