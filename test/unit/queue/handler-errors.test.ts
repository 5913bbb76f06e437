/** What handlers throw to say what becomes of a record. */
import { describe, expect, test } from 'vitest';

import type * as HandlerErrors from '../../../src/queue/handler-errors.ts';
import {
  isReject,
  Reject,
  RetryAfter,
  retryAfterOf,
  timeoutError,
} from '../../../src/queue/handler-errors.ts';

/** The same module, by an address at which it was not read yet. */
const ANOTHER = '../../../src/queue/handler-errors.ts?another';

describe('RetryAfter', () => {
  test('says how long', () => {
    const cause = new Error('429');
    const error = new RetryAfter(1500, { cause });
    expect(error).toMatchObject({ name: 'RetryAfter', delayMs: 1500, cause });
    expect(error.message).toBe('again after 1500 ms');
    expect(retryAfterOf(error)).toBe(1500);
    expect(isReject(error)).toBe(false);
  });

  test.each([[-1], [0.5], [Number.NaN], ['1'], [undefined], [1e12]])('refuses %s', (delayMs) => {
    expect(() => new RetryAfter(delayMs as number)).toThrow(
      expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }),
    );
  });
});

describe('Reject', () => {
  test.each([
    ['a text', 'no such customer', 'no such customer'],
    ['an error', new Error('gone'), 'gone'],
    ['nothing', undefined, 'rejected'],
    ['an object without a text', Object.create(null), 'rejected'],
  ])('keeps %s as its reason', (_name, reason: unknown, message) => {
    const error = new Reject(reason);
    expect(error).toMatchObject({ name: 'Reject', message });
    expect(error.reason).toBe(reason);
    expect(isReject(error)).toBe(true);
    expect(retryAfterOf(error)).toBeNull();
  });
});

describe('another copy of the package', () => {
  test('throws what this one knows', async () => {
    const other: typeof HandlerErrors = await import(ANOTHER);
    expect(other.RetryAfter).not.toBe(RetryAfter);
    expect(new other.RetryAfter(7)).not.toBeInstanceOf(RetryAfter);
    expect(retryAfterOf(new other.RetryAfter(7))).toBe(7);
    expect(isReject(new other.Reject('x'))).toBe(true);
  });

  test.each([
    [-1, null],
    ['5', null],
    [Number.NaN, null],
    [1.6, 2],
    [1e99, 365 * 24 * 60 * 60 * 1000],
  ])('that asks for %s ms gets %s', (delayMs, taken) => {
    const foreign = Object.assign(new RetryAfter(1), { delayMs });
    expect(retryAfterOf(foreign)).toBe(taken);
  });
});

describe('anything else', () => {
  test.each([
    [null],
    [undefined],
    ['RetryAfter'],
    [new Error('boom')],
    [Object.assign(new Error('boom'), { name: 'RetryAfter', delayMs: 5 })],
    [Object.assign(new Error('boom'), { name: 'Reject', reason: 5 })],
    [{ name: 'Reject', reason: 1, [Symbol.for('varve.reject')]: true }],
    [timeoutError(5)],
  ])('%s asks for nothing', (error) => {
    expect(retryAfterOf(error)).toBeNull();
    expect(isReject(error)).toBe(false);
  });

  test('a timeout looks as that of AbortSignal.timeout', () => {
    expect(timeoutError(5)).toMatchObject({ name: 'TimeoutError' });
    expect(timeoutError(5)).toBeInstanceOf(Error);
  });
});
