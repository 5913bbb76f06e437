/** What is kept of what a topic stores once: nothing acts on it here. */
import { describe, expect, test } from 'vitest';

import type { DedupConfig } from '../../../src/index.ts';
import { alterTopic, createTopic } from '../../../src/store/control-verbs.ts';
import { createQueue } from '../../../src/store/queue-setting-verbs.ts';
import type { Store } from '../../../src/store/store.ts';
import { askChecked } from '../../support/control-bench.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const DEFAULTS = { dedupWindowMs: 300_000, dedupBy: 'id', dedupScope: 'topic' };
const OTHERS = { dedupWindowMs: 60_000, dedupBy: 'content', dedupScope: 'key' } as const;
const YEAR_MS = 31_536_000_000;
const REFUSED = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
const NO_QUEUE = {
  name: 'RangeError',
  code: 'ERR_VARVE_INVALID_ARGUMENT',
  message:
    'Expected `dedupWindowMs` to be a number of ms: records are settled in queues alone, ' +
    'got `"settled"` (string)',
};

function optionsOf(store: Store, topic: string) {
  const { dedupWindowMs, dedupBy, dedupScope } = store.describeTopic(topic).options;
  return { dedupWindowMs, dedupBy, dedupScope };
}

describe('the options of deduplication', () => {
  test('are kept as they were given, or as by default, and are the same after reopening', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('plain');
    await store.topic('other', OTHERS);
    await store.topic('longest', { dedupWindowMs: YEAR_MS, dedupScope: 'key' });
    await store.topic('shortest', { dedupWindowMs: 1 });
    const again = await bench.reopen(store);
    expect(optionsOf(again, 'plain')).toEqual(DEFAULTS);
    expect(optionsOf(again, 'other')).toEqual(OTHERS);
    const longest = { ...DEFAULTS, dedupWindowMs: YEAR_MS, dedupScope: 'key' };
    expect(optionsOf(again, 'longest')).toEqual(longest);
    expect(optionsOf(again, 'shortest').dedupWindowMs).toBe(1);
    await again.close();
  });

  test('are altered one by one, also from a snapshot of the state', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await store.topic('t', { compression: 'gzip' });
    await store.alterTopic('t', { dedupBy: 'content' });
    await store.snapshot();
    await store.alterTopic('t', { dedupWindowMs: 2000 });
    const wanted = { dedupWindowMs: 2000, dedupBy: 'content', dedupScope: 'topic' };
    const again = await bench.reopen(store);
    expect(optionsOf(again, 't')).toEqual(wanted);
    await again.alterTopic('t', { retentionMs: 1000 });
    await again.snapshot();
    const third = await bench.reopen(again);
    expect(optionsOf(third, 't')).toEqual(wanted);
    expect(third.describeTopic('t').options).toMatchObject({ compression: 'gzip' });
    await third.close();
  });

  test('that are not what is stored are a conflict, and what is left out is not compared', async () => {
    const store = await new StoreBench().open();
    await store.topic('t', OTHERS);
    await store.topic('t');
    await store.topic('t', { dedupScope: 'key' });
    await expect(store.topic('t', { dedupWindowMs: 60_001 })).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      details: { stored: 'dedupWindowMs 60000', requested: 'dedupWindowMs 60001' },
    });
    await expect(store.topic('t', { dedupBy: 'id' })).rejects.toMatchObject({
      details: { stored: 'dedupBy content', requested: 'dedupBy id' },
    });
    await store.close();
  });

  test.each([
    ['no time at all', { dedupWindowMs: 0 }],
    ['more than a year', { dedupWindowMs: YEAR_MS + 1 }],
    ['a part of a millisecond', { dedupWindowMs: 1.5 }],
    ['null, which is no time either', { dedupWindowMs: null }],
    ['another word', { dedupWindowMs: 'never' }],
    ['another thing to go by', { dedupBy: 'key' }],
    ['another scope', { dedupScope: 'partition' }],
  ])('are refused for %s, and nothing is made or altered', async (_, given) => {
    const store = await new StoreBench().open();
    const config = given as unknown as DedupConfig;
    await store.topic('t', OTHERS);
    await expect(store.alterTopic('t', config)).rejects.toMatchObject(REFUSED);
    expect(optionsOf(store, 't')).toEqual(OTHERS);
    await expect(store.topic('new', config)).rejects.toMatchObject(REFUSED);
    await expect(store.queue('new', config)).rejects.toMatchObject(REFUSED);
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
    const options = { dedupWindowMs: 5 };
    const altered = await askChecked(store, alterTopic, { topic: 't', options });
    expect(altered.options).toMatchObject({ ...OTHERS, dedupWindowMs: 5 });
    const queue = { topic: 'q', partitions: 1, durability: 'sync', settings: {} } as const;
    await askChecked(store, createQueue, { ...queue, dedup: { dedupWindowMs: 'settled' } });
    expect(optionsOf(store, 'q')).toEqual({ ...DEFAULTS, dedupWindowMs: 'settled' });
    const bad = { topic: 't', options: { dedupWindowMs: 'never' } };
    expect(() => alterTopic.args.check('args', bad)).toThrow('args.options.dedupWindowMs');
    await store.close();
  });
});

