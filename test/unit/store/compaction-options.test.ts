/** What is kept of how a topic is compacted, and what that is refused beside: nothing acts on it here. */
import { describe, expect, test } from 'vitest';

import type { CompactionConfig, TopicConfig } from '../../../src/index.ts';
import { alterTopic, createTopic } from '../../../src/store/control-verbs.ts';
import { resolveStoreOptions } from '../../../src/store/store-options.ts';
import type { Store } from '../../../src/store/store.ts';
import { askChecked } from '../../support/control-bench.ts';
import { StoreBench } from '../../support/store-fixture.ts';
import { thrownBy } from '../../support/log-fixture.ts';

const DEFAULTS = {
  compaction: 'off',
  compactionLagMsMin: 0,
  compactionLagMsMax: null,
  compactionShareMin: 0.5,
  tombstoneRetentionMs: 86_400_000,
} as const;
const OTHERS = {
  compaction: 'key',
  compactionLagMsMin: 60_000,
  compactionLagMsMax: 7_200_000,
  compactionShareMin: 1 / 3, // No number of digits says it: it must come back as it was.
  tombstoneRetentionMs: 0,
} as const;
const MIB = 2 ** 20;
const REFUSED = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
const KEY = { compaction: 'key' } as const;

function optionsOf(store: Store, topic: string): unknown {
  const { compaction, compactionLagMsMin, compactionLagMsMax, ...others } =
    store.describeTopic(topic).options;
  const { compactionShareMin, tombstoneRetentionMs } = others;
  const lags = { compactionLagMsMin, compactionLagMsMax };
  return { compaction, ...lags, compactionShareMin, tombstoneRetentionMs };
}

function compactionOf(store: Store, topic: string): string {
  return store.describeTopic(topic).options.compaction;
}

