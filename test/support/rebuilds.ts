/** Destinations that are damaged, and what is in them. */
import { join } from 'node:path';
import { present } from '../../src/core/assert.ts';
import { segmentFileName } from '../../src/format/file-names.ts';
import { BATCH_HEADER_BYTES } from '../../src/format/layout.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import type { ReadOptions } from '../../src/log/read-options.ts';
import type { Store } from '../../src/store/store.ts';
import { topicDirectoryName } from '../../src/topic/topic-names.ts';
import { walkSegment } from './segment-walk.ts';
import { STORE_PATH } from './store-fixture.ts';

/** Where the log of a partition is. */
export function logPath(store: Store, topic: string, partition: number): string {
  const { topicId } = store.describeTopic(topic);
  return join(STORE_PATH, 'topics', topicDirectoryName(topic, topicId), String(partition));
}

/** All records of a topic, each with its place. */
export async function contentOf(
  store: Store,
  name: string,
  options: ReadOptions = {},
): Promise<readonly string[]> {
  const topic = await store.topic(name, { create: false });
  const content: string[] = [];
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    const log = await topic.partitions.at(partition).log();
    for await (const batch of log.batches(options)) {
      for (const { offset, key, value, headers, createTimeMs } of batch) {
        const [k, v] = [key, value].map((bytes) => (bytes === null ? null : Buffer.from(bytes)));
        const own = [partition, offset, createTimeMs, k?.toString('hex'), v?.toString('hex')];
        content.push(JSON.stringify([...own, headers]));
      }
    }
  }
  return content;
}

/** Turns some bytes of a segment; segments are counted from the first. */
export async function damage(
  fileSystem: FileSystem,
  path: string,
  segment: number,
  position: number,
): Promise<void> {
  const names = (await fileSystem.list(path)).filter((name) => name.endsWith('.log')).toSorted();
  const file = await fileSystem.open(join(path, names[segment] ?? ''), 'write');
  const bytes = new Uint8Array(16);
  const count = await file.read(bytes, position);
  const turned = bytes.subarray(0, count).map((byte) => byte ^ 0x55);
  await file.write(turned, position);
  await file.datasync();
  await file.close();
}

/** Turns bytes in batches of the first segment, by their number there. */
export async function damageBatches(
  fileSystem: FileSystem,
  path: string,
  numbers: readonly number[],
): Promise<void> {
  const { batches } = await walkSegment(fileSystem, join(path, segmentFileName(0)));
  for (const number of numbers) {
    const { position } = present(batches[number], 'the segment has so many');
    await damage(fileSystem, path, 0, position + BATCH_HEADER_BYTES);
  }
}

/** Removes a directory with all that is in it. */
export async function loseLog(fileSystem: FileSystem, path: string): Promise<void> {
  for (const name of await fileSystem.list(path)) {
    const child = join(path, name);
    const { kind } = await fileSystem.stat(child);
    if (kind === 'directory') await loseLog(fileSystem, child);
    else await fileSystem.unlink(child);
  }
  await fileSystem.removeDirectory(path);
}
