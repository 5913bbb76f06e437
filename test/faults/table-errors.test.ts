/**
 * Each call that a table makes to the file system fails, once or from then on: it says so, in every call
 * from then on or in that one, and never answers with anything but what the topic comes to.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { StoreError } from '../../src/core/errors.ts';
import { LogDirectory } from '../../src/log/log-directory.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import type { TopicTable } from '../../src/topic/topic-table.ts';
import { contentOf, flipBit } from '../support/disk-damage.ts';
import { rejectionOf } from '../support/log-fixture.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { ChangeFold, entriesOf, rowsOf, shown } from '../support/table-model.ts';

const CALLS = ['read', 'open', 'stat', 'statFile', 'list'] as const;
const FAULTS = [
  { errno: 'EIO', times: 1, operations: CALLS },
  { errno: 'EIO', times: Number.POSITIVE_INFINITY, operations: CALLS },
  { errno: 'EMFILE', times: 3, operations: ['open'] },
] as const;
const KINDS = [
  ['in memory', null],
  ['bounded', 0],
] as const;
const KEYS = Array.from({ length: 12 }, (_, at) => `key ${at}`);

const summaries: string[] = [];

async function topicOf(store: Store): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8, partitions: 2, segmentBytesMax: 4096 });
}

async function driven<R>(disk: StoreDisk, work: Promise<R>): Promise<R> {
  const outcome = await disk.drive(work);
  if (outcome.status === 'failed') throw outcome.error;
  if (outcome.status !== 'done') throw new Error(`the program is ${outcome.status}`);
  return outcome.value;
}

/** Several segments of each partition; some keys are gone. */
async function prepare(): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const topic = await topicOf(store);
  for (let at = 0; at < 90; at++) {
    const key = KEYS[(at * 7) % KEYS.length] ?? '';
    await topic.append({ key, value: at % 11 === 5 ? null : `${at}`.padEnd(300) });
  }
  await store.close();
  return disk;
}

/** What was asked, how often it was answered, and what was said else. */
class Asked {
  readonly told = new Map<string, number>();
  readonly errors: unknown[] = [];

  async ask<R>(what: string, call: () => Promise<R>): Promise<R | null> {
    try {
      const answer = await call();
      this.told.set(what, (this.told.get(what) ?? 0) + 1);
      return answer;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error; // Also what an expectation throws.
      this.errors.push(error);
      return null;
    }
  }
}

/** @param lasts  keys that stand at the end of the partitions */
async function askAll(
  table: TopicTable<string>,
  topic: StoreTopic<string>,
  { asked, lasts }: { readonly asked: Asked; readonly lasts: readonly string[] },
) {
  const tell = <R>(what: string, call: () => Promise<R>): Promise<R | null> =>
    asked.ask(what, call);
  const expected = await asked.ask('topic', () => rowsOf(topic));
  if (expected === null) return;
  for (const key of KEYS) {
    await tell('get', async () => {
      const record = await table.get(key);
      const row = record === null ? undefined : shown(record);
      expect(row, key).toBe(expected.get(Buffer.from(key).toString('hex')));
    });
  }
  await tell('entries', async () => expect(await entriesOf(table)).toEqual(expected));
  await tell('changes', async () => {
    const fold = new ChangeFold(table, 'start');
    for (const last of lasts) await fold.seen(last);
    await fold.stop();
    expect(fold.rows).toEqual(expected);
  });
}

/** Makes a table, asks it, appends, asks again. */
async function program(store: Store, bytesMax: number | null): Promise<Asked> {
  const asked = new Asked();
  const topic = await topicOf(store);
  for (const partition of [0, 1]) {
    await topic.append({ key: `first ${partition}`, value: 'x' }, { partition });
  }
  const table = await asked.ask('table', () => topic.table({ bytesMax }));
  if (table === null) return asked;
  await askAll(table, topic, { asked, lasts: ['first 0', 'first 1'] });
  await topic.append({ key: 'key 1', value: null });
  await topic.append({ key: 'key 2', value: 'new' });
  const place = await topic.append({ key: 'key 3', value: 'new' });
  const lasts: string[] = [];
  for (const partition of [0, 1]) {
    const key = `second ${partition}`;
    lasts.push(key);
    const last = await topic.append({ key, value: 'x' }, { partition });
    await asked.ask('reached', () => table.reached(last));
  }
  const isThere = await asked.ask('reached', async () => {
    await table.reached(place);
    return true;
  });
  if (isThere === true) await askAll(table, topic, { asked, lasts });
  await table.close();
  return asked;
}

