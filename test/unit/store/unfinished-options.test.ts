/** What is kept, and refused, of what retention does with records that are needed: nothing acts on it here. */
import { describe, expect, test } from 'vitest';

import type { UnfinishedConfig } from '../../../src/index.ts';
import { alterTopic, createTopic } from '../../../src/store/control-verbs.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const ARCHIVE = { unfinished: 'archive', archiveTo: 'late' } as const;
const REFUSED = { code: 'ERR_VARVE_INVALID_ARGUMENT' };
const NO_LATE = { code: 'ERR_VARVE_NOT_FOUND', details: { kind: 'topic', name: 'late' } };

function optionsOf(store: Store, topic: string): unknown {
  const { unfinished, archiveTo } = store.describeTopic(topic).options;
  return { unfinished, archiveTo };
}

/** With topics `t` and `late`. */
async function opened(bench = new StoreBench()): Promise<Store> {
  const store = await bench.open();
  await store.topic('late');
  await store.topic('t');
  return store;
}

describe('what becomes of unfinished work', () => {
  test('is kept as it was given, or left to what the topic is, and is the same after reopening', async () => {
    const bench = new StoreBench();
    const store = await opened(bench);
    await store.topic('archived', ARCHIVE);
    await store.topic('passed', { unfinished: 'skip' });
    await (await store.queue('waits', { unfinished: 'wait', archiveTo: 'late' })).close();
    await store.topic('named', { archiveTo: 'late' }); // For later.
    const again = await bench.reopen(store);
    expect(optionsOf(again, 't')).toEqual({ unfinished: null, archiveTo: null });
    expect(optionsOf(again, 'archived')).toEqual(ARCHIVE);
    expect(optionsOf(again, 'passed')).toEqual({ unfinished: 'skip', archiveTo: null });
    expect(optionsOf(again, 'waits')).toEqual({ unfinished: 'wait', archiveTo: 'late' });
    expect(optionsOf(again, 'named')).toEqual({ unfinished: null, archiveTo: 'late' });
    await again.topic('archived', ARCHIVE);
    await expect(again.topic('archived', { unfinished: 'skip' })).rejects.toMatchObject({
      details: { stored: 'unfinished archive', requested: 'unfinished skip' },
    });
    await again.close();
  });

  test('is altered, also back to what the topic is, and from a snapshot of the state', async () => {
    const bench = new StoreBench();
    const store = await opened(bench);
    await store.alterTopic('t', { unfinished: 'wait' });
    await store.alterTopic('t', ARCHIVE);
    await store.snapshot();
    const again = await bench.reopen(store);
    expect(optionsOf(again, 't')).toEqual(ARCHIVE);
    await again.alterTopic('t', { retentionMs: 1000 });
    expect(optionsOf(again, 't')).toEqual(ARCHIVE);
    await again.alterTopic('t', { unfinished: null });
    expect(optionsOf(again, 't')).toEqual({ unfinished: null, archiveTo: 'late' });
    await again.alterTopic('t', { archiveTo: null });
    expect(optionsOf(again, 't')).toEqual({ unfinished: null, archiveTo: null });
    await again.close();
  });

  test.each([
    ['another word', { unfinished: 'drop' }],
    ['an empty name', { archiveTo: '' }],
    ['no name', { archiveTo: 5 }],
    ['nowhere to archive in', { unfinished: 'archive', archiveTo: null }],
    ['nothing said of where to archive', { unfinished: 'archive' }],
    ['the source of an exchange', { ...ARCHIVE, archiveTo: 'exchange:news' }],
  ])('is refused for %s, and nothing is made or altered', async (_, given) => {
    const store = await opened();
    await store.exchange('news', { type: 'topic' });
    const config = given as unknown as UnfinishedConfig;
    await expect(store.alterTopic('t', config)).rejects.toMatchObject(REFUSED);
    expect(optionsOf(store, 't')).toEqual({ unfinished: null, archiveTo: null });
    const names = store.topics().map(({ name }) => name);
    await expect(store.topic('new', config)).rejects.toMatchObject(REFUSED);
    await expect(store.queue('new', config)).rejects.toMatchObject(REFUSED);
    expect(store.topics().map(({ name }) => name)).toEqual(names);
    await store.close();
  });

  test('comes through the control verbs', async () => {
    const store = await opened();
    const args = { topic: 'new', partitions: 1, options: ARCHIVE };
    const made = await createTopic.run(store, createTopic.args.check('args', args));
    expect(createTopic.answer.check('answer', made).options).toMatchObject(ARCHIVE);
    const options = { unfinished: null, archiveTo: null };
    const checked = alterTopic.args.check('args', { topic: 'new', options });
    expect((await alterTopic.run(store, checked)).options).toMatchObject(options);
    const bad = { topic: 'new', options: { unfinished: 'drop' } };
    expect(() => alterTopic.args.check('args', bad)).toThrow('args.options.unfinished');
    await store.close();
  });
});

