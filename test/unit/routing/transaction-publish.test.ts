/** What transactions publish: where it goes, when it is there, and what becomes of it when they fail. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { ClosedError, ConflictError, TooLargeError } from '../../../src/core/errors.ts';
import { UnroutableError } from '../../../src/core/routing-errors.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { ExchangeOptions } from '../../../src/routing/exchange-options.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import type { TransactionOptions } from '../../../src/transaction/transaction-options.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { RoutingDisk } from '../../support/routing-disk.ts';

interface Bench {
  readonly disk: RoutingDisk;
  readonly events: Exchange<string>;
  /** Runs a transaction to its end. */
  readonly commit: <R>(
    action: (tx: Transaction) => R | Promise<R>,
    options?: TransactionOptions,
  ) => Promise<R>;
}

async function bench(options: ExchangeOptions = { type: 'topic' }): Promise<Bench> {
  const disk = await RoutingDisk.make();
  onTestFinished(() => disk.close().catch(() => undefined));
  const events = await disk.exchange('events', options);
  await disk.run(disk.store.topic('plain'));
  return {
    disk,
    events,
    commit: (action, how) => disk.run(disk.store.transaction(action, how)),
  };
}

const ROUTED = { confirm: 'routed' } as const;

/** Appends to a topic beside what is published. */
async function plain({ disk }: Bench) {
  return disk.run(disk.store.topic('plain', { codec: utf8 }));
}

