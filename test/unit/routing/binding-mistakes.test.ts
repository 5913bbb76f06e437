/** Mistakes of those who bind, and what they are told. */
import { describe, expect, test } from 'vitest';

import { rejectionOf } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

async function opened() {
  const store = await new StoreBench().open();
  await store.topic('orders');
  const events = await store.exchange('events', { type: 'topic' });
  return { store, events };
}

describe('a binding that is not one', () => {
  test.each<[string, readonly unknown[]]>([
    ['`binding` to be an object, got `"a.#"`', ['orders', 'a.#']],
    [
      '`binding` to be without an unknown key `patern`, perhaps `pattern`',
      ['orders', { patern: 'a.#' }],
    ],
    ['`binding` to be without an unknown key `from`', ['orders', { from: 'earliest' }]],
    [
      '`options` to be without an unknown key `form`',
      ['orders', { pattern: 'a.#' }, { form: 'earliest' }],
    ],
    ['`destination` to be a name, { queue }, { topic } or { exchange }, got `7`', [7]],
    ['`destination` to be a name, { queue }', [null]],
    ['`destination` to be a name, { queue }', [{ queue: 'a', topic: 'b' }]],
    ['`destination` to be a name, { queue }', [{ name: 'orders' }]],
    ['there is no topic order', ['order', { pattern: 'a.#' }]],
    ['there is no exchange orders', [{ exchange: 'orders' }]],
  ])('is refused, and nothing is bound: %s', async (said, given) => {
    const { store, events } = await opened();
    const [destination, binding, how] = given as [never, never, never];
    expect(await rejectionOf(events.bind(destination, binding, how))).toMatchObject({
      message: expect.stringContaining(said),
    });
    expect(events.bindings()).toEqual([]);
    await store.close();
  });

  test('may not lead to a handle: it is its name that is asked for', async () => {
    const { store, events } = await opened();
    const handles: unknown[] = [await store.queue('jobs'), await store.topic('orders'), events];
    for (const handle of handles) {
      expect(await rejectionOf(events.bind(handle as never, { pattern: '#' }))).toMatchObject({
        message: expect.stringContaining(
          '`destination` to be a name, { queue }, { topic } or { exchange }, got object',
        ),
      });
    }
    expect(events.bindings()).toEqual([]);
    await store.close();
  });

  test('is nothing to unbind either', async () => {
    const { store, events } = await opened();
    await events.bind('orders', { pattern: 'a.#' });
    const typo: object = { patern: 'a.#' };
    expect(await rejectionOf(events.unbind('orders', typo))).toBeInstanceOf(TypeError);
    expect(events.bindings()).toHaveLength(1);
    await store.close();
  });

  test('of a what-if is named by its place, a destination that is a bare name too', async () => {
    const { store, events } = await opened();
    const bind = [{ exchange: 'events', destination: 'orders', pattern: '#' }] as object;
    expect(() => events.simulate({ bind: bind as [] })).toThrow(
      'Expected `bind[0].destination` to be { queue }, { topic } or { exchange }, a name, got `"orders"`',
    );
    await store.close();
  });
});

test('an exchange that is not there, and was not to be made, is named', async () => {
  const { store } = await opened();
  expect(await rejectionOf(store.exchange('event'))).toMatchObject({
    code: 'ERR_VARVE_INVALID_ARGUMENT',
    message: expect.stringContaining('there is no exchange event, and a new one needs it'),
  });
  await store.close();
});
