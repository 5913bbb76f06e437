/**
 * F34. Elsewhere: segments of a generation that had been truncated were still there after a restart
 * and were loaded with the others (Fluss#4012).
 *
 * Here: segments behind a cut are moved to quarantine, newest first, each move durable. One that
 * comes back (a copy put back, a rename undone) does not link to the log that went on: its backward
 * link, epoch or base offset says so, and its records are never served.
 *
 * Red when recovery only cuts the segment with the damage and leaves later ones, when the backward
 * link of a segment is not compared, or when the epoch of a segment's batches may fall.
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { flipBit } from '../support/disk-damage.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  quarantineNames,
  segmentNames,
  segmentPaths,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

/**
 * Three segments of which nothing counts as synced (no checkpoint says so), the first damaged in its
 * third batch. Returns the log as recovery left it and the files it moved away.
 */
async function recovered(): Promise<{ fileSystem: FaultyFileSystem; orphans: readonly string[] }> {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { durability: 'os', segmentBytesMax: 4096 });
  await appendEach(log, 28); // Two segments; nothing was ever synced behind offset 0.
  const first = fileSystem.killImage();
  await log.close();
  const [path = ''] = await segmentPaths(first);
  const { batches } = await walkSegment(first, path);
  flipBit(first, path, { position: (batches[2]?.position ?? 0) + 120 });
  await first.unlink(join(LOG_PATH, 'checkpoint'));
  const again = await openTextLog(first);
  expect(await valuesOf(again)).toEqual(textsFrom(0, 2));
  await again.close();
  const orphans = (await quarantineNames(first)).filter((name) => name.includes('.log-'));
  return { fileSystem: first, orphans };
}

describe('F34: segments behind a cut', () => {
  test('are moved to quarantine whole, and the log goes on where they began', async () => {
    const { fileSystem, orphans } = await recovered();
    expect(orphans.length).toBeGreaterThan(0);
    expect(await segmentNames(fileSystem)).toEqual(['00000000000000000000.log']);
    const log = await openTextLog(fileSystem);
    await appendEach(log, 40);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 42));
    await log.close();
  });

  test('that come back while the log is shorter are moved away again', async () => {
    const { fileSystem, orphans } = await recovered();
    for (const name of orphans) {
      const from = join(LOG_PATH, 'quarantine', name);
      await fileSystem.rename(from, join(LOG_PATH, name.slice(0, 24)));
    }
    const log = await openTextLog(fileSystem);
    expect(log.endOffset).toBe(2);
    await appendEach(log, 3);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 5));
    await log.close();
    expect(await segmentNames(fileSystem)).toEqual(['00000000000000000000.log']);
    expect(await quarantineNames(fileSystem)).toEqual(expect.arrayContaining([...orphans]));
  });

  test('that come back where the log ends exactly at their base do not link', async () => {
    const { fileSystem, orphans } = await recovered();
    const [orphan = ''] = orphans;
    const base = Number(orphan.slice(0, 20));
    const log = await openTextLog(fileSystem, { durability: 'os', segmentBytesMax: 1024 * 1024 });
    while (log.endOffset < base) await log.append({ value: `other ${log.endOffset}` });
    await log.close();
    await fileSystem.rename(
      join(LOG_PATH, 'quarantine', orphan),
      join(LOG_PATH, orphan.slice(0, 24)),
    );
    const again = await openTextLog(fileSystem);
    expect(again.endOffset).toBe(base);
    const values = await valuesOf(again);
    expect(values.slice(2)).toEqual(Array.from({ length: base - 2 }, (_, n) => `other ${n + 2}`));
    await appendEach(again, 30);
    expect((await valuesOf(again)).slice(base)).toEqual(textsFrom(base, base + 30));
    await again.close();
  });

  test('a power cut during the moves leaves a log that ends at the same offset', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { durability: 'os' });
    await appendEach(log, 28);
    const base = fileSystem.killImage();
    await log.close();
    const [path = ''] = await segmentPaths(base);
    const { batches } = await walkSegment(base, path);
    flipBit(base, path, { position: (batches[2]?.position ?? 0) + 120 });
    await base.unlink(join(LOG_PATH, 'checkpoint'));
    const measured = base.killImage();
    await (await openTextLog(measured)).close();
    let crashes = 0;
    for (let call = 1; call <= measured.callCount; call++) {
      const crashing = base.killImage({}, { crashAt: { call, when: 'inside' } });
      const outcome = await crashing.drive(openTextLog(crashing).then((opened) => opened.close()));
      if (outcome.status !== 'crashed') continue;
      crashes++;
      for (const image of [crashing.crashImage(), crashing.killImage()]) {
        const again = await openTextLog(image);
        // The damaged file may be lost with its name, like all that was never synced.
        expect([0, 1, 2]).toContain(again.endOffset);
        expect(await valuesOf(again)).toEqual(textsFrom(0, again.endOffset));
        await again.close();
      }
    }
    expect(crashes).toBeGreaterThan(20);
  });
});