describe('the options of compaction', () => {
  test('are kept as they were given, or as by default, and are the same after reopening', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('plain');
    await store.topic('other', OTHERS);
    await store.topic('most', { compactionLagMsMax: 2 ** 53 - 1, compactionShareMin: 1 });
    await store.topic('least', { compactionLagMsMax: 1, compactionShareMin: 0.01 });
    const again = await bench.reopen(store);
    expect(optionsOf(again, 'plain')).toEqual(DEFAULTS);
    expect(optionsOf(again, 'other')).toEqual(OTHERS);
    const most = { compactionLagMsMax: 2 ** 53 - 1, compactionShareMin: 1 };
    expect(optionsOf(again, 'most')).toEqual({ ...DEFAULTS, ...most });
    const least = { compactionLagMsMax: 1, compactionShareMin: 0.01 };
    expect(optionsOf(again, 'least')).toEqual({ ...DEFAULTS, ...least });
    await again.topic('other', OTHERS); // The same share is no conflict.
    await again.close();
  });

  test('are altered one by one, also from a snapshot of the state', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('t', { dedupBy: 'content' });
    await store.alterTopic('t', { compactionShareMin: 0.25, compactionLagMsMax: 5000 });
    await store.snapshot();
    await store.alterTopic('t', KEY);
    const wanted = { ...DEFAULTS, ...KEY, compactionShareMin: 0.25, compactionLagMsMax: 5000 };
    const again = await bench.reopen(store);
    expect(optionsOf(again, 't')).toEqual(wanted);
    await again.alterTopic('t', { compactionLagMsMax: null, tombstoneRetentionMs: 7 });
    await again.snapshot();
    const third = await bench.reopen(again);
    const altered = { compactionLagMsMax: null, tombstoneRetentionMs: 7 };
    expect(optionsOf(third, 't')).toEqual({ ...wanted, ...altered });
    expect(third.describeTopic('t').options).toMatchObject({ dedupBy: 'content' });
    await third.alterTopic('t', { compaction: 'off' });
    expect(compactionOf(third, 't')).toBe('off');
    await third.close();
  });

  test('that are not what is stored are a conflict, and what is left out is not compared', async () => {
    const store = await new StoreBench().open();
    await store.topic('t', OTHERS);
    await store.topic('t');
    await expect(store.topic('t', { compaction: 'off' })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'compaction key', requested: 'compaction off' },
    });
    await expect(store.topic('t', { compactionLagMsMax: null })).rejects.toMatchObject({
      details: { stored: 'compactionLagMsMax 7200000', requested: 'compactionLagMsMax null' },
    });
    await store.close();
  });

  test.each([
    ['another way', { compaction: 'keys' }],
    ['no way at all', { compaction: null }],
    ['a lag before now', { compactionLagMsMin: -1 }],
    ['no least lag', { compactionLagMsMin: null }],
    ['no time at all', { compactionLagMsMax: 0 }],
    ['a share of nothing', { compactionShareMin: 0.0099 }],
    ['a share of more than all', { compactionShareMin: 1.01 }],
    ['a share that is no number', { compactionShareMin: Number.NaN }],
    ['a share in words', { compactionShareMin: 'half' }],
    ['a time before now', { tombstoneRetentionMs: -1 }],
    ['a part of a millisecond', { tombstoneRetentionMs: 1.5 }],
    ['a segment that is due while it must be left alone', { compactionLagMsMax: 59_999 }],
  ])('are refused for %s, and nothing is made or altered', async (_, given) => {
    const store = await new StoreBench().open();
    const config = given as unknown as CompactionConfig;
    await store.topic('t', OTHERS);
    await expect(store.alterTopic('t', config)).rejects.toMatchObject(REFUSED);
    expect(optionsOf(store, 't')).toEqual(OTHERS);
    const fresh = { compactionLagMsMin: 60_000, ...config };
    await expect(store.topic('new', fresh)).rejects.toMatchObject(REFUSED);
    await expect(store.queue('new', fresh)).rejects.toMatchObject(REFUSED);
    const exchange = store.exchange('new', { type: 'topic', source: fresh });
    await expect(exchange).rejects.toMatchObject(REFUSED);
    expect(store.topics().map(({ name }) => name)).toEqual(['t']);
    await store.close();
  });

  test('come through the control verbs', async () => {
    const store = await new StoreBench().open();
    const made = await askChecked(store, createTopic, {
      topic: 't',
      partitions: 1,
      options: OTHERS,
    });
    expect(made.options).toMatchObject(OTHERS);
    const options = { compactionLagMsMax: null, compactionShareMin: 0.1 };
    const altered = await askChecked(store, alterTopic, { topic: 't', options });
    expect(altered.options).toMatchObject({ ...OTHERS, ...options });
    const bad = { topic: 't', options: { compactionShareMin: 2 } };
    expect(() => alterTopic.args.check('args', bad)).toThrow('args.options.compactionShareMin');
    await store.close();
  });
});

describe('the bounds of compaction', () => {
  test.each([
    ['compactionMapBytesMax', MIB, 1024 * MIB],
    ['compactionBytesPerSecondMax', 65_536, Number.MAX_SAFE_INTEGER],
  ])('%s of a store goes from %i to %i', (name, min, max) => {
    for (const value of [min, max]) {
      expect(resolveStoreOptions('/s', { [name]: value })).toMatchObject({ [name]: value });
    }
    for (const value of [min - 1, max + 1, 1.5]) {
      const error = thrownBy(() => resolveStoreOptions('/s', { [name]: value }));
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toContain(name);
    }
  });

  test('have defaults, and null is no bound of what they read and write', () => {
    const defaults = { compactionMapBytesMax: 128 * MIB, compactionBytesPerSecondMax: 64 * MIB };
    expect(resolveStoreOptions('/s', {})).toMatchObject(defaults);
    const own = { compactionMapBytesMax: 2 * MIB, compactionBytesPerSecondMax: null };
    expect(resolveStoreOptions('/s', own)).toMatchObject(own);
  });
});