describe.each(KINDS)('a table %s', (name, bytesMax) => {
  test.each(FAULTS)('with $errno, $times times, says so or is right', async (fault) => {
    const prepared = await prepare();
    let failedCount = 0;
    let answeredCount = 0;
    let calls = 0;
    for (let call = 1, isDone = false; !isDone; call++) {
      const disk = prepared.copy();
      const { fileSystem } = disk;
      const store = await disk.open();
      await driven(
        disk,
        topicOf(store).then((topic) => Promise.all(topic.partitions.all().map((one) => one.log()))),
      );
      const fromCall = fileSystem.callCount + call;
      fileSystem.addFault({ fromCall, ...fault });
      const { told, errors } = await driven(disk, program(store, bytesMax));
      isDone = fileSystem.callCount < fromCall;
      fileSystem.clearFaults();
      if (isDone) expect(errors).toEqual([]);
      if (errors.length > 0) failedCount++;
      for (const count of told.values()) answeredCount += count;
      // The topic is as good as it was.
      const topic = await topicOf(store);
      const again = await driven(disk, topic.table({ bytesMax }));
      expect(await driven(disk, entriesOf(again))).toEqual(await driven(disk, rowsOf(topic)));
      await driven(disk, again.close());
      await driven(disk, store.close());
      expect(fileSystem.openFileCount).toBe(0);
      calls = call;
    }
    expect(failedCount).toBeGreaterThan(fault.errno === 'EIO' ? 10 : 2);
    expect(answeredCount).toBeGreaterThan(calls);
    summaries.push(`${name}, ${fault.errno} ${fault.times}: ${failedCount} of ${calls} said so`);
  });
});

/** All segments of the topic. */
async function segmentsOf(disk: StoreDisk): Promise<readonly string[]> {
  const store = await disk.open();
  const topic = await topicOf(store);
  const directories = topic.partitions.all().map(({ path }) => path);
  const lists = await driven(
    disk,
    Promise.all(directories.map((path) => new LogDirectory(disk.fileSystem, path).list())),
  );
  await driven(disk, store.close());
  return lists.flatMap(({ segments }) => segments.map(({ path }) => path));
}

function flipMiddle({ fileSystem }: StoreDisk, path: string): void {
  flipBit(fileSystem, path, { position: Math.floor(contentOf(fileSystem, path).length / 2) });
}

describe('damage', () => {
  test.each(KINDS)('that is met while a table %s is loaded ends it', async (_name, bytesMax) => {
    const prepared = await prepare();
    const paths = await segmentsOf(prepared);
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) {
      const disk = prepared.copy();
      flipMiddle(disk, path);
      const store = await disk.open();
      const topic = await topicOf(store);
      const error = await rejectionOf(driven(disk, topic.table({ bytesMax })));
      expect(error, path).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
      await driven(disk, store.close());
      expect(disk.fileSystem.openFileCount).toBe(0);
    }
  });

  test('of what a bounded table reads again is said, and never answered over', async () => {
    const prepared = await prepare();
    const counts = { right: 0, damaged: 0 };
    for (const path of await segmentsOf(prepared)) {
      const disk = prepared.copy();
      const store = await disk.open();
      const topic = await topicOf(store);
      const table = await driven(disk, topic.table({ bytesMax: 0 }));
      const expected = await driven(disk, rowsOf(topic));
      const { fileSystem } = disk;
      const sizeBytes = contentOf(fileSystem, path).length;
      for (let position = 200; position < sizeBytes; position += 900) {
        flipBit(fileSystem, path, { position });
      }
      for (const key of KEYS) {
        const asked = new Asked();
        const record = await driven(
          disk,
          asked.ask('get', () => table.get(key)),
        );
        const [error] = asked.errors;
        if (error === undefined) {
          counts.right++;
          const row = record === null ? undefined : shown(record);
          expect(row).toBe(expected.get(Buffer.from(key).toString('hex')));
        } else {
          counts.damaged++;
          expect(error).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
        }
      }
      const error = await rejectionOf(driven(disk, entriesOf(table)));
      expect(error, path).toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
      await driven(disk, store.close());
    }
    expect(counts.damaged).toBeGreaterThan(3);
    expect(counts.right).toBeGreaterThan(50);
  });
});

afterAll(() => console.log(summaries.join('\n')));
