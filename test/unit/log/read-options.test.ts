import { describe, expect, test } from 'vitest';

import { planRead, type ReadOptions } from '../../../src/log/read-options.ts';
import { thrownBy } from '../../support/log-fixture.ts';

describe('planRead', () => {
  test('fills in the defaults', () => {
    expect(planRead({})).toEqual({
      from: 'earliest',
      to: null,
      limit: Number.POSITIVE_INFINITY,
      follow: false,
      keepsAlive: true,
      signal: null,
      skipsDamage: false,
      onGap: null,
    });
  });

  test('keeps what is asked', () => {
    const onGap = () => undefined;
    const { signal } = new AbortController();
    const from = { offset: 7, epoch: 2 };
    const range = { from, to: 9, limit: 3 } as const;
    const options = { ...range, follow: true, keepsAlive: false, signal, onGap } as const;
    expect(planRead({ ...options, onCorruption: 'skip' })).toEqual({
      ...options,
      skipsDamage: true,
    });
  });

  test.each<[ReadOptions['from']]>([
    ['earliest'],
    ['latest'],
    [0],
    [Number.MAX_SAFE_INTEGER],
    [{ timestamp: 0 }],
    [{ last: 0 }],
    [{ offset: 0, epoch: 0 }],
  ])('takes %j for from', (from) => {
    expect(planRead({ from }).from).toEqual(from);
  });

  test.each([
    ['newest', TypeError],
    [true, TypeError],
    [null, TypeError],
    [-1, RangeError],
    [0.5, RangeError],
    [2 ** 53, RangeError],
    [{}, TypeError],
    [{ timestamp: '2026-01-01' }, TypeError],
    [{ timestamp: -1 }, RangeError],
    [{ last: 1.5 }, RangeError],
    [{ offset: 5 }, TypeError],
    [{ offset: -1, epoch: 1 }, RangeError],
    [new Date(0), TypeError],
  ])('refuses %j for from', (from, ErrorClass) => {
    const error = thrownBy(() => planRead({ from } as unknown as ReadOptions));
    expect(error).toBeInstanceOf(ErrorClass);
    expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
  });

  test.each([
    [new Date(0), 'Date'],
    [{}, 'object'],
    [[5], 'array'],
    [{ time: 5 }, 'object'],
  ])('says of %j which places there are, and what came', (from, got) => {
    const error = thrownBy(() => planRead({ from } as unknown as ReadOptions));
    const forms = "'earliest', 'latest', an offset, { timestamp }, { last } or { offset, epoch }";
    expect(error).toMatchObject({ message: `Expected \`from\` to be ${forms}, got ${got}` });
  });

  test.each([
    [{ to: -1 }, RangeError],
    [{ to: '9' }, TypeError],
    [{ limit: 1.5 }, RangeError],
    [{ limit: -1 }, RangeError],
    [{ onCorruption: 'readonly' }, TypeError],
    [{ follow: 'yes' }, TypeError],
    [{ keepsAlive: 1 }, TypeError],
    [{ signal: {} }, TypeError],
    [{ signal: null }, TypeError],
    [{ onGap: 'print' }, TypeError],
  ])('refuses %j', (options, ErrorClass) => {
    expect(thrownBy(() => planRead(options as unknown as ReadOptions))).toBeInstanceOf(ErrorClass);
  });
});