describe('publishing in a transaction', () => {
  test('is appended with all else, says where it goes, and is copied to there', async () => {
    const setting = await bench();
    const { disk, events, commit } = setting;
    await disk.bound(events, 'one', 'two');
    const topic = await plain(setting);
    await disk.run(events.publish('before', { routingKey: 'a' }));
    const [first, second, appended] = await commit((tx) => {
      const all = [
        tx.publish(events, 'x', { routingKey: 'a.b', key: 'k', headers: { h: '1' } }),
        tx.publish(events, null, { routingKey: 'c' }),
        tx.append(topic, { value: 'y' }),
      ] as const;
      expect(all.map(({ result }) => result)).toEqual([null, null, null]);
      return all;
    }, ROUTED);
    const destinations = ['one', 'two'];
    expect(first.result).toEqual({ offset: 1, durability: 'sync', duplicate: false, destinations });
    expect(second.result).toEqual({
      offset: 2,
      durability: 'sync',
      duplicate: false,
      destinations,
    });
    expect(appended.result).toMatchObject({ recordCount: 1 });
    for (const name of destinations) {
      expect(await disk.values(name)).toEqual(['before', 'x', null]);
    }
    const one = await disk.run(disk.store.topic('one', { codec: utf8 }));
    const copy = await disk.run(one.read({ partition: 0, offset: 1 }));
    expect(copy?.key).toBe('k');
    expect(Buffer.from(copy?.headers?.get('h') ?? '').toString()).toBe('1');
  });

  test('goes to several exchanges by the further keys, the headers and the alternate', async () => {
    const { disk, events, commit } = await bench({ type: 'direct', alternate: null });
    const byHeaders = await disk.exchange('by-headers', { type: 'headers' });
    for (const name of ['main', 'copied', 'hidden', 'large', 'rest']) {
      await disk.run(disk.store.topic(name));
    }
    for (const name of ['main', 'copied', 'hidden']) {
      await disk.run(events.bind(name, { pattern: name }));
    }
    await disk.run(byHeaders.bind('large', { headers: { size: 'large' } }));
    const rest = await disk.exchange('rest', { type: 'fanout' });
    await disk.run(rest.bind('rest'));
    await disk.run(events.setAlternate('rest'));
    const published = await commit(
      (tx) => [
        tx.publish(events, 'a', { routingKey: 'main', cc: ['copied'], bcc: ['hidden'] }),
        tx.publish(byHeaders, 'b', { headers: { size: 'large' } }),
        tx.publish(byHeaders, 'c', { headers: { size: 'small' } }),
        tx.publish(events, 'd', { routingKey: 'nowhere' }),
      ],
      ROUTED,
    );
    expect(published.map(({ result }) => result)).toEqual([
      {
        offset: 0,
        durability: 'sync',
        duplicate: false,
        destinations: ['copied', 'hidden', 'main'],
      },
      { offset: 0, durability: 'sync', duplicate: false, destinations: ['large'] },
      { offset: 1, durability: 'sync', duplicate: false, destinations: [] },
      { offset: 1, durability: 'sync', duplicate: false, destinations: ['rest'] },
    ]);
    for (const name of ['main', 'copied', 'hidden']) expect(await disk.values(name)).toEqual(['a']);
    expect(await disk.values('large')).toEqual(['b']);
    expect(await disk.values('rest')).toEqual(['d']);
  });

  test('goes by the bindings as they are when it is committed', async () => {
    const { disk, events, commit } = await bench();
    await disk.bound(events, 'one', 'two');
    const published = await commit(async (tx) => {
      const early = tx.publish(events, 'x', { mandatory: true });
      await events.unbind('one', { pattern: '#' });
      return early;
    }, ROUTED);
    expect(published.result?.destinations).toEqual(['two']);
    expect(await disk.values('two')).toEqual(['x']);
    expect(await disk.values('one')).toEqual([]);
  });

  test('that must go somewhere and does not fails the transaction, and nothing happened', async () => {
    const setting = await bench();
    const { disk, events, commit } = setting;
    await disk.run(disk.store.topic('one'));
    await disk.run(events.bind('one', { pattern: 'a' }));
    const topic = await plain(setting);
    const failing = commit((tx) => {
      tx.append(topic, { value: 'y' });
      tx.publish(events, 'routed', { routingKey: 'a', mandatory: true });
      tx.publish(events, 'lost', { routingKey: 'b', mandatory: true });
    });
    await expect(failing).rejects.toThrow(UnroutableError);
    await expect(failing).rejects.toMatchObject({
      details: { exchange: 'events', routingKey: 'b' },
    });
    await commit((tx) => tx.publish(events, 'lost', { routingKey: 'b' }));
    for (const name of ['plain', 'one']) expect(await disk.values(name)).toEqual([]);
    expect(await disk.values('exchange:events')).toEqual(['lost']);
  });

  test('refuses what is wrong by itself at once, and goes on without it', async () => {
    const { disk, events, commit } = await bench();
    await disk.bound(events, 'one');
    const inner = await disk.exchange('inner', { type: 'fanout', internal: true });
    const other = await bench();
    const othersDefault = await other.disk.run(other.disk.store.exchange('', { codec: utf8 }));
    const wrong = [
      { confirm: 'routed' },
      { durability: 'os' },
      { routingkey: 'a' },
      { mandatory: 1 },
    ];
    await commit((tx) => {
      for (const options of wrong) {
        expect(() => tx.publish(events, 'x', options as object)).toThrow(TypeError);
      }
      expect(() => tx.publish(events, 'x', { routingKey: 'k'.repeat(256) })).toThrow(TooLargeError);
      expect(() => tx.publish(events, 'x'.repeat(9_000_000))).toThrow(TooLargeError);
      expect(() => tx.publish(inner, 'x')).toThrow(ConflictError);
      expect(() => tx.publish(other.events, 'x')).toThrow('of the store of the transaction');
      expect(() => tx.publish(othersDefault, 'x')).toThrow('of the store of the transaction');
      expect(() => tx.publish({} as never, 'x')).toThrow('an exchange');
      expect(() => tx.publish(null as never, 'x')).toThrow(TypeError);
      tx.publish(events, 'right');
    });
    expect(await disk.values('exchange:events')).toEqual(['right']);
  });

  test('counts in the listing, and is nothing when the transaction is abandoned', async () => {
    const { disk, events, commit } = await bench();
    await disk.bound(events, 'one');
    const aborted = commit((tx) => {
      tx.publish(events, 'x');
      const [open] = disk.store.transactions().open;
      expect(open).toMatchObject({ appendCount: 1 });
      expect(open?.sizeBytes).toBeGreaterThan(20);
      throw new Error('no');
    });
    await expect(aborted).rejects.toThrow('no');
    await disk.settle(events);
    expect(await disk.values('one')).toEqual(['settle']);
  });
});