describe('a compacted topic', () => {
  test('is not the source of an exchange', async () => {
    const store = await new StoreBench().open();
    const refused = { ...REFUSED, name: 'TypeError' };
    const made = store.exchange('news', { type: 'topic', source: KEY });
    await expect(made).rejects.toMatchObject(refused);
    expect([store.exchanges(), store.topics()]).toEqual([[], []]);
    await store.exchange('news', { type: 'topic', source: { compaction: 'off' } });
    await expect(store.alterTopic('exchange:news', KEY)).rejects.toMatchObject(refused);
    await expect(store.topic('exchange:news', KEY)).rejects.toMatchObject(refused);
    expect(compactionOf(store, 'exchange:news')).toBe('off');
    const shareMin = await store.alterTopic('exchange:news', { compactionShareMin: 0.2 });
    expect(shareMin.options.compactionShareMin).toBe(0.2); // It is the compaction that is refused.
    await store.close();
  });

  test('has the partitions that it was made with', async () => {
    const store = await new StoreBench().open();
    await store.topic('compacted', { ...KEY, partitions: 3 });
    await expect(store.addPartitions('compacted', 4)).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'compaction key', requested: '4 partitions' },
    });
    expect(store.describeTopic('compacted').partitionCount).toBe(3);
    await store.topic('grown');
    await store.addPartitions('grown', 2);
    await expect(store.alterTopic('grown', KEY)).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: {
        stored: 'partitions that were added: keys have moved',
        requested: 'compaction key',
      },
    });
    expect(compactionOf(store, 'grown')).toBe('off');
    await store.alterTopic('compacted', { compaction: 'off' });
    expect((await store.addPartitions('compacted', 4)).partitionCount).toBe(4);
    await store.close();
  });

  test('of two changes at once, only one adds partitions or compacts', async () => {
    const store = await new StoreBench().open();
    await store.topic('t');
    await store.topic('u');
    const compact = (name: string) => store.alterTopic(name, KEY);
    const grow = (name: string) => store.addPartitions(name, 2);
    for (const [name, actions] of [
      ['t', [compact, grow]],
      ['u', [grow, compact]],
    ] as const) {
      const outcomes = await Promise.allSettled(actions.map((action) => action(name)));
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const { partitionCount } = store.describeTopic(name);
      expect([compactionOf(store, name), partitionCount]).not.toEqual(['key', 2]);
    }
    await store.close();
  });
});

