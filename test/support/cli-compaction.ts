/** Logs and topics that are worth to be compacted, for tests of the command line. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { openLog } from '../../src/log/open-log.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { outputOf } from './cli-stores.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Rounds of records of the same keys. */
const ROUNDS = 30;
const KEYS = 10;
const SEGMENT_BYTES = 4096;

/** What the last record of each key says. */
export type Expected = ReadonlyMap<string, string>;

export interface CompactableLog {
  readonly path: string;
  /** Of all keys, those of the newest segment too. */
  readonly expected: Expected;
}

/** A round of records: of each key one. */
function* records(): Generator<{ key: string; value: string }[], void, void> {
  for (let round = 0; round < ROUNDS; round++) {
    yield Array.from({ length: KEYS }, (_, key) => ({
      key: `key ${key}`,
      value: `value ${round} of key ${key} `.repeat(8),
    }));
  }
}

/** A closed log of 300 records of ten keys, in segments of 4 KiB. */
export async function supersededLog(): Promise<CompactableLog> {
  const path = join(await temporaryDirectory(), 'log');
  const log = await openLog(path, { codec: utf8, segmentBytesMax: SEGMENT_BYTES });
  const expected = new Map<string, string>();
  for (const batch of records()) {
    await log.appendBatch(batch);
    for (const { key, value } of batch) expected.set(key, value);
  }
  await log.close();
  return { path, expected };
}

/** What a table of the log would hold that begins at an offset. */
export async function foldOf(path: string, from = 0): Promise<Expected> {
  const log = await openLog(path, { codec: utf8, readOnly: true });
  const found = new Map<string, string>();
  for await (const { key, value } of log.records({ from })) {
    if (key === null) continue;
    const name = Buffer.from(key).toString('utf8');
    if (value === null) found.delete(name);
    else found.set(name, value);
  }
  await log.close();
  return found;
}

/** A store with topic `last`, compacted, in two partitions, filled as `supersededLog`, and `plain`, which is not. */
export async function openSuperseded(): Promise<{ readonly path: string; readonly store: Store }> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path);
  onTestFinished(() => store.close());
  await fillSuperseded(store, 'last', 2);
  await store.topic('plain');
  return { path, store };
}

/** A topic that is compacted, each of its partitions filled as `supersededLog`. */
export async function fillSuperseded(
  store: Store,
  name: string,
  partitions: number,
): Promise<void> {
  const options = { codec: utf8, partitions, segmentBytesMax: SEGMENT_BYTES };
  const topic = await store.topic(name, options);
  for (const batch of records()) {
    for (let partition = 0; partition < partitions; partition++) {
      await topic.appendBatch(batch, { partition });
    }
  }
  await store.alterTopic(name, { compaction: 'key' }); // Last, or it would begin by itself.
}

/** The directories of the partitions of a topic. */
export async function partitionPaths(path: string, topic: string): Promise<readonly string[]> {
  const described = JSON.parse(await outputOf('topics', 'describe', path, topic, '--json')) as {
    partitions: { path: string }[];
  };
  return described.partitions.map((partition) => partition.path);
}