describe('while a transaction that publishes is committed', () => {
  test.each(['os', 'sync'] as const)(
    'there is no copy before it is durable, and none before all of it is in sight, at %s',
    async (durability) => {
      const { disk } = await bench();
      const exchanges = [
        await disk.exchange('left', { type: 'fanout', source: { durability } }),
        await disk.exchange('right', { type: 'fanout', source: { durability } }),
      ];
      for (const exchange of exchanges) await disk.bound(exchange, 'one');
      await disk.close();
      const syncs = new HeldSyncs(disk.disk.fileSystem, '/journal/0');
      await disk.open();
      onTestFinished(() => syncs.release());
      const opened = await Promise.all(['left', 'right'].map((name) => disk.exchange(name)));
      const names = ['plain', 'exchange:left', 'exchange:right', 'one'];
      const topics = await Promise.all(names.map((name) => disk.run(disk.store.topic(name))));
      const logs = await Promise.all(
        topics.map(({ partitions }) => disk.run(partitions.at(0).log())),
      );
      const samples: string[] = [];
      const sample = (): void => {
        const now = logs.map(({ visibleOffset }) => visibleOffset).join();
        if (samples.at(-1) !== now) samples.push(now);
      };
      syncs.hold();
      const [plainTopic] = topics;
      const done = disk.store.transaction((tx) => {
        for (const exchange of opened) tx.publish(exchange, 'x');
        tx.append(present(plainTopic, 'opened above'), { value: Buffer.from('x') });
      }, ROUTED);
      const watch = async (): Promise<void> => {
        for (let n = 0; n < 50; n++) {
          await Promise.resolve();
          sample();
        }
        await disk.turns(1);
        disk.disk.clock.advance(100);
      };
      for (let turn = 0; turn < 30; turn++) await watch();
      expect(samples).toEqual(['0,0,0,0']);
      syncs.release();
      for (let turn = 0; turn < 30; turn++) await watch();
      await disk.run(done);
      expect(samples.slice(0, 2)).toEqual(['0,0,0,0', '1,1,1,0']);
      expect(samples.at(-1)).toBe('1,1,1,2');
    },
  );
});

describe('an exchange that is deleted', () => {
  test('before the transaction is committed: nothing happens', async () => {
    const setting = await bench();
    const { disk, events, commit } = setting;
    await disk.bound(events, 'one');
    const topic = await plain(setting);
    const late = commit(async (tx) => {
      tx.publish(events, 'x');
      tx.append(topic, { value: 'y' });
      await disk.store.deleteExchange('events');
      expect(() => tx.publish(events, 'x')).toThrow(ClosedError);
    });
    await expect(late).rejects.toMatchObject({
      code: 'ERR_VARVE_CLOSED',
      details: { resource: 'exchange', name: 'events' },
    });
    for (const name of ['plain', 'one']) expect(await disk.values(name)).toEqual([]);
  });

  test('behind that has its records copied to where they went', async () => {
    const { disk, events, commit } = await bench();
    await disk.bound(events, 'one');
    await disk.run(events.publish('opens the log', ROUTED));
    await disk.close();
    const syncs = new HeldSyncs(disk.disk.fileSystem, '/journal/0');
    await disk.open();
    const again = await disk.exchange('events');
    await disk.run(again.stats()); // Opens its log.
    onTestFinished(() => syncs.release());
    syncs.hold();
    const published = commit((tx) => tx.publish(again, 'x'));
    await disk.turns(5);
    const deleting = disk.store.deleteExchange('events');
    await disk.turns(5);
    expect(await disk.values('one')).toEqual(['opens the log']);
    syncs.release();
    expect((await published).result).toMatchObject({ offset: 1, destinations: ['one'] });
    await disk.run(deleting);
    await disk.until(async () => (await disk.values('one')).length === 2);
    expect(await disk.values('one')).toEqual(['opens the log', 'x']);
  });
});

