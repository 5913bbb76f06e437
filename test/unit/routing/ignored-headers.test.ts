/** Bindings that ask for headers which their exchange does not look at. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';

import type { ExchangeType } from '../../../src/routing/binding.ts';
import type { BindingInput } from '../../../src/routing/exchange-options.ts';
import { StoreBench } from '../../support/store-fixture.ts';

/** Binds a queue, and collects what the process is warned of. */
async function warningsOf(type: ExchangeType, ...bindings: readonly BindingInput[]) {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onTestFinished(() => warn.mockRestore());
  warn.mockClear();
  const store = await new StoreBench().open();
  await store.queue('late');
  const events = await store.exchange('events', { type });
  for (const binding of bindings) await events.bind('late', binding);
  expect(events.bindings()).toHaveLength(bindings.length);
  await store.close();
  return [...warn.mock.calls];
}

describe('a binding of a headers exchange', () => {
  test('with names that begin with x- alone is warned of', async () => {
    const all = await warningsOf('headers', { headers: { 'x-delay': 'long' } });
    const said =
      "names that begin with x- count with 'x-match': 'all-with-x' or 'any-with-x' alone";
    const message = `the binding of late to exchange events: ${said}, so it takes everything`;
    expect(all).toEqual([[message, { code: 'VARVE_BINDING' }]]);
    const any = await warningsOf('headers', { headers: { 'x-match': 'any', 'x-delay': null } });
    expect(any).toEqual([[expect.stringContaining('it takes nothing'), { code: 'VARVE_BINDING' }]]);
  });

  test.each<BindingInput>([
    { headers: { delay: 'long' } },
    { headers: { delay: 'long', 'x-delay': 'long' } },
    { headers: { 'x-match': 'all-with-x', 'x-delay': 'long' } },
    { headers: { 'x-match': 'any-with-x', 'x-delay': null } },
    { headers: { 'x-match': 'any' } },
    { headers: {} },
    {},
    { pattern: 'a key that a client gives to all types', headers: { delay: null } },
  ])('of which something counts, or nothing was asked, is not: %j', async (binding) => {
    expect(await warningsOf('headers', binding)).toEqual([]);
  });
});

describe('a binding of another exchange', () => {
  test.each<readonly [ExchangeType, string]>([
    ['direct', 'a'],
    ['fanout', ''],
    ['topic', 'a.#'],
    ['consistent-hash', '1'],
  ])('%s: with headers it is warned of, without it is not', async (type, pattern) => {
    const headers = { delay: 'long' };
    const calls = await warningsOf(type, { pattern }, { pattern, headers });
    const message = `the binding of late to exchange events: a ${type} exchange looks at no headers`;
    expect(calls).toEqual([[message, { code: 'VARVE_BINDING' }]]);
  });
});

test('a binding that is there already is warned of all the same', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onTestFinished(() => warn.mockRestore());
  const bench = new StoreBench();
  for (let opening = 1; opening <= 2; opening++) {
    const store = await bench.open();
    await store.topic('late');
    const events = await store.exchange('events', { type: 'headers' });
    await events.bind('late', { headers: { 'x-delay': 'long' } });
    expect(warn).toHaveBeenCalledTimes(opening);
    await store.close();
  }
});
