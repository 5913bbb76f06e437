import { describe, expect, test } from 'vitest';

import { ConflictError, DiskFullError, NotFoundError } from '../../../src/core/errors.ts';
import { BadPatternError } from '../../../src/core/routing-errors.ts';
import type { ExchangeCatalog } from '../../../src/routing/exchange-catalog.ts';
import type { Store } from '../../../src/store/store.ts';
import { CommitBench } from '../../support/commit-bench.ts';
import { rejectionOf, thrownBy } from '../../support/log-fixture.ts';

interface Opened {
  readonly store: Store;
  readonly exchanges: ExchangeCatalog;
}

async function open(bench: CommitBench): Promise<Opened> {
  const { store } = await bench.open();
  return { store, exchanges: store.exchangeCatalog };
}

const namesOf = (exchanges: ExchangeCatalog) => exchanges.list().map(({ name }) => name);

const keysOf = (exchanges: ExchangeCatalog, name: string) =>
  exchanges.bindings(name).map(({ routingKey }) => routingKey);

describe('the exchanges of a store', () => {
  test('are there with their bindings after a power cut', async () => {
    const bench = new CommitBench();
    const { exchanges } = await open(bench);
    await exchanges.open('other', { type: 'fanout', internal: true });
    await exchanges.open('main', { type: 'topic', alternate: 'other', autoDelete: true });
    await exchanges.bind('main', 't', 'a.#');
    await exchanges.bind('main', { exchange: 'other' }, 'b');
    await exchanges.bind('other', { queue: 't' }, '', { headers: { late: null } });
    const before = [exchanges.list(), exchanges.bindings('main'), exchanges.bindings('other')];
    const { version } = exchanges;
    expect(version).toBe(5);
    bench.cutPower();
    const again = (await open(bench)).exchanges;
    expect([again.list(), again.bindings('main'), again.bindings('other')]).toEqual(before);
    expect(again.version).toBe(version);
    expect(again.list()).toMatchObject([
      { name: 'main', type: 'topic', alternate: 'other', internal: false, bindingCount: 2 },
      { name: 'other', type: 'fanout', alternate: null, internal: true, bindingCount: 1 },
    ]);
  });

  test('are opened by name, and made once', async () => {
    const { exchanges, store } = await open(new CommitBench());
    const made = await Promise.all(
      ['fanout', 'fanout'].map(() => exchanges.open('one', { type: 'fanout' })),
    );
    expect(made[0]).toEqual(made[1]);
    expect(await exchanges.open('one', {})).toEqual(made[0]);
    expect(exchanges.version).toBe(1);
    expect(store.describeTopic('exchange:one').partitionCount).toBe(1);
    expect(await rejectionOf(exchanges.open('one', { type: 'direct' }))).toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'type fanout', requested: 'type direct' },
    });
    const other = exchanges.open('one', { alternate: 'one' });
    expect(await rejectionOf(other)).toBeInstanceOf(ConflictError);
  });

  test.each<[string, (exchanges: ExchangeCatalog) => Promise<unknown>, unknown]>([
    ['no type', (exchanges) => exchanges.open('new', {}), TypeError],
    [
      'no such alternate',
      (all) => all.open('new', { type: 'topic', alternate: 'x' }),
      NotFoundError,
    ],
    ['not to be made', (all) => all.open('new', { type: 'topic', create: false }), NotFoundError],
    ['no such exchange', (all) => all.bind('new', 't', ''), NotFoundError],
    ['no such topic', (all) => all.bind('one', 'nowhere', ''), NotFoundError],
    ['no such target', (all) => all.bind('one', { exchange: 'x' }, ''), NotFoundError],
    ['nothing to delete', (all) => all.delete('new'), NotFoundError],
    ['nothing to alter', (all) => all.setAlternate('new', null), NotFoundError],
  ])('refuse what cannot be, and nothing changed: %s', async (_, call, error) => {
    const { exchanges } = await open(new CommitBench());
    await exchanges.open('one', { type: 'topic' });
    expect(await rejectionOf(call(exchanges))).toBeInstanceOf(error);
    expect([namesOf(exchanges), exchanges.version]).toEqual([['one'], 1]);
  });

  test('refuse at once what is no pattern, no destination or no condition', async () => {
    const { exchanges } = await open(new CommitBench());
    await exchanges.open('one', { type: 'topic' });
    const long = () => exchanges.bind('one', 't', 'a'.repeat(256));
    expect(thrownBy(long)).toBeInstanceOf(BadPatternError);
    expect(thrownBy(long)).toMatchObject({ details: { column: 256 } });
    const two: object = { queue: 'a', topic: 'b' };
    expect(thrownBy(() => exchanges.bind('one', two as { queue: string }, ''))).toBeInstanceOf(
      TypeError,
    );
    const headers = { 'x-match': 'some' };
    expect(thrownBy(() => exchanges.bind('one', 't', '', { headers }))).toBeInstanceOf(TypeError);
  });

  test('take weights alone where records go by a hash of their key', async () => {
    const bench = new CommitBench();
    const { exchanges } = await open(bench);
    await exchanges.open('one', { type: 'consistent-hash' });
    for (const call of [
      exchanges.bind('one', 't', 'a.#'),
      exchanges.bind('one', 't', '2x'),
      exchanges.unbind('one', 't', '02'),
    ]) {
      expect(await rejectionOf(call)).toBeInstanceOf(BadPatternError);
    }
    expect(exchanges.version).toBe(1);
    await exchanges.bind('one', 't', '20');
    bench.cutPower();
    const again = (await open(bench)).exchanges;
    expect(again.describe('one')).toMatchObject({ type: 'consistent-hash', bindingCount: 1 });
    expect(keysOf(again, 'one')).toEqual(['20']);
    expect(await again.unbind('one', 't', '20')).toBe(true);
  });

  test('have a binding once, however often it is bound, and end it once', async () => {
    const { exchanges } = await open(new CommitBench());
    await exchanges.open('one', { type: 'headers' });
    const headers = { late: 'yes', 'x-match': 'any' };
    const bound = await Promise.all([
      exchanges.bind('one', 't', 'k', { headers }),
      exchanges.bind('one', { topic: 't' }, 'k', { headers: { ...headers } }),
    ]);
    expect(bound[0]).toEqual(bound[1]);
    await exchanges.bind('one', 't', 'k');
    expect(keysOf(exchanges, 'one')).toEqual(['k', 'k']);
    expect(await exchanges.unbind('one', 't', 'k', { headers })).toBe(true);
    expect(await exchanges.unbind('one', 't', 'k', { headers })).toBe(false);
    expect(keysOf(exchanges, 'one')).toEqual(['k']);
  });

  test('go with their last binding when they are made so, and so do those that led to them alone', async () => {
    const bench = new CommitBench();
    const { exchanges } = await open(bench);
    for (const name of ['first', 'second', 'third']) {
      await exchanges.open(name, { type: 'fanout', autoDelete: true });
    }
    await exchanges.open('stays', { type: 'fanout' });
    await exchanges.bind('first', { exchange: 'second' }, '');
    await exchanges.bind('second', { exchange: 'first' }, '');
    await exchanges.bind('stays', { exchange: 'second' }, '');
    await exchanges.bind('third', { exchange: 'second' }, '');
    await exchanges.bind('third', 't', '');
    const { version } = exchanges;
    await exchanges.unbind('second', { exchange: 'first' }, '');
    expect(exchanges.version).toBe(version + 1);
    const left = ['stays', 'third'];
    expect(namesOf(exchanges)).toEqual(left);
    expect([keysOf(exchanges, 'stays'), keysOf(exchanges, 'third')]).toEqual([[], ['']]);
    bench.cutPower();
    const again = (await open(bench)).exchanges;
    expect(namesOf(again)).toEqual(left);
    // Those of one change may be in another order.
    const { changes } = exchanges.history;
    expect(again.history.changes).toHaveLength(changes.length);
    expect(again.history.changes).toEqual(expect.arrayContaining([...changes]));
  });

  test('wait for their first binding, however long, also when they go with the last', async () => {
    const bench = new CommitBench();
    const { exchanges } = await open(bench);
    await exchanges.open('one', { type: 'topic', autoDelete: true });
    expect(await exchanges.unbind('one', 't', 'never')).toBe(false);
    expect(namesOf(exchanges)).toEqual(['one']);
    bench.cutPower();
    const again = (await open(bench)).exchanges;
    await again.reconcile();
    expect(namesOf(again)).toEqual(['one']);
    await again.bind('one', 't', 'a');
    await again.bind('one', 't', 'b');
    await again.unbind('one', 't', 'a');
    expect(namesOf(again)).toEqual(['one']);
    await again.unbind('one', 't', 'b');
    expect(namesOf(again)).toEqual([]);
  });

  test('lose what led to a topic that was deleted', async () => {
    const { exchanges, store } = await open(new CommitBench());
    await exchanges.open('one', { type: 'topic' });
    await exchanges.open('goes', { type: 'topic', autoDelete: true });
    await store.topic('other');
    await exchanges.bind('one', 't', 'kept');
    await exchanges.bind('one', 'other', 'lost');
    await exchanges.bind('goes', 'other', 'lost');
    await store.deleteTopic('other');
    expect(namesOf(exchanges)).toEqual(['one']);
    expect(keysOf(exchanges, 'one')).toEqual(['kept']);
  });

  test('are deleted with all that led to them, and their name is free', async () => {
    const { exchanges } = await open(new CommitBench());
    await exchanges.open('one', { type: 'topic' });
    await exchanges.open('two', { type: 'topic', alternate: 'one' });
    await exchanges.bind('two', { exchange: 'one' }, '#');
    await exchanges.bind('one', { exchange: 'one' }, '#');
    await exchanges.delete('one');
    expect(exchanges.list()).toMatchObject([{ name: 'two', alternate: null, bindingCount: 0 }]);
    const anew = await exchanges.open('one', { type: 'direct' });
    expect(anew).toMatchObject({ type: 'direct', bindingCount: 0 });
    expect(exchanges.describe('two').alternate).toBeNull(); // Another one of that name.
    expect((await exchanges.setAlternate('two', 'one')).alternate).toBe('one');
  });

  test('stay as they were when a change finds no room on the disk', async () => {
    const bench = new CommitBench();
    const { exchanges } = await open(bench);
    await exchanges.open('one', { type: 'topic' });
    bench.fileSystem.capacityBytes = 0;
    const bind = exchanges.bind('one', 't', 'a'.repeat(200));
    expect(await rejectionOf(bind)).toBeInstanceOf(DiskFullError);
    expect([keysOf(exchanges, 'one'), exchanges.version]).toEqual([[], 1]);
    bench.fileSystem.capacityBytes = 2 ** 40;
    await exchanges.bind('one', 't', 'b');
    expect([keysOf(exchanges, 'one'), exchanges.version]).toEqual([['b'], 2]);
  });
});
