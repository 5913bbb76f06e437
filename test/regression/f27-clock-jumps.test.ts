/**
 * F27. Elsewhere: a timestamp from the future kept segments for ever, and a clock that jumped made
 * retention delete what was young (KAFKA-6482, KAFKA-18929, redpanda#9820).
 *
 * Here: append time is max(last, now), so it never goes back, also over restarts; rolling and
 * retention go by append time, never by the caller's create time. A clock that goes back deletes
 * nothing and rolls nothing; one that jumps forward deletes nothing by age until it has stood for a day,
 * however often anybody looks; offsets never depend on a clock.
 *
 * Red when the append time is the clock's bare `now()`, when it starts anew after an open, when
 * retention or time-based rolls look at create times, when an age is taken by its absolute value, or
 * when a look after a jump deletes.
 */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { CLOCK_BELIEVED_MS } from '../../src/core/limits.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  segmentNames,
  segmentPaths,
  settle,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);

describe('F27: append time', () => {
  test('never goes back, within a life, over lives, and from batch to batch on disk', async () => {
    const fileSystem = await faultyDisk();
    const jumps = [0, -HOUR_MS, 5, -1, 2 * HOUR_MS, -3 * HOUR_MS, 10, 4 * HOUR_MS];
    for (const [life, jumpMs] of jumps.entries()) {
      const clock = new ManualClock(START_MS + jumpMs);
      const log = await openTextLog(fileSystem, { clock });
      for (const nextMs of [jumpMs, jumpMs - 500, jumpMs + 7, -HOUR_MS * life]) {
        clock.jumpTo(START_MS + nextMs);
        await appendEach(log, 5);
      }
      await log.close();
    }
    const times: number[] = [];
    for (const path of await segmentPaths(fileSystem)) {
      const { header, batches, index } = await walkSegment(fileSystem, path);
      times.push(header.createdTimeMs, ...batches.map((batch) => batch.header.appendTimeMs));
      if (index !== null) times.push(index.header.appendTimeMs);
    }
    expect(times.length).toBeGreaterThan(160);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBe(START_MS);
    expect(times.at(-1)).toBe(START_MS + 4 * HOUR_MS + 7);
  });

  test('after a crash goes on from the last record that is there', async () => {
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { clock: new ManualClock(START_MS + HOUR_MS) });
    await appendEach(log, 3);
    const image = fileSystem.crashImage();
    const again = await openTextLog(image, { clock: new ManualClock(START_MS) });
    await appendEach(again, 1);
    expect((await again.read(3))?.appendTimeMs).toBe(START_MS + HOUR_MS);
    await again.close();
    await log.close();
  });
});

describe('F27: a clock that jumps back', () => {
  test('deletes nothing and rolls nothing', async () => {
    const clock = new ManualClock(START_MS);
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, {
      clock,
      retentionMs: HOUR_MS,
      segmentAgeMsMax: HOUR_MS,
    });
    await appendEach(log, 60);
    const names = await segmentNames(fileSystem);
    for (const backMs of [1, HOUR_MS, 1000 * HOUR_MS, START_MS - 1, START_MS]) {
      clock.jumpTo(START_MS - backMs);
      expect((await log.retain()).deletedSegmentCount).toBe(0);
      await appendEach(log, 1);
    }
    expect(await segmentNames(fileSystem)).toEqual(names);
    expect(await valuesOf(log)).toEqual(textsFrom(0, 65));
    await log.close();
  });
});

