import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';

import { checkSignal, onAbort, withSignal } from '../../../src/core/abort.ts';
import { rejectionOf } from '../../support/log-fixture.ts';

function listenerCount(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

test('those who wait for one signal share one listener, and the last one takes it away', () => {
  const { signal } = new AbortController();
  const ends = Array.from({ length: 100 }, () => onAbort(signal, () => undefined));
  expect(listenerCount(signal)).toBe(1);
  const [first, ...others] = ends;
  for (const end of others) end();
  expect(listenerCount(signal)).toBe(1);
  first?.();
  expect(listenerCount(signal)).toBe(0);
  first?.(); // Idempotent, also when somebody else waits by now.
  const end = onAbort(signal, () => undefined);
  first?.();
  expect(listenerCount(signal)).toBe(1);
  end();
});

test('an abort calls each of them once, but not who ended or is ended meanwhile', () => {
  const ending = new AbortController();
  const { signal } = ending;
  const called: string[] = [];
  const again = () => called.push('again');
  onAbort(signal, again);
  onAbort(signal, again); // The same function twice is two that wait.
  const end = onAbort(signal, () => called.push('ended'));
  let endLast: (() => void) | null = null;
  onAbort(signal, () => endLast?.());
  endLast = onAbort(signal, () => called.push('last'));
  end();
  ending.abort();
  ending.abort();
  expect(called).toEqual(['again', 'again']);
  expect(listenerCount(signal)).toBe(0);
});

test('who comes after the abort is called at once', () => {
  const called: string[] = [];
  const end = onAbort(AbortSignal.abort(), () => called.push('late'));
  expect(called).toEqual(['late']);
  end();
});

test('a promise lets go of the signal when it settles, and rejects with the reason as it is', async () => {
  const ending = new AbortController();
  const { signal } = ending;
  expect(await withSignal(signal, (resolve) => resolve(7))).toBe(7);
  const refused = withSignal(signal, (_resolve, reject) => reject(new Error('refused')));
  expect(await rejectionOf(refused)).toMatchObject({ message: 'refused' });
  expect(listenerCount(signal)).toBe(0);
  const waiting = withSignal(signal, () => undefined);
  expect(listenerCount(signal)).toBe(1);
  ending.abort('enough');
  await expect(waiting).rejects.toBe('enough');
});

test.each([[null], [{}], [5], [{ aborted: false }], [new AbortController()]])(
  '%j is no signal',
  (wrong) => {
    const check = () => checkSignal('signal', wrong as unknown as AbortSignal);
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_VARVE_INVALID_ARGUMENT' }));
    expect(check).toThrow('Expected `signal` to be an AbortSignal');
  },
);