describe('the topic to archive in', () => {
  test('is another one', async () => {
    const store = await opened();
    const own = { ...REFUSED, name: 'RangeError' };
    await expect(store.alterTopic('t', { archiveTo: 't' })).rejects.toMatchObject(own);
    await expect(store.topic('new', { archiveTo: 'new' })).rejects.toMatchObject(own);
    expect(store.topics().map(({ name }) => name)).toEqual(['late', 't']);
    await store.close();
  });

  test('is there when it is named', async () => {
    const store = await new StoreBench().open();
    await store.topic('t');
    await expect(store.alterTopic('t', ARCHIVE)).rejects.toMatchObject(NO_LATE);
    await expect(store.topic('new', ARCHIVE)).rejects.toMatchObject(NO_LATE);
    const exchange = store.exchange('news', { type: 'topic', source: ARCHIVE });
    await expect(exchange).rejects.toMatchObject(NO_LATE);
    expect(store.topics().map(({ name }) => name)).toEqual(['t']);
    await (await store.queue('late')).close(); // A queue is a topic, too.
    await store.alterTopic('t', ARCHIVE);
    expect(optionsOf(store, 't')).toEqual(ARCHIVE);
    await store.close();
  });

  test('may be deleted: its name stays, and is not looked for until it is named again', async () => {
    const store = await opened();
    await store.alterTopic('t', ARCHIVE);
    await store.deleteTopic('late');
    await store.topic('t', ARCHIVE);
    await store.alterTopic('t', { retentionMs: 1000 });
    expect(optionsOf(store, 't')).toEqual(ARCHIVE);
    await expect(store.alterTopic('t', { archiveTo: 'late' })).rejects.toMatchObject(NO_LATE);
    await expect(store.alterTopic('t', { unfinished: 'archive' })).rejects.toMatchObject(NO_LATE);
    await store.alterTopic('t', { unfinished: 'wait' });
    expect(optionsOf(store, 't')).toEqual({ unfinished: 'wait', archiveTo: 'late' });
    await store.topic('late');
    await store.alterTopic('t', { unfinished: 'archive' });
    await store.close();
  });

  test('does not archive here, by whatever way round', async () => {
    const store = await opened();
    await store.topic('between', { unfinished: 'archive', archiveTo: 'late' });
    await store.alterTopic('late', { unfinished: 'archive', archiveTo: 't' });
    const round = (topic: string) => ({
      code: 'ERR_VARVE_CONFLICT',
      details: { name: topic, stored: 'archiveTo t' },
    });
    await expect(store.alterTopic('t', ARCHIVE)).rejects.toMatchObject(round('late'));
    const between = { unfinished: 'archive', archiveTo: 'between' } as const;
    await expect(store.alterTopic('t', between)).rejects.toMatchObject(round('late'));
    await store.alterTopic('t', { archiveTo: 'between' }); // Nothing is archived so.
    const asked = store.alterTopic('t', { unfinished: 'archive' });
    await expect(asked).rejects.toMatchObject(round('late'));
    await store.alterTopic('late', { unfinished: 'skip' });
    await store.alterTopic('t', { unfinished: 'archive' });
    expect(optionsOf(store, 't')).toEqual(between);
    await store.close();
  });

  test('takes records as large as this one has, whichever of the two is changed', async () => {
    const store = await opened();
    const tooSmall = (stored: number) => ({
      code: 'ERR_VARVE_CONFLICT',
      details: { name: 'late', stored: `recordBytesMax ${stored}` },
    });
    await store.alterTopic('late', { recordBytesMax: 2000 });
    await expect(store.alterTopic('t', ARCHIVE)).rejects.toMatchObject(tooSmall(2000));
    const made = store.topic('new', { ...ARCHIVE, recordBytesMax: 2001 });
    await expect(made).rejects.toMatchObject(tooSmall(2000));
    await store.alterTopic('t', { ...ARCHIVE, recordBytesMax: 2000 });
    const raised = store.alterTopic('t', { recordBytesMax: 2001 });
    await expect(raised).rejects.toMatchObject(tooSmall(2000));
    const lowered = store.alterTopic('late', { recordBytesMax: 1999 });
    await expect(lowered).rejects.toMatchObject(tooSmall(1999));
    await store.deleteTopic('late');
    const anew = store.topic('late', { recordBytesMax: 1500 });
    await expect(anew).rejects.toMatchObject(tooSmall(1500));
    await store.topic('late', { recordBytesMax: 2000 });
    await store.alterTopic('t', { unfinished: 'wait' });
    await store.alterTopic('t', { recordBytesMax: 3000 });
    await store.close();
  });
});
