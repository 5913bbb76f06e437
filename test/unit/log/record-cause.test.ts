/** What a record says of the one that it was made of, however it is read. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { CAUSE_HEADER, DEATH_HEADERS } from '../../../src/format/header-names.ts';
import { BatchCursor } from '../../../src/format/batch-cursor.ts';
import { recordsOf } from '../../../src/format/batch-records.ts';
import { CopiedRecords } from '../../../src/format/copied-records.ts';
import { ProjectedExtension } from '../../../src/format/projected-extension.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { MemoryFileSystem, openLog, utf8, type LogOptions } from '../../../src/index.ts';
import type { Log } from '../../../src/log/log.ts';
import type { RecordCause } from '../../../src/log/record-cause.ts';
import { forgeGeneration } from '../../support/forged-generation.ts';
import { walkSegment } from '../../support/segment-walk.ts';

const EXCHANGE_ID = 2 ** 40;

type Options = Omit<LogOptions<string>, 'codec' | 'fileSystem'>;

/** Two plain records, the even ones of a source of 300 records in one batch, and one more. */
async function target(options: Options = {}, fileSystem = new MemoryFileSystem()) {
  const clock = new ManualClock();
  const open = (path: string, more: Options) =>
    openLog(path, { fileSystem, codec: utf8, clock, ...more });
  const source = await open('/source', {});
  const headers = { [CAUSE_HEADER]: 'before/0/1' };
  await source.appendBatch(
    Array.from({ length: 300 }, (_, n) => ({ value: `value ${n}`, headers })),
  );
  const [segment = ''] = (await fileSystem.list('/source')).filter((name) => name.endsWith('.log'));
  const { batches } = await walkSegment(fileSystem, `/source/${segment}`);
  await source.close();

  const records = new CopiedRecords();
  const extension = new ProjectedExtension();
  for (const { bytes, header } of batches) {
    const from = recordsOf({ bytes, view: viewOf(bytes), at: 0, header, file: 'source' });
    const cursor = new BatchCursor();
    cursor.reset(from);
    while (cursor.next()) {
      if (cursor.offset % 2 !== 0) continue;
      records.add(from, cursor.start, cursor.sizeBytes);
      extension.add(cursor.offset);
    }
  }
  const block = extension.encode({ exchangeId: EXCHANGE_ID, stream: 0, position: 300 });
  const log = await open('/target', options);
  await log.appendBatch([{ value: 'plain' }, { value: 'redriven', headers }]);
  await new Promise((resolve, reject) => {
    const answer = { complete: resolve, fail: reject };
    const { encoded } = log.forStore();
    const refusal = encoded.append(records.encoded(block), answer);
    if (refusal !== null) reject(refusal);
    encoded.write();
  });
  await log.append({ value: 'behind' });
  return log;
}

/** Of a record of the target. */
function causeAt(offset: number): RecordCause | null {
  if (offset === 1) return { kind: 'redriven', topic: 'before', partition: 0, offset: 1 };
  if (offset === 0 || offset === 152) return null;
  return { kind: 'projected', exchangeId: EXCHANGE_ID, offset: 2 * (offset - 2) };
}

const OFFSETS = Array.from({ length: 153 }, (_, offset) => offset);
const CAUSES = OFFSETS.map(causeAt);

describe.each<[string, Options]>([
  ['as they are', {}],
  ['compressed', { compression: 'gzip' }],
  ['without a cache', { cacheBytes: 0 }],
])('projected records say which one they are a copy of, %s', (_name, options) => {
  test('walked, also backwards', async () => {
    const log = await target(options);
    const walked = [];
    for await (const record of log.records()) walked.push(record);
    expect(walked.map(({ cause }) => cause)).toEqual(CAUSES);
    expect(walked.toReversed().map(({ cause }) => cause)).toEqual(CAUSES.toReversed());
    await log.close();
  });

  test.each(['read', 'own'] as const)('in batches whose memory is %s', async (memory) => {
    const log = await target(options);
    const kept = [];
    for await (const batch of log.batches({}, memory)) kept.push(...batch);
    expect(kept.map(({ cause }) => cause)).toEqual(CAUSES);
    await log.close();
  });

  test('read one by one, the first time and again', async () => {
    const log: Log<string> = await target(options);
    for (let round = 0; round < 3; round++) {
      for (const offset of [...OFFSETS, 40, 7, 151]) {
        expect((await log.read(offset))?.cause).toEqual(causeAt(offset));
      }
    }
    await log.close();
  });
});

