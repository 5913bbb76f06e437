/**
 * Each file-system call of appends and transactions with ids fails, once or from then on: who was told that
 * his record is stored finds it once, and who was told that nothing happened may send it again.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { FailedError, StoreError } from '../../src/core/errors.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { StoreDisk } from '../support/store-disk.ts';

const FAULTS = [
  { errno: 'EIO', times: 1 },
  { errno: 'EIO', times: Number.POSITIVE_INFINITY },
  { errno: 'ENOSPC', times: 2, operations: ['write'] },
] as const;

const IDS = ['a', 'b', 'c', 'd'];
const summaries: string[] = [];

async function topicOf(store: Store): Promise<StoreTopic<string>> {
  return store.topic('t', { codec: utf8, partitions: 2, segmentBytesMax: 4096 });
}

async function driven<R>(disk: StoreDisk, work: Promise<R>): Promise<R> {
  const outcome = await disk.drive(work);
  if (outcome.status !== 'done') throw new Error(`the program is ${outcome.status}`);
  return outcome.value;
}

/** Each id by an append and by a transaction at once, to both partitions. */
function sendAll(store: Store, topic: StoreTopic<string>): Promise<unknown>[] {
  const headers = { pad: 'x'.repeat(500) };
  return IDS.flatMap((id, at) => {
    const record = { value: id, dedupId: id, headers };
    const partition = at % 2;
    const append = (tx: Parameters<Parameters<Store['transaction']>[0]>[0]) =>
      tx.append(topic, record, { partition: 1 - partition });
    return [topic.append(record, { partition }), store.transaction(append)];
  });
}

async function countsOf(topic: StoreTopic<string>): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for await (const { value } of topic.records()) {
    if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

function toldOf(
  outcome: PromiseSettledResult<unknown> | undefined,
): 'done' | 'nothing' | 'unknown' {
  if (outcome?.status === 'fulfilled') return 'done';
  const error: unknown = outcome?.reason;
  expect(error).toBeInstanceOf(StoreError);
  return error instanceof FailedError && error.details.indeterminate ? 'unknown' : 'nothing';
}

describe('records with ids whose calls fail', () => {
  test.each(FAULTS)('with $errno, $times times, are stored once', async (fault) => {
    const prepared = await StoreDisk.make();
    const before = await prepared.open();
    const own = await topicOf(before);
    await own.append({ value: 'before', dedupId: 'before' }, { partition: 0 });
    await before.close();
    const seen = new Map<string, number>();
    for (let call = 1, isDone = false; !isDone; call++) {
      const disk = prepared.copy();
      const { fileSystem } = disk;
      const store = await disk.open();
      const topic = await topicOf(store);
      const fromCall = fileSystem.callCount + call;
      fileSystem.addFault({ fromCall, ...fault });
      const outcomes = await driven(disk, Promise.allSettled(sendAll(store, topic)));
      isDone = fileSystem.callCount < fromCall;
      fileSystem.clearFaults();
      const told = outcomes.map(toldOf);
      const what = [...new Set(told)].toSorted().join();
      seen.set(what, (seen.get(what) ?? 0) + 1);
      const cut = disk.copyAfterPowerCut();
      await driven(
        disk,
        store.close().catch(() => undefined),
      );
      for (const left of [cut, disk.copy()]) {
        const reopened = await left.open();
        const found = await topicOf(reopened);
        const counts = await countsOf(found);
        for (const [at, id] of IDS.entries()) {
          const words = told.slice(2 * at, 2 * at + 2);
          if (words.includes('done')) expect(counts.get(id)).toBe(1);
          else if (!words.includes('unknown')) expect(counts.get(id)).toBeUndefined();
          expect(counts.get(id) ?? 0).toBeLessThan(2);
        }
        await Promise.all(sendAll(reopened, found));
        const after = await countsOf(found);
        expect([...after].toSorted()).toEqual(['a', 'b', 'before', 'c', 'd'].map((id) => [id, 1]));
        await reopened.close();
      }
    }
    summaries.push(`${fault.errno} ${fault.times}: ${JSON.stringify(Object.fromEntries(seen))}`);
    expect(seen.get('done')).toBeGreaterThan(0);
    expect(seen.size).toBeGreaterThan(1);
  });
});

afterAll(() => console.log(summaries.join('\n')));