describe('a share group whose settled records go', () => {
  const SETTLED = { retention: 'settled' } as const;

  const retentionOf = async (store: Store, topic: string, group: string): Promise<string> => {
    const handle = await store.topic(topic, { create: false });
    return (await handle.describeShareGroup(group)).settings.retention;
  };

  test('keeps its topic from being compacted, whether it is a queue or not', async () => {
    const store = await new StoreBench().open();
    await (await store.queue('email')).close();
    const orders = await store.topic('orders');
    await (await orders.shareGroup('kept')).close();
    await (await orders.shareGroup('billing', SETTLED)).close();
    for (const [topic, group] of [
      ['email', 'queue'],
      ['orders', 'billing'],
    ] as const) {
      await expect(store.alterTopic(topic, KEY)).rejects.toMatchObject({
        code: 'ERR_VARVE_CONFLICT',
        details: {
          stored: `retention settled of share group ${group}`,
          requested: 'compaction key',
        },
      });
      expect(compactionOf(store, topic)).toBe('off');
    }
    await orders.deleteShareGroup('billing');
    await store.alterTopic('orders', KEY);
    expect(compactionOf(store, 'orders')).toBe('key');
    await store.close();
  });

  test('is not made on a compacted topic, and none becomes one', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t', KEY);
    const refused = {
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'compaction key of its topic', requested: 'retention settled' },
    };
    await expect(topic.shareGroup('billing', SETTLED)).rejects.toMatchObject(refused);
    await expect(store.queue('t', SETTLED)).rejects.toMatchObject(refused);
    expect(store.shareGroups()).toEqual([]);
    await (await topic.shareGroup('billing')).close();
    await expect(topic.alterShareGroup('billing', SETTLED)).rejects.toMatchObject(refused);
    expect(await retentionOf(store, 't', 'billing')).toBe('keep');
    await topic.alterShareGroup('billing', { retention: 'keep', leaseMs: 5000 });
    await store.alterTopic('t', { compaction: 'off' });
    await topic.alterShareGroup('billing', SETTLED);
    expect(await retentionOf(store, 't', 'billing')).toBe('settled');
    await store.close();
  });

  test('asked for with a compacted queue makes nothing, and by default such a queue keeps', async () => {
    const store = await new StoreBench().open();
    const both = store.queue('q', { ...KEY, ...SETTLED });
    await expect(both).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    expect(store.topics()).toEqual([]);
    await (await store.queue('q', KEY)).close();
    expect(await retentionOf(store, 'q', 'queue')).toBe('keep');
    await store.topic('dead', KEY); // Where dead records go a queue is made, and must be.
    const orders = await store.queue('orders', { deadLetter: 'dead' });
    await orders.send(new Uint8Array([1]));
    const [delivery] = await orders.acquire();
    await delivery?.reject('no use');
    expect(await retentionOf(store, 'dead', 'queue')).toBe('keep');
    await store.close();
  });

  test('of two changes at once, only one compacts or lets settled records go', async () => {
    const store = await new StoreBench().open();
    const make = async (name: string) => {
      const topic = await store.topic(name);
      await (await topic.shareGroup('billing')).close();
      return topic;
    };
    const races: readonly ((name: string) => Promise<readonly Promise<unknown>[]>)[] = [
      async (name) => {
        const topic = await make(name);
        return [store.alterTopic(name, KEY), topic.alterShareGroup('billing', SETTLED)];
      },
      async (name) => {
        const topic = await make(name);
        return [topic.alterShareGroup('billing', SETTLED), store.alterTopic(name, KEY)];
      },
      async (name) => {
        const topic = await make(name);
        return [store.alterTopic(name, KEY), topic.shareGroup('new', SETTLED)];
      },
      async (name) => {
        const topic = await make(name);
        return [topic.shareGroup('new', SETTLED), store.alterTopic(name, KEY)];
      },
    ];
    for (const [at, race] of races.entries()) {
      const name = `t${at}`;
      const outcomes = await Promise.allSettled(await race(name));
      const statuses = outcomes.map(({ status }) => status);
      expect(statuses.toSorted()).toEqual(['fulfilled', 'rejected']);
    }
    await store.close();
  });

  test.each<[string, 'keep' | 'settled', TopicConfig, boolean]>([
    ['both at once are refused', 'settled', KEY, false],
    ['compacted from now on, it keeps what is settled', 'keep', KEY, true],
    ['not compacted any more, it lets go', 'settled', { compaction: 'off' }, true],
  ])('changes with its topic: %s', async (_, retention, ofTopic, isTaken) => {
    const store = await new StoreBench().open();
    const isCompacted = ofTopic.compaction === 'off';
    const topic = await store.topic('t', { compaction: isCompacted ? 'key' : 'off' });
    const before = retention === 'keep' ? 'settled' : 'keep';
    await (await topic.shareGroup('billing', { retention: before })).close();
    const altering = topic.alterShareGroup('billing', { retention }, ofTopic);
    if (isTaken) await altering;
    else await expect(altering).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    const stored = [compactionOf(store, 't'), await retentionOf(store, 't', 'billing')];
    const wanted = [ofTopic.compaction, retention];
    expect(stored).toEqual(isTaken ? wanted : [isCompacted ? 'key' : 'off', before]);
    await store.close();
  });

  test('that changes with its topic does not hide another one', async () => {
    const store = await new StoreBench().open();
    const topic = await store.topic('t');
    for (const name of ['one', 'other']) await (await topic.shareGroup(name, SETTLED)).close();
    const altering = topic.alterShareGroup('one', { retention: 'keep' }, KEY);
    await expect(altering).rejects.toMatchObject({
      details: { stored: 'retention settled of share group other' },
    });
    expect(await retentionOf(store, 't', 'one')).toBe('settled');
    await store.close();
  });
});
