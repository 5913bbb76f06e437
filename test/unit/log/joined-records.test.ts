/** Records that have fingerprints and come one by one: they share batches, and nothing else is in these. */
import { describe, expect, test } from 'vitest';

import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { AVAILABLE_COMPRESSIONS } from '../../support/compressions.ts';
import {
  faultyDisk,
  LOG_PATH,
  openTextLog,
  rejectionOf,
  textsFrom,
  valuesOf,
  type TextLogOptions,
} from '../../support/log-fixture.ts';
import { encodable, identifiedRun, tagsIn } from '../../support/tagged-runs.ts';

async function openOn(options: TextLogOptions = {}) {
  const fileSystem = new MemoryFileSystem();
  return { fileSystem, log: await openTextLog(fileSystem, options) };
}

/** The fingerprint of the record of that number. */
function shown(n: number): string {
  return `${n.toString(16).padStart(8, '0')}00000007`;
}

function join(log: Log<string>, from: number, to: number, keyAt: (n: number) => string | null) {
  const { appender } = log.forStore();
  for (const [at, text] of textsFrom(from, to).entries()) {
    appender.addJoining(encodable(text, keyAt(from + at)), from + at, 7);
  }
}

const noKey = () => null;

describe('records that join', () => {
  test('share a batch until something else comes between', async () => {
    const { fileSystem, log } = await openOn();
    const { appender } = log.forStore();
    join(log, 0, 3, noKey);
    appender.add(encodable('plain'));
    join(log, 4, 6, noKey);
    appender.addRun(identifiedRun([encodable('run')], [[9, 9]]));
    join(log, 7, 8, noKey);
    appender.addAll([encodable('all')], 1);
    await log.sync();
    join(log, 9, 10, noKey);
    await log.close();
    const { records, batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([3, 1, 2, 1, 1, 1, 1]);
    expect(records.map(({ fingerprint }) => fingerprint)).toEqual([
      ...[0, 1, 2].map(shown),
      null,
      ...[4, 5].map(shown),
      '0000000900000009',
      shown(7),
      null,
      shown(9),
    ]);
  });

  test.each([
    ['none', undefined] as const,
    ...AVAILABLE_COMPRESSIONS.map((each) => [each, each] as const),
  ])(
    'are found again whatever their number, in batches with compression %s',
    async (_name, compression) => {
      const { fileSystem, log } = await openOn({
        batchBytesMax: 8192,
        segmentBytesMax: 64 * 1024,
        ...(compression === undefined ? {} : { compression }),
      });
      join(log, 0, 1000, (n) => `key ${n}`);
      await log.sync();
      expect(await valuesOf(log)).toEqual(textsFrom(0, 1000));
      await log.close();
      const { records, batches } = await tagsIn(fileSystem, LOG_PATH);
      expect(records.map(({ fingerprint }) => fingerprint)).toEqual(
        Array.from({ length: 1000 }, (_, n) => shown(n)),
      );
      const sizes = batches.map(({ uncompressedBytes }) => uncompressedBytes);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(8192);
      expect(batches.length).toBeLessThan(40);
    },
  );

  test('more than a batch has room for begin another', async () => {
    const { fileSystem, log } = await openOn();
    const { appender } = log.forStore();
    for (let n = 0; n < 150; n++) appender.addJoining(encodable('v'), n, 7);
    await log.close();
    const { batches } = await tagsIn(fileSystem, LOG_PATH);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([64, 64, 22]);
    // No room is left over: head of the block, and 8 bytes for each.
    const bytes = batches.map(
      ({ extensionBytes, recordCount }) => extensionBytes - 8 * recordCount,
    );
    expect(new Set(bytes).size).toBe(1);
  });

  test('have keys that are longer in UTF-8 than they look', async () => {
    const { fileSystem, log } = await openOn();
    const keyAt = (n: number) => (n === 50 ? '€'.repeat(20) : `key ${n}`);
    join(log, 0, 100, keyAt);
    await log.sync();
    join(log, 100, 200, keyAt);
    await log.sync();
    const keys: unknown[] = [];
    for await (const { key } of log.records()) keys.push(key);
    expect(keys).toEqual(Array.from({ length: 200 }, (_, n) => keyAt(n)));
    await log.close();
    const { records } = await tagsIn(fileSystem, LOG_PATH);
    expect(records.map(({ fingerprint }) => fingerprint)).toEqual(
      Array.from({ length: 200 }, (_, n) => shown(n)),
    );
  });

  test('that found no room are gone, and those after them are whole', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    fileSystem.addFault({ operations: ['write'], path: /\.log$/, errno: 'ENOSPC' });
    join(log, 0, 10, noKey);
    log.forStore().appender.writeNow();
    join(log, 10, 12, noKey); // Their batch is open when the write is refused.
    const refused = new Promise((complete, fail) => {
      const waiter = { baseOffset: 0, nextOffset: 12, asked: 'os' as const, complete, fail };
      log.forStore().appender.submit('os', waiter);
    });
    expect(await rejectionOf(refused)).toMatchObject({ code: 'ERR_VARVE_DISK_FULL' });
    expect(log.endOffset).toBe(0);
    join(log, 0, 2, noKey);
    await log.close();
    const { records } = await tagsIn(fileSystem, LOG_PATH);
    expect(records.map(({ fingerprint }) => fingerprint)).toEqual([0, 1].map(shown));
  });
});