describe('`confirm: routed` of a transaction', () => {
  test('stops waiting with the signal: it is committed, and copied all the same', async () => {
    const { disk, events } = await bench();
    await disk.bound(events, 'one');
    await disk.run(events.publish('opens the logs', ROUTED));
    const full = { operations: ['write'], path: disk.filesOf('one'), errno: 'ENOSPC' } as const;
    disk.disk.fileSystem.addFault({ ...full, times: Number.POSITIVE_INFINITY });
    const ending = new AbortController();
    const published: { readonly result: unknown }[] = [];
    const options = { ...ROUTED, signal: ending.signal, timeoutMs: 100 };
    const done = disk.store.transaction((tx) => {
      published.push(tx.publish(events, 'x'));
    }, options);
    const reason = new Error('enough');
    const ended = done.catch((error: unknown) => error);
    await disk.turns(50);
    await disk.step(200);
    expect(disk.store.transactions().open).toEqual([]);
    ending.abort(reason);
    expect(await ended).toBe(reason);
    expect(published).toMatchObject([{ result: { offset: 1, destinations: ['one'] } }]);
    disk.disk.fileSystem.clearFaults();
    await disk.until(async () => (await disk.values('one')).length === 2);
  });

  test('ends with the store, and the next opening copies it', async () => {
    const { disk, events } = await bench();
    await disk.bound(events, 'one');
    await disk.run(events.publish('opens the logs', ROUTED));
    const full = { operations: ['write'], path: disk.filesOf('one'), errno: 'ENOSPC' } as const;
    disk.disk.fileSystem.addFault({ ...full, times: Number.POSITIVE_INFINITY });
    const done = disk.store.transaction((tx) => tx.publish(events, 'x'), ROUTED);
    const ended = done.catch((error: unknown) => error);
    await disk.until(() => disk.store.transactions().open.length === 0);
    await disk.turns(20);
    await disk.close();
    expect(await ended).toBeInstanceOf(ClosedError);
    disk.disk.fileSystem.clearFaults();
    await disk.open();
    await disk.until(async () => (await disk.values('one')).length === 2);
    expect(await disk.values('one')).toEqual(['opens the logs', 'x']);
  });

  test('is refused when it is something else', async () => {
    const { commit } = await bench();
    await expect(commit(() => 1, { confirm: 'logged' as never })).rejects.toThrow(
      'one of committed, routed',
    );
    expect(await commit(() => 'nothing to wait for', ROUTED)).toBe('nothing to wait for');
  });
});

describe('the default exchange in a transaction', () => {
  test('appends to what has the name, with all else for it, in order', async () => {
    const setting = await bench();
    const { disk, commit } = setting;
    const direct = await disk.run(disk.store.exchange('', { codec: utf8 }));
    const topic = await plain(setting);
    const [first, , third, none] = await commit(
      (tx) => [
        tx.publish(direct, 'a', { routingKey: 'plain', key: 'k' }),
        tx.append(topic, { value: 'b' }),
        tx.publish(direct, 'c', { routingKey: 'plain', mandatory: true }),
        tx.publish(direct, 'd', { routingKey: 'nothing' }),
        tx.publish(direct, 'e', { routingKey: 'exchange:events' }),
      ],
      ROUTED,
    );
    const where = {
      destinations: ['plain'],
      partition: 0,
      durability: 'sync',
      duplicate: false,
    };
    expect(first?.result).toEqual({ ...where, offset: 0 });
    expect(third?.result).toEqual({ ...where, offset: 2 });
    expect(none?.result).toEqual({
      destinations: [],
      partition: null,
      offset: null,
      durability: null,
      duplicate: false,
    });
    expect(await disk.values('plain')).toEqual(['a', 'b', 'c']);
    expect(await disk.values('exchange:events')).toEqual([]);
  });

  test('refuses at once what must go somewhere, and knows a topic that was made again', async () => {
    const { disk, commit } = await bench();
    const direct = await disk.run(disk.store.exchange('', { codec: utf8 }));
    const send = (tx: Transaction) =>
      tx.publish(direct, 'x', { routingKey: 'plain', mandatory: true });
    await commit((tx) => {
      const options = { routingKey: 'nothing', mandatory: true };
      expect(() => tx.publish(direct, 'x', options)).toThrow(UnroutableError);
      expect(() => tx.publish(direct, 'x', { cc: ['a'] } as object)).toThrow(TypeError);
      send(tx);
    });
    await disk.run(disk.store.deleteTopic('plain'));
    await expect(commit(send)).rejects.toThrow(UnroutableError);
    await disk.run(disk.store.topic('plain'));
    expect((await commit(send)).result).toMatchObject({ offset: 0 });
    const late = commit(async (tx) => {
      send(tx);
      await disk.store.deleteTopic('plain');
    });
    await expect(late).rejects.toThrow(ClosedError);
  });
});
