/** The parts of the checker that stand alone: lines of a pipe, and times of stops. */
import { describe, expect, test } from 'vitest';
import {
  BrokenHistoryError,
  EventLines,
  formatEvent,
  type QueueEvent,
} from '../../support/queue-check/history.ts';
import { WallTimes } from '../../support/queue-check/wall-times.ts';
import { StopTimes } from '../../support/queue-check/stop-times.ts';

const EVENT: QueueEvent = { type: 'drained', life: 1, atMs: 2.5 };

describe('lines of a pipe', () => {
  test('a last line that a kill cut is no event, wherever it was cut', () => {
    const line = formatEvent(EVENT);
    for (let length = 0; length < line.length; length++) {
      const lines = new EventLines();
      expect(lines.push(Buffer.from(line + line.slice(0, length)))).toEqual([EVENT]);
      expect(lines.rest).toBe(line.slice(0, length));
    }
  });

  test('a whole line that is no event is a mistake of the harness', () => {
    expect(() => new EventLines().push(Buffer.from('{"type":"dr\n'))).toThrow(BrokenHistoryError);
  });
});

describe('times of stops', () => {
  const stops = new StopTimes();
  stops.add(300, 400);
  stops.add(100, 200);
  stops.add(150, 250); // Within it a handler blocked the event loop.

  test.each([
    [0, 50, 50],
    [0, 100, 100],
    [0, 175, 100],
    [0, 250, 100],
    [0, 500, 250],
    [120, 240, 0],
    [120, 350, 50],
    [350, 450, 50],
    [400, 450, 50],
  ])('from %i to %i it ran %i ms', (from, to, expected) => {
    expect(stops.awakeMs(from, to)).toBe(expected);
  });

  test('count as they came', () => {
    expect(stops.count).toBe(3);
  });
});

describe('what the wall clock said', () => {
  const wall = new WallTimes();
  wall.begin(0);
  wall.set(100, 50);
  wall.set(200, -500);
  wall.begin(300);

  test.each([
    [0, 0],
    [99, 99],
    [100, 150],
    [199, 249],
    [200, -300],
    [350, 350],
  ])('at %i was %i', (atMs, expected) => {
    expect(wall.at(atMs)).toBe(expected);
  });

  test.each([
    [0, 50, 50],
    [0, 150, 200],
    [0, 250, 250],
    [150, 250, 250],
    [210, 250, -250],
    [210, 320, 320],
    [0, 240, 250],
  ])('at the most, from %i to %i, was %i', (fromMs, toMs, expected) => {
    expect(wall.highest(fromMs, toMs)).toBe(expected);
  });

  test('was set so often', () => {
    expect(wall.count).toBe(2);
  });
});