describe('a window until records are settled', () => {
  test('is for queues: kept, altered, and the same after reopening', async () => {
    const bench = new StoreBench();
    const store = await bench.open();
    await (await store.queue('made', { dedupWindowMs: 'settled' })).close();
    await (await store.queue('altered')).close();
    await store.alterTopic('altered', { dedupWindowMs: 'settled' });
    await store.topic('altered', { dedupWindowMs: 'settled' }); // Its topic is a queue's.
    const again = await bench.reopen(store);
    for (const name of ['made', 'altered']) {
      expect(optionsOf(again, name)).toEqual({ ...DEFAULTS, dedupWindowMs: 'settled' });
    }
    await (await again.queue('made', { dedupWindowMs: 'settled' })).close();
    await again.alterTopic('made', { dedupWindowMs: 7 });
    expect(optionsOf(again, 'made').dedupWindowMs).toBe(7);
    await again.close();
  });

  test('is refused for a topic that is no queue, and for the log of an exchange', async () => {
    const store = await new StoreBench().open();
    await store.topic('plain');
    await (await store.topic('shared')).shareGroup('workers');
    const until = { dedupWindowMs: 'settled' } as const;
    await expect(store.topic('new', until)).rejects.toMatchObject(NO_QUEUE);
    await expect(store.alterTopic('plain', until)).rejects.toMatchObject(NO_QUEUE);
    await expect(store.alterTopic('shared', until)).rejects.toMatchObject(NO_QUEUE);
    const exchange = store.exchange('news', { type: 'topic', source: until });
    await expect(exchange).rejects.toMatchObject(NO_QUEUE);
    expect(store.topics().map(({ name }) => name)).toEqual(['plain', 'shared']);
    expect(store.exchanges()).toEqual([]);
    // What is there already is not made a queue with it.
    await expect(store.queue('plain', until)).rejects.toMatchObject({ code: 'ERR_VARVE_CONFLICT' });
    expect(store.queues()).toEqual([]);
    await store.close();
  });

  test('keeps nobody from altering a topic whose queue is gone', async () => {
    const store = await new StoreBench().open();
    await (await store.queue('q', { dedupWindowMs: 'settled' })).close();
    await (await store.topic('q')).deleteShareGroup('queue');
    await store.alterTopic('q', { retentionMs: 1000 });
    expect(optionsOf(store, 'q').dedupWindowMs).toBe('settled');
    const until = { dedupWindowMs: 'settled' } as const;
    await expect(store.alterTopic('q', until)).rejects.toMatchObject(NO_QUEUE);
    await store.alterTopic('q', { dedupWindowMs: 1000 });
    expect(optionsOf(store, 'q').dedupWindowMs).toBe(1000);
    await store.close();
  });
});