describe.each<[string, Options]>([
  ['as they are', {}],
  ['compressed', { compression: 'gzip' }],
  ['without a cache', { cacheBytes: 0 }],
])('where records were compacted away, those that are left say the same, %s', (_name, options) => {
  test('in every way to read them', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await target(options, fileSystem)).close();
    const [segment = ''] = (await fileSystem.list('/target')).filter((name) =>
      name.endsWith('.log'),
    );
    await forgeGeneration(fileSystem, `/target/${segment}`, {
      keeps: ({ offset }) => offset % 5 === 1 || offset === 4,
    });
    const { compression: _compression, ...own } = options;
    const log = await openLog('/target', { ...own, fileSystem, codec: utf8 });
    const left = OFFSETS.filter((offset) => offset % 5 === 1 || offset === 4);
    const walked = [];
    for await (const record of log.records()) walked.push(record);
    expect(walked.map(({ offset }) => offset)).toEqual(left);
    expect(walked.map(({ cause }) => cause)).toEqual(left.map(causeAt));
    expect(walked.toReversed().map(({ cause }) => cause)).toEqual(left.map(causeAt).toReversed());
    for (let round = 0; round < 3; round++) {
      for (const offset of [...left, 41, 6, 151]) {
        expect((await log.read(offset))?.cause, `offset ${offset}`).toEqual(causeAt(offset));
      }
    }
    await log.close();
  });
});

describe('a cause in headers', () => {
  const causeOf = async (headers: Record<string, string | Uint8Array>) => {
    const fileSystem = new MemoryFileSystem();
    const log = await openLog('/log', { fileSystem, codec: utf8, clock: new ManualClock() });
    await log.append({ value: 'a', headers });
    const record = await log.read(0);
    await log.close();
    return record?.cause;
  };

  test.each([
    ['q/0/7', { topic: 'q', partition: 0, offset: 7 }],
    ['with/1/2/3/4', { topic: 'with/1/2', partition: 3, offset: 4 }],
    ['//0/0', { topic: '/', partition: 0, offset: 0 }],
    ['\u2028 ü/9/9007199254740991', { topic: '\u2028 ü', partition: 9, offset: 2 ** 53 - 1 }],
  ])(
    'names the place in front of a redrive, whatever the topic is called: %s',
    async (text, place) => {
      expect(await causeOf({ [CAUSE_HEADER]: text })).toEqual({ kind: 'redriven', ...place });
    },
  );

  test.each(['', 'q', 'q/1', '/1/2', 'q/-1/2', 'q/1/x', 'q/1/9007199254740992', 'q/1/2 '])(
    'is none in a header of somebody else: %s',
    async (text) => {
      expect(await causeOf({ [CAUSE_HEADER]: text })).toBeNull();
    },
  );

  test('is the death of a dead letter, if it was not redriven', async () => {
    const died = {
      [DEATH_HEADERS.topic]: 'q',
      [DEATH_HEADERS.partition]: '3',
      [DEATH_HEADERS.offset]: '99',
    };
    const cause = { kind: 'dead-letter', topic: 'q', partition: 3, offset: 99 };
    expect(await causeOf(died)).toEqual(cause);
    expect(await causeOf({ ...died, [CAUSE_HEADER]: 'no place' })).toEqual(cause);
    expect(await causeOf({ ...died, [CAUSE_HEADER]: 'd/0/1' })).toMatchObject({ topic: 'd' });
    expect(await causeOf({ [DEATH_HEADERS.offset]: '99' })).toBeNull();
  });
});
