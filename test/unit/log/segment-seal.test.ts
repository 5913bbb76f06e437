/** What a full segment with fingerprints gets behind its data, and what comes of it when that fails. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { decodeDedupTable } from '../../../src/format/dedup-table-batch.ts';
import { indexTablesIn } from '../../../src/format/index-tables.ts';
import type { FileSystem } from '../../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { appendRun } from '../../../src/log/append-run.ts';
import type { Log } from '../../../src/log/log.ts';
import { repairLog } from '../../../src/log/repair-log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { damage } from '../../support/disk-damage.ts';
import type { FaultRule } from '../../support/fault-plan.ts';
import { faultyDisk, LOG_PATH, openTextLog, textAt, valuesOf } from '../../support/log-fixture.ts';
import { walkSegment } from '../../support/segment-walk.ts';
import { encodable, identifiedRun, producedRun, tagsIn } from '../../support/tagged-runs.ts';

/** By offset: of every third record nothing is known. */
function idOf(offset: number): readonly [number, number] | null {
  return offset % 3 === 2 ? null : [(offset * 2_654_435_769) >>> 0, offset + 1];
}

/** Runs of two records; five of them fill a segment. */
async function fill(log: Log<string>, runs: number): Promise<void> {
  for (let run = 0; run < runs; run++) {
    const offset = log.endOffset;
    const records = [encodable(textAt(offset).repeat(3)), encodable(textAt(offset + 1).repeat(3))];
    const tagged = identifiedRun(records, [idOf(offset), idOf(offset + 1)]);
    await appendRun(log.forStore().appender, tagged, { durability: 'sync' });
  }
}

function segmentsIn(fileSystem: FileSystem): Promise<string[]> {
  return fileSystem
    .list(LOG_PATH)
    .then((names) => names.filter((name) => name.endsWith('.log')).toSorted())
    .then((names) => names.map((name) => join(LOG_PATH, name)));
}

/** What is found, without what is worth a note alone. */
async function verified(fileSystem: FileSystem) {
  const found = { damaged: new Array<[number, string]>(), tableCounts: new Array<number>() };
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type === 'damage') found.damaged.push([event.details.position, event.details.kind]);
    if (event.type === 'segment') found.tableCounts.push(event.tableCount);
  }
  return found;
}

/** What the tables of a segment say, in the order of offsets. */
async function tablesOf(fileSystem: FileSystem, path: string) {
  const { header, tables, index, batches } = await walkSegment(fileSystem, path);
  const ids: (readonly [number, string])[] = [];
  const times: (readonly [number, number])[] = [];
  for (const { bytes, header: batch } of tables) {
    const table = decodeDedupTable(bytes, batch, 2 ** 32);
    if (table === null) throw new Error('it is sound');
    for (let at = 0; at < table.count; at++) {
      const words = [table.high(at), table.low(at)].map((word) =>
        word.toString(16).padStart(8, '0'),
      );
      ids.push([header.baseOffset + table.place(at), words.join('')]);
    }
    for (let at = 0; at < table.sampleCount; at++) {
      times.push([header.baseOffset + table.sampleEnd(at), table.sampleTime(at)]);
    }
  }
  const named = index === null ? null : indexTablesIn(index.bytes, index.header);
  ids.sort(([one], [other]) => one - other);
  return { ids, times, named, tables, index, batches };
}