describe('F27: create times', () => {
  test('from the far future neither keep nor delete, from the far past neither', async () => {
    for (const createTimeMs of [2 ** 48 - 1, 0]) {
      const clock = new ManualClock(START_MS);
      const fileSystem = await faultyDisk();
      const options = { clock, retentionMs: HOUR_MS, segmentAgeMsMax: HOUR_MS };
      const log = await openTextLog(fileSystem, options);
      for (let n = 0; n < 60; n++) await log.append({ value: textAt(n), createTimeMs });
      const names = await segmentNames(fileSystem);
      await log.retain();
      expect(await segmentNames(fileSystem)).toEqual(names);
      await log.close();
      clock.jumpTo(START_MS + HOUR_MS + 1);
      const again = await openTextLog(fileSystem, options);
      expect((await again.retain()).deletedSegmentCount).toBe(names.length - 1);
      await again.close();
    }
  });

  test('do not decide when a segment is rolled', async () => {
    const clock = new ManualClock(START_MS);
    const fileSystem = await faultyDisk();
    const log = await openTextLog(fileSystem, { clock, segmentAgeMsMax: HOUR_MS });
    for (const createTimeMs of [START_MS + 9 * HOUR_MS, 0, 2 ** 48 - 1, 1]) {
      await log.append({ value: 'x', createTimeMs });
    }
    expect(await segmentNames(fileSystem)).toHaveLength(1);
    clock.advance(HOUR_MS);
    await log.append({ value: 'x', createTimeMs: START_MS });
    expect(await segmentNames(fileSystem)).toHaveLength(2);
    await log.close();
  });
});

describe('F27: a clock that jumps forward', () => {
  async function threeSegments(retentionMs = HOUR_MS) {
    const clock = new ManualClock(START_MS);
    const fileSystem = await faultyDisk();
    const options = { clock, retentionMs, segmentAgeMsMax: null };
    const log = await openTextLog(fileSystem, options);
    await appendEach(log, 45);
    expect(log.stats().segmentCount).toBe(3);
    return { clock, fileSystem, options, log };
  }

  test('deletes nothing by age however often anybody looks, until it has stood for a day', async () => {
    const { clock, log } = await threeSegments(200 * HOUR_MS);
    clock.jumpTo(START_MS + 10_000 * HOUR_MS);
    for (const waitMs of [0, 0, 1, CLOCK_BELIEVED_MS - 2]) {
      clock.advance(waitMs);
      expect(await log.retain()).toMatchObject({ startOffset: 0, deletedSegmentCount: 0 });
    }
    expect(await valuesOf(log)).toEqual(textsFrom(0, 45));
    for (let look = 0; look < 3; look++) {
      clock.advance(CLOCK_BELIEVED_MS / 2);
      await settle();
    }
    expect(log.startOffset).toBeGreaterThan(30);
    await log.close();
  });

  test('lets go meanwhile of what gets old by the time from before', async () => {
    const { clock, log } = await threeSegments();
    clock.jumpTo(START_MS + 10_000 * HOUR_MS);
    clock.advance(HOUR_MS);
    expect((await log.retain()).deletedSegmentCount).toBe(0);
    clock.advance(1);
    expect((await log.retain()).deletedSegmentCount).toBe(2);
    await log.close();
  });

  test('and back before the second look has done no harm', async () => {
    const { clock, log } = await threeSegments();
    clock.jumpTo(START_MS + 10_000 * HOUR_MS);
    await log.retain();
    clock.jumpTo(START_MS + 1);
    for (let look = 0; look < 3; look++) await log.retain();
    expect(await valuesOf(log)).toEqual(textsFrom(0, 45));
    await log.close();
  });

  test('is not what time that passed looks like: that deletes at the first look', async () => {
    const { clock, log } = await threeSegments();
    clock.advance(HOUR_MS + 1);
    await settle();
    expect(log.startOffset).toBeGreaterThan(30);
    await log.close();
  });

  test('shows in append times, which stay there when it goes back', async () => {
    const { clock, log } = await threeSegments();
    clock.jumpTo(START_MS + 10_000 * HOUR_MS);
    await appendEach(log, 1);
    clock.jumpTo(START_MS + 1);
    await appendEach(log, 1);
    expect((await log.read(44))?.appendTimeMs).toBe(START_MS);
    expect((await log.read(46))?.appendTimeMs).toBe(START_MS + 10_000 * HOUR_MS);
    await log.close();
  });
});
