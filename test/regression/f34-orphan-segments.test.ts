/**
 * F34. Elsewhere: segments of a generation that had been truncated were still there after a restart
 * and were loaded with the others (Fluss#4012).
 *
 * Here: segments behind a cut are moved to quarantine, newest first, each move durable. One that
 * comes back (a copy put back, a rename undone) does not link to the log that went on: its backward
 * link, epoch or base offset says so, and its records are never served.
 *
 * An older generation of a segment that compaction swapped has lost its only name to the newer one, and a copy
 * under any other name is not a segment.
 *
 * Red when recovery only cuts the segment with the damage and leaves later ones, with rule R2, or
 * when neither the backward link of a segment nor the epoch of its batches is compared.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import { writeFully } from '../../src/io/transfer.ts';
import { contentOf, flipBit } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentNames,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';
import { makeNext, sealedOf } from '../support/swaps.ts';

/**
 * What a kill leaves of two segments whose sync failed, so that nothing of them counts as synced; the
 * first is damaged in its second batch. Recovery must end the log at offset `end`.
 */
async function tornOverSegments(): Promise<{ fileSystem: FaultyFileSystem; end: number }> {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { durability: 'os', batchBytesMax: 1024 });
  fileSystem.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
  await log.appendBatch(textsFrom(0, 50).map((value) => ({ value })));
  const killed = fileSystem.killImage();
  await rejectionOf(log.close());
  const paths = await segmentPaths(killed);
  expect(paths).toHaveLength(2);
  const { batches } = await walkSegment(killed, paths[0] ?? '');
  expect(batches.length).toBeGreaterThan(2);
  flipBit(killed, paths[0] ?? '', { position: (batches[1]?.position ?? 0) + 120 });
  return { fileSystem: killed, end: batches[1]?.header.baseOffset ?? 0 };
}

/** The same after recovery, and the names of the files that it moved away. */
async function recovered() {
  const { fileSystem, end } = await tornOverSegments();
  const log = await openTextLog(fileSystem);
  expect(await valuesOf(log)).toEqual(textsFrom(0, end));
  await log.close();
  const orphans = (await quarantineNames(fileSystem)).filter((name) => name.includes('.log-'));
  expect(orphans).toHaveLength(1);
  return { fileSystem, end, orphan: orphans[0] ?? '' };
}

describe('F34: segments behind a cut', () => {
  test('are moved to quarantine whole, and the log goes on where they began', async () => {
    const { fileSystem, end } = await recovered();
    expect(await segmentNames(fileSystem)).toEqual(['00000000000000000000.log']);
    const log = await openTextLog(fileSystem);
    await appendEach(log, 80);
    expect(log.stats().segmentCount).toBeGreaterThan(2);
    expect(await valuesOf(log)).toEqual(textsFrom(0, end + 80));
    await log.close();
  });

  test('that come back while the log is shorter are moved away again', async () => {
    const { fileSystem, end, orphan } = await recovered();
    await putBack(fileSystem, orphan);
    const log = await openTextLog(fileSystem);
    expect(log.endOffset).toBe(end);
    await appendEach(log, 3);
    expect(await valuesOf(log)).toEqual(textsFrom(0, end + 3));
    await log.close();
    expect(await segmentNames(fileSystem)).toEqual(['00000000000000000000.log']);
    expect(await quarantineNames(fileSystem)).toContain(orphan);
  });

  test('that come back where the log ends exactly at their base do not link', async () => {
    const { fileSystem, end, orphan } = await recovered();
    const base = Number(orphan.slice(0, 20));
    const log = await openTextLog(fileSystem, { segmentBytesMax: 1024 * 1024 });
    while (log.endOffset < base) await log.append({ value: `other ${log.endOffset}` });
    await log.close();
    await putBack(fileSystem, orphan);
    const again = await openTextLog(fileSystem);
    expect(again.endOffset).toBe(base);
    const others = Array.from({ length: base - end }, (_, n) => `other ${end + n}`);
    expect(await valuesOf(again)).toEqual([...textsFrom(0, end), ...others]);
    await appendEach(again, 30);
    expect(await valuesOf(again, { from: base })).toEqual(textsFrom(base, base + 30));
    await again.close();
  });

  test('a crash at any call of the recovery leaves a log that ends at the same offset', async () => {
    const { fileSystem, end } = await tornOverSegments();
    const measured = fileSystem.killImage();
    await (await openTextLog(measured)).close();
    let crashes = 0;
    let whole = 0;
    for (let call = 1; call <= measured.callCount; call++) {
      const crashing = fileSystem.killImage({}, { crashAt: { call, when: 'inside' } });
      const outcome = await crashing.drive(openTextLog(crashing).then((opened) => opened.close()));
      if (outcome.status !== 'crashed') continue;
      crashes++;
      const killed = await openTextLog(crashing.killImage());
      expect(await valuesOf(killed)).toEqual(textsFrom(0, end));
      await killed.close();
      // A power cut may take more of what was never synced, but leaves no hole and nothing else.
      const cut = await openTextLog(crashing.crashImage());
      expect(cut.endOffset).toBeLessThanOrEqual(end);
      expect(await valuesOf(cut)).toEqual(textsFrom(0, cut.endOffset));
      if (cut.endOffset === end) whole++;
      await cut.close();
    }
    expect(crashes).toBeGreaterThan(20);
    expect(whole).toBeGreaterThan(3);
  });
});

/** Undoes the move to quarantine. */
async function putBack(fileSystem: FaultyFileSystem, name: string): Promise<void> {
  const from = join(LOG_PATH, 'quarantine', name);
  await fileSystem.rename(from, join(LOG_PATH, name.slice(0, 24)));
}

describe('F34: an older generation of a segment that was swapped', () => {
  test('has no name of its own, and under any other one it is never served', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem);
    await appendEach(log, 60);
    const old = present(sealedOf(log)[1], 'it is sealed');
    const before = contentOf(fileSystem, old.path);
    const names = await fileSystem.list(LOG_PATH);
    const made = await makeNext(fileSystem, old, { keeps: ({ offset }) => offset % 4 === 1 });
    expect(await log.forStore().swap.swap(made)).toBe(true);
    expect((await fileSystem.list(LOG_PATH)).toSorted()).toEqual(names.toSorted());
    const left = await valuesOf(log);
    expect(left.length).toBeLessThan(60);
    await log.close();
    const name = old.path.slice(-24);
    const others = [`${name}.old`, `${name}.1`, `${name}.bak`, `x${name}`, name.slice(1)];
    for (const other of [...others, `${name}.tmp`]) {
      const file = await fileSystem.open(join(LOG_PATH, other), 'create');
      await writeFully(file, before, 0);
      await file.close();
    }
    for (const readOnly of [true, false]) {
      const again = await openTextLog(fileSystem, { readOnly });
      expect(await valuesOf(again)).toEqual(left);
      expect(again.stats().segmentCount).toBe(log.stats().segmentCount);
      await again.close();
    }
    const there = await fileSystem.list(LOG_PATH);
    expect(others.filter((other) => !there.includes(other))).toEqual([]); // They are not ours.
    expect(there).not.toContain(`${name}.tmp`);
  });
});
