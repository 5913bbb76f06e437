import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { DedupSamples } from '../../../src/topic/dedup-samples.ts';
import { manyExamples } from '../../support/property.ts';

const WINDOW_MS = 256_000;
const PART_MS = WINDOW_MS / 256;

/** Two rings of 512 values, which is the next size above the 258 that can be needed. */
const BYTES_MAX = 2 * 512 * 8;

describe('DedupSamples', () => {
  test('starts where it was told until a record is older than the window', () => {
    const samples = new DedupSamples(WINDOW_MS, 40);
    expect(samples.startAt(0)).toBe(40);
    samples.note(41, 1000);
    expect(samples.startAt(1000 + WINDOW_MS)).toBe(40);
    expect(samples.startAt(1000 + WINDOW_MS + 0.1)).toBe(41);
    expect(samples.startAt(0)).toBe(41); // It never goes back.
  });

  test('is not held up when nothing is appended any more', () => {
    const samples = new DedupSamples(WINDOW_MS, 0);
    for (let offset = 0; offset < 1000; offset++) samples.note(offset + 1, offset);
    expect(samples.startAt(2 * WINDOW_MS)).toBe(1000);
  });

  test('counts a time that went back as the one before it: records stay longer, never less', () => {
    const samples = new DedupSamples(WINDOW_MS, 0);
    samples.note(1, 10_000);
    samples.note(2, 0);
    expect(samples.startAt(WINDOW_MS + 5000)).toBe(0);
    expect(samples.startAt(WINDOW_MS + 10_001)).toBe(2);
  });

  test('does not go back for records of which it hears behind later ones', () => {
    const samples = new DedupSamples(1000, 0);
    samples.note(5, 100);
    samples.note(3, 100);
    expect(samples.isOver(1100)).toBe(false);
    expect(samples.startAt(1100)).toBe(0);
    expect(samples.isOver(1101)).toBe(true);
    expect(samples.startAt(1101)).toBe(5);
  });

  test('needs no more memory for many records than for a few', () => {
    const samples = new DedupSamples(WINDOW_MS, 0);
    expect(samples.byteLength).toBe(128);
    for (let at = 0; at < 100_000; at++) samples.note(at, at * PART_MS);
    expect(samples.byteLength).toBeLessThanOrEqual(BYTES_MAX);
    for (let at = 0; at < 100_000; at++) samples.note(100_000 + at, 1e8 + (at * PART_MS) / 7);
    expect(samples.byteLength).toBeLessThanOrEqual(BYTES_MAX);
  });

  test('holds a record for as long as the window is, and for a 256th longer at most', () => {
    const windowMs = 25_600;
    const samples = new DedupSamples(windowMs, 0);
    for (let nowMs = 0; nowMs < 3 * windowMs; nowMs++) {
      samples.note(nowMs + 1, nowMs); // The offset of a record is its time.
      const start = samples.startAt(nowMs);
      const goneMs = start === 0 ? -Infinity : start - 1;
      if (nowMs - goneMs <= windowMs) expect.fail(`record ${goneMs} is gone at ${nowMs}`);
      if (nowMs - start > windowMs + 100) expect.fail(`record ${start} is kept at ${nowMs}`);
    }
    expect(samples.startAt(3 * windowMs)).toBeGreaterThan(2 * windowMs - 100);
  });

  test('does so however records come', () => {
    const steps = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 3 * WINDOW_MS }),
      fc.constantFrom(PART_MS, WINDOW_MS, WINDOW_MS + 1, -5000),
    );
    const moves = fc.record({ step: steps, records: fc.nat(3), asks: fc.boolean() });
    fc.assert(
      fc.property(
        fc.constantFrom(1, 100, 256, WINDOW_MS),
        fc.array(moves, { maxLength: 400 }),
        (windowMs, list) => {
          const samples = new DedupSamples(windowMs, 5);
          /** When record 5, 6, ... was appended, as it counts. */
          const times: number[] = [];
          let nowMs = 1e6;
          let askedMs = nowMs;
          for (const { step, records, asks } of list) {
            nowMs += Math.round((step * windowMs) / WINDOW_MS);
            const timeMs = Math.max(nowMs, times.at(-1) ?? nowMs);
            for (let record = 0; record < records; record++) times.push(timeMs);
            if (records > 0) samples.note(5 + times.length, nowMs);
            if (!asks) continue;
            askedMs = Math.max(askedMs, timeMs); // What is gone is gone, whatever the clock does.
            const start = samples.startAt(askedMs) - 5;
            const ages = times.map((appendedMs) => askedMs - appendedMs);
            expect(Math.min(...ages.slice(0, start), Infinity)).toBeGreaterThan(windowMs);
            expect(Math.max(...ages.slice(start), 0)).toBeLessThanOrEqual(windowMs * (1 + 1 / 256));
          }
          expect(samples.byteLength).toBeLessThanOrEqual(BYTES_MAX);
        },
      ),
      manyExamples(300),
    );
  });
});
