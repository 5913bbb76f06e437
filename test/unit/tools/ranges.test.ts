import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../tools/command-error.ts';
import { parseCount, parseFrom, parseSince, toReadOptions } from '../../../tools/ranges.ts';

const NOW_MS = Date.UTC(2026, 0, 31, 12);

describe('parseFrom', () => {
  test.each([
    ['earliest', 'earliest'],
    ['latest', 'latest'],
    ['0', 0],
    ['42', 42],
    ['-10', { last: 10 }],
  ])('%s', (text, expected) => {
    expect(parseFrom(text)).toEqual(expected);
  });

  test.each(['', '-', '1.5', '--3', 'first', '9007199254740992', '0x10', ' 1'])(
    'refuses %j',
    (text) => {
      expect(() => parseFrom(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe('parseSince', () => {
  test.each([
    ['15m', NOW_MS - 900_000],
    ['2026-01-31', Date.UTC(2026, 0, 31)],
    ['2026-01', Date.UTC(2026, 0)],
    ['2026-01-31T11:30Z', Date.UTC(2026, 0, 31, 11, 30)],
    ['2026-01-31T11:30', Date.UTC(2026, 0, 31, 11, 30)],
    ['2026-01-31 11:30:15', Date.UTC(2026, 0, 31, 11, 30, 15)],
    ['2026-01-31T11:30:15.250+02:00', Date.UTC(2026, 0, 31, 9, 30, 15, 250)],
    ['99999d', 0],
  ])('%s', (text, expected) => {
    expect(parseSince(text, NOW_MS)).toBe(expected);
  });

  test.each(['', 'yesterday', '15', '2026-13-01', '2026-01-31T25:00Z', '31.1.2026', '1/2/2026'])(
    'refuses %j',
    (text) => {
      expect(() => parseSince(text, NOW_MS)).toThrow(InvalidArgumentError);
    },
  );
});

test('parseCount takes whole numbers only', () => {
  expect(parseCount('0')).toBe(0);
  for (const text of ['', '-1', '1e3', 'ten']) {
    expect(() => parseCount(text)).toThrow(InvalidArgumentError);
  }
});

describe('toReadOptions', () => {
  test('reads from the start by default', () => {
    expect(toReadOptions({})).toEqual({ from: 'earliest' });
  });

  test('passes the rest on', () => {
    expect(toReadOptions({ from: 5, to: 9, limit: 2 })).toEqual({ from: 5, to: 9, limit: 2 });
    expect(toReadOptions({ since: 7 })).toEqual({ from: { timestamp: 7 } });
  });

  test('refuses two starts', () => {
    expect(() => toReadOptions({ from: 5, since: 7 })).toThrow(UsageError);
  });
});
