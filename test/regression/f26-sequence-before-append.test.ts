/**
 * F26. Elsewhere: the sequence of a producer counted as stored before its batch was appended. The append
 * failed, and the retry was called a duplicate: the record was lost (KAFKA-6683).
 *
 * Here: a sequence is on its way until its append was answered, and stored only then.
 *
 * Red when a number enters the state when its record is encoded, or stays there when it was refused.
 */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { KIB, MIB } from '../../src/core/limits.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { StoreBench } from '../support/store-fixture.ts';

const VALUE = 'x'.repeat(KIB);
const FULL = { code: 'ERR_VARVE_DISK_FULL', retryable: true };

describe('F26: a number that was refused is not stored', () => {
  test('the retry of what a full disk refused is stored, and is no duplicate', async () => {
    const bench = new StoreBench();
    const fileSystem = new MemoryFileSystem({ capacityBytes: 2 * MIB });
    const store = await bench.open({ fileSystem });
    const topic = await store.topic('t', { codec: utf8 });
    const producer = await store.producer('p');
    await producer.append(topic, { value: 'a' });
    const ballast = await store.topic('ballast', { codec: utf8 });
    const filled = (async () => {
      for (;;) await ballast.append({ value: VALUE });
    })();
    await expect(filled).rejects.toMatchObject(FULL);

    const many = Array.from({ length: 100 }, () => ({ value: VALUE }));
    const sent = [producer.appendBatch(topic, many), producer.append(topic, { value: 'b' })];
    for (const one of await Promise.allSettled(sent)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: FULL.code } });
    }
    // A write of which a part found room is stored so far.
    const { resumeFrom } = await producer.last(topic);
    expect(resumeFrom).toBeLessThan(101);
    await store.deleteTopic('ballast');
    bench.clock.advance(1001); // The log asks the disk again.
    const again = await producer.appendBatch(topic, many, { sequence: 1 });
    expect(again.duplicateCount).toBe(resumeFrom - 1);
    expect(await producer.append(topic, { value: 'b' })).toMatchObject({
      duplicate: false,
      sequence: 101,
      offset: 101,
    });
    const values: (string | null)[] = [];
    for await (const { value } of topic.records()) values.push(value);
    expect(values).toEqual(['a', ...many.map(({ value }) => value), 'b']);
    await store.close();
  });
});
