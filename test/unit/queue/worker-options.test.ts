/** What `work` accepts. */
import { describe, expect, test } from 'vitest';

import { SeededRandom } from '../../../src/core/random.ts';
import { exponential, fixed, linear } from '../../../src/queue/retry-policy.ts';
import { resolveWorkerOptions, type WorkerOptions } from '../../../src/queue/worker-options.ts';
import { work } from '../../../src/queue/worker.ts';
import { FakeQueue } from '../../support/fake-queue.ts';

describe('options', () => {
  test('have defaults', () => {
    const settings = resolveWorkerOptions({}, new SeededRandom(1));
    expect(settings).toMatchObject({
      concurrency: 1,
      handlerTimeoutMs: null,
      renewsLeases: true,
      leaseMs: undefined,
      batch: null,
      onError: null,
      name: 'worker',
      keepsAlive: true,
    });
    expect(settings.retry).toBe(settings.defaultRetry);
    const longest = Array.from({ length: 1000 }, () => settings.retry(100, null) ?? 0);
    expect(Math.max(...longest)).toBeGreaterThan(290_000);
    expect(Math.max(...longest)).toBeLessThanOrEqual(300_000);
  });

  test.each([
    ['concurrency', 1],
    ['concurrency', 10_000],
    ['handlerTimeoutMs', 1],
    ['handlerTimeoutMs', 86_400_000],
    ['leaseMs', 10],
    ['leaseMs', 43_200_000],
  ])('%s may be %s', (name, value) => {
    expect(resolveWorkerOptions({ [name]: value })).toMatchObject({ [name]: value });
  });

  test.each([
    ['concurrency', 0],
    ['concurrency', 10_001],
    ['concurrency', 1.5],
    ['concurrency', '4'],
    ['handlerTimeoutMs', 0],
    ['handlerTimeoutMs', 86_400_001],
    ['handlerTimeoutMs', null],
    ['leaseMs', 9],
    ['leaseMs', 43_200_001],
    ['renew', true],
    ['retry', 5],
    ['batch', 5],
    ['batch', { max: 5 }],
    ['batch', { max: 0, waitMs: 5 }],
    ['batch', { max: 10_001, waitMs: 5 }],
    ['batch', { max: 5, waitMs: -1 }],
    ['batch', { max: 5, waitMs: 3_600_001 }],
    ['batch', { max: 5, waitMs: 5, size: 3 }],
    ['onError', 'log'],
    ['signal', {}],
    ['name', ''],
    ['name', 5],
    ['keepsAlive', 1],
    ['concurency', 4],
  ])('%s must not be %s', (name, value) => {
    const options = { [name]: value } as WorkerOptions;
    expect(() => resolveWorkerOptions(options)).toThrow(
      expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }),
    );
  });

  test.each([exponential, linear, fixed])('have a policy, not what makes one: $name', (retry) => {
    expect(() => resolveWorkerOptions({ retry } as unknown as WorkerOptions)).toThrow(
      `Expected \`retry\` to be a policy, as \`${retry.name}\` returns one when it is called`,
    );
  });

  test('of a batch are named so', () => {
    const number = { batch: 10 } as unknown as WorkerOptions;
    expect(() => resolveWorkerOptions(number)).toThrow(
      'Expected `batch` to be an object, got `10`',
    );
    const size = { batch: { max: 5, waitMS: 5 } } as unknown as WorkerOptions;
    expect(() => resolveWorkerOptions(size)).toThrow(
      'Expected `batch` to be without an unknown key `waitMS`, perhaps `waitMs`',
    );
  });

  test('that are wrong, or a handler that is none, let the worker take nothing', () => {
    const queue = new FakeQueue();
    expect(() => work(queue, 'handler' as unknown as () => void)).toThrow(TypeError);
    expect(() => work(queue, () => undefined, { concurrency: -1 })).toThrow(RangeError);
    expect(() => work(queue, () => undefined, null as unknown as undefined)).toThrow(TypeError);
    expect(queue.acquires).toEqual([]);
  });
});