describe('a segment that is sealed', () => {
  test('has a table of its fingerprints and times, named by its index', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    await fill(log, 14);
    await log.close();
    const paths = await segmentsIn(fileSystem);
    expect(paths).toHaveLength(3);
    const { records } = await tagsIn(fileSystem, LOG_PATH);
    const known = new Map(records.map(({ offset, fingerprint }) => [offset, fingerprint]));
    let next = 0;
    for (const path of paths.slice(0, 2)) {
      const { ids, times, named, tables, batches } = await tablesOf(fileSystem, path);
      const [table] = tables;
      expect(tables).toHaveLength(1);
      const end = batches.at(-1);
      const place = {
        kind: 1,
        position: table?.position,
        sizeBytes: table?.bytes.length,
        crc: table?.header.crc,
      };
      expect(named).toEqual({ endCrc: end?.header.crc, places: [place] });
      expect(table?.position).toBe(end?.endPosition);
      expect(table?.header.baseOffset).toBe(end?.nextOffset);
      for (const [offset, id] of ids) {
        while (known.get(next) === null) next++;
        expect([offset, id]).toEqual([next, known.get(next)]);
        next++;
      }
      // The clock stands still.
      expect(times).toEqual([[end?.nextOffset, end?.header.appendTimeMs]]);
    }
    expect(next).toBeGreaterThan(18);
    expect((await tablesOf(fileSystem, paths[2] ?? '')).tables).toEqual([]);
    expect(await verified(fileSystem)).toEqual({ damaged: [], tableCounts: [1, 1, 0] });
  });

  test('that has none is as it always was', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await openTextLog(fileSystem);
    const producer = { producerId: 5, producerEpoch: 1, confirmed: 0 };
    for (let sequence = 0; sequence < 12; sequence++) {
      const run = producedRun([encodable('p'.repeat(600))], producer, sequence);
      await appendRun(log.forStore().appender, run, { durability: 'sync' });
    }
    await log.close();
    const [first = ''] = await segmentsIn(fileSystem);
    const { tables, index } = await tablesOf(fileSystem, first);
    expect(tables).toEqual([]);
    expect(index?.header.extensionBytes).toBe(0);
  });

  test('has those of before it was opened again, too', async () => {
    const fileSystem = new MemoryFileSystem();
    let log = await openTextLog(fileSystem);
    await fill(log, 3);
    await log.close();
    log = await openTextLog(fileSystem);
    await fill(log, 4);
    await log.close();
    const [first = ''] = await segmentsIn(fileSystem);
    const { ids, batches } = await tablesOf(fileSystem, first);
    const end = batches.at(-1)?.nextOffset ?? 0;
    expect(end).toBeGreaterThan(8);
    const offsets = Array.from({ length: end }, (_, at) => at);
    expect(ids.map(([offset]) => offset)).toEqual(
      offsets.filter((offset) => idOf(offset) !== null),
    );
    expect((await verified(fileSystem)).damaged).toEqual([]);
  });
});

/** A log of two segments, the first of which was sealed while the disk was as `rule` has it. */
async function sealedOn(rule: Pick<FaultRule, 'skip' | 'shortBytes'>) {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { durability: 'os', freeBytesMin: 0 });
  const first = join(LOG_PATH, '00000000000000000000.log');
  await fill(log, 5);
  const path = '00000000000000000000.log';
  fileSystem.addFault({ errno: 'ENOSPC', operations: ['write'], path, ...rule });
  await fill(log, 2);
  await log.close();
  return { fileSystem, first };
}

describe('without room', () => {
  test('for its table a segment has its index alone', async () => {
    const { fileSystem, first } = await sealedOn({ skip: 0 });
    const { tables, index, named } = await tablesOf(fileSystem, first);
    expect([tables.length, named]).toEqual([0, null]);
    expect(index).not.toBeNull();
    expect(await verified(fileSystem)).toEqual({ damaged: [], tableCounts: [0, 0] });
  });

  test('for its index it has neither, and goes on', async () => {
    // A short write, and no room for the second try either.
    const { fileSystem, first } = await sealedOn({ skip: 1, shortBytes: 'half' });
    const { tables, index } = await tablesOf(fileSystem, first);
    expect([tables, index]).toEqual([[], null]);
    expect(await verified(fileSystem)).toEqual({ damaged: [], tableCounts: [0, 0] });
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log)).toHaveLength(14);
    await log.close();
  });
});

describe('a table that is damaged', () => {
  async function damaged() {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await fill(log, 14);
    await log.close();
    const [first = ''] = await segmentsIn(fileSystem);
    const { tables } = await tablesOf(fileSystem, first);
    const position = tables[0]?.position ?? 0;
    damage(fileSystem, first, (bytes) => {
      bytes[position + 150] = (bytes[position + 150] ?? 0) ^ 4;
      return bytes;
    });
    return { fileSystem, position };
  }

  test('is told by verify, and harms nobody who reads', async () => {
    const { fileSystem, position } = await damaged();
    expect(await verified(fileSystem)).toEqual({
      damaged: [[position, 'index']],
      tableCounts: [0, 1, 0],
    });
    const log = await openTextLog(fileSystem);
    expect(log.recovery.outcome).toBe('clean');
    expect(await valuesOf(log)).toHaveLength(28);
    expect((await log.read(3))?.offset).toBe(3);
    await log.close();
  });

  test('is left out by a repair, with the index that names it', async () => {
    const { fileSystem } = await damaged();
    const report = await repairLog(LOG_PATH, { fileSystem });
    expect(report).toMatchObject({ gaps: [], cutBytes: 0, endOffset: 28 });
    expect(report.damage).toHaveLength(1);
    expect(await verified(fileSystem)).toEqual({ damaged: [], tableCounts: [0, 1, 0] });
    const log = await openTextLog(fileSystem);
    expect(await valuesOf(log)).toHaveLength(28);
    await log.close();
  });
});
