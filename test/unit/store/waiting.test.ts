/** Reads and members that wait: what they hold meanwhile, and that they let go of it. */
import { getEventListeners } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { TopicReadOptions } from '../../../src/topic/topic-reads.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { rejectionOf, settle } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';
import { VigilClock } from '../../support/vigil-clock.ts';

/** More than the ten listeners of a signal from which on Node warns of a leak. */
const MANY = 24;
const PARTITIONS = 12;

async function setup(partitions = 1) {
  const clock = new VigilClock();
  const bench = new StoreBench();
  const store = await bench.open({ clock });
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, partitions });
  return { bench, clock, store, topic };
}

describe('the process is kept alive', () => {
  test('while a member waits, and not while its handler works', async () => {
    const { clock, topic } = await setup(2);
    const member = await topic.consumerGroup('g');
    const batches = member.batches();
    expect(clock.vigilCount).toBe(0); // Its join alone waits for nothing.
    const first = batches.next();
    await settle();
    expect(clock.vigilCount).toBe(1);
    await topic.append({ value: 'a' }, { partition: 1 });
    await first;
    await settle(); // By now the next batch is waited for, by nobody but the member's own reads.
    expect(clock.vigilCount).toBe(0);
    const second = batches.next();
    await settle();
    expect(clock.vigilCount).toBe(1);
    await member.close();
    expect(await second).toEqual({ done: true, value: undefined });
    expect(clock.vigilCount).toBe(0);
  });

  test('while a member waits that has no partition, until another one goes', async () => {
    const { clock, topic } = await setup();
    const active = await topic.consumerGroup('g');
    const standby = await topic.consumerGroup('g');
    const waiting = standby.batches().next();
    await settle();
    expect([clock.vigilCount, standby.assignment]).toEqual([1, []]);
    await topic.append({ value: 'a' });
    await active.close();
    await waiting;
    expect([clock.vigilCount, standby.assignment]).toEqual([0, [0]]);
  });

  test.each<[string, TopicReadOptions]>([
    ['one partition', { partitions: 0 }],
    ['several partitions', {}],
  ])('while a read of %s waits, and no longer', async (_name, options) => {
    const { clock, topic } = await setup(2);
    const ending = new AbortController();
    const { signal } = ending;
    const batches = topic.batches({ ...options, follow: true, signal });
    const first = batches.next();
    await settle();
    expect(clock.vigilCount).toBe(1);
    await topic.append({ value: 'a' }, { partition: 0 });
    await first;
    await settle();
    expect(clock.vigilCount).toBe(0); // Whoever drops it here leaves a process that can end.
    const second = rejectionOf(batches.next());
    await settle();
    expect(clock.vigilCount).toBe(1);
    ending.abort('enough');
    expect(await second).toBe('enough');
    expect(clock.vigilCount).toBe(0);
  });

  test('while a publish waits for a destination whose disk is full, and no longer', async () => {
    const clock = new VigilClock();
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
    const store = await new StoreBench().open({ clock, fileSystem });
    await store.topic('t');
    const exchange = await store.exchange('e', { type: 'fanout', codec: utf8 });
    await exchange.bind('t');
    await exchange.publish('a', { confirm: 'routed' });
    expect(clock.vigilCount).toBe(0);
    const fault = { errno: 'ENOSPC', path: /topics.t-.*\.log$/, times: Infinity } as const;
    fileSystem.addFault({ ...fault, operations: ['write'] });
    const ending = new AbortController();
    const { signal } = ending;
    const aborted = rejectionOf(exchange.publish('b', { confirm: 'routed', signal }));
    const closed = rejectionOf(exchange.publish('c', { confirm: 'routed' }));
    await settle();
    expect(clock.vigilCount).toBe(2);
    ending.abort('enough');
    expect(await aborted).toBe('enough');
    expect(clock.vigilCount).toBe(1);
    fileSystem.clearFaults(); // Nobody has tried again when it is closed.
    await store.close();
    expect(await closed).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
    expect(clock.vigilCount).toBe(0);
  });

  test('not by a read or a member with keepsAlive false', async () => {
    const { clock, store, topic } = await setup(2);
    const how = { keepsAlive: false };
    const member = await topic.consumerGroup('g');
    const ends = [
      member.batches(how).next(),
      ...[0, [0, 1]].map((partitions) =>
        rejectionOf(topic.batches({ ...how, partitions, follow: true }).next()),
      ),
    ];
    await settle();
    expect(clock.vigilCount).toBe(0);
    await store.close();
    await Promise.all(ends);
  });

  test('no longer when the store is closed or the topic deleted', async () => {
    const { clock, store, topic } = await setup(2);
    const other = await store.topic('u', { codec: utf8, partitions: 2 });
    const reads = [];
    for (const each of [topic, other]) {
      const member = await each.consumerGroup('g');
      reads.push(member.batches().next(), each.batches({ follow: true }).next());
      reads.push(each.records({ follow: true, partitions: 1 }).next());
    }
    const ended = Promise.allSettled(reads);
    await settle();
    expect(clock.vigilCount).toBe(6);
    await store.deleteTopic('u');
    await settle();
    expect(clock.vigilCount).toBe(3);
    await store.close();
    await ended;
    expect(clock.vigilCount).toBe(0);
  });
});

test('a store that is being closed takes no member, whom nobody would close', async () => {
  const { store, topic } = await setup();
  const member = await topic.consumerGroup('g');
  const joined: Promise<unknown>[] = [];
  // Between the closing of the members and that of the topics.
  store.on('member-left', () => joined.push(rejectionOf(topic.consumerGroup('g'))));
  await store.close();
  await member.close();
  expect(joined).toHaveLength(1);
  expect(await joined[0]).toMatchObject({ code: 'ERR_VARVE_CLOSED' });
});

describe('one signal for many', () => {
  test('members, reads and appends: no warning of a leak, and no listener is left', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const { topic } = await setup(PARTITIONS);
    const ending = new AbortController();
    const { signal } = ending;
    const listenerCount = () => getEventListeners(signal, 'abort').length;
    const members = await Promise.all(Array.from({ length: MANY }, () => topic.consumerGroup('g')));
    const reads = Array.from({ length: MANY }, (_, at) =>
      topic.batches({ follow: true, signal, ...(at % 2 === 0 ? { partitions: 0 } : {}) }),
    );
    const waiting = [...members.map((member) => member.batches({ signal })), ...reads].map(
      (batches) => batches.next(),
    );
    const appends = Array.from({ length: MANY }, (_, at) =>
      topic.append({ value: 'a' }, { partition: at % PARTITIONS, signal }),
    );
    await settle();
    expect(listenerCount()).toBe(1);
    await Promise.all(appends);
    const came = await Promise.all([...waiting.slice(0, PARTITIONS), ...waiting.slice(MANY)]);
    expect(came.every(({ done }) => done === false)).toBe(true);
    ending.abort('enough');
    const idle = waiting.slice(PARTITIONS, MANY); // More members than partitions.
    for (const end of await Promise.all(idle.map(rejectionOf))) expect(end).toBe('enough');
    for (const read of reads) expect(await rejectionOf(read.next())).toBe('enough');
    expect(listenerCount()).toBe(0);
    await settle(); // A warning comes in a turn of its own.
    expect(warnings).toEqual([]);
  });

  test('a member that is closed lets go of it, also in the middle of a batch', async () => {
    const { topic } = await setup();
    const { signal } = new AbortController();
    const listenerCount = () => getEventListeners(signal, 'abort').length;
    await topic.append({ value: 'a' });
    const member = await topic.consumerGroup('g');
    const batches = member.batches({ signal });
    await batches.next(); // And never again: nobody ends the read.
    await member.close();
    expect(listenerCount()).toBe(0);
    const other = await topic.consumerGroup('h');
    const waiting = other.batches({ signal });
    await waiting.next();
    const last = waiting.next();
    await settle();
    expect(listenerCount()).toBe(1);
    await other.close();
    await last;
    expect(listenerCount()).toBe(0);
  });

  test('a read that ends lets go of it', async () => {
    const { topic } = await setup(2);
    const { signal } = new AbortController();
    await topic.append({ value: 'a' }, { partition: 0 });
    for (const partitions of [0, [0, 1]]) {
      const options = { partitions, follow: true, signal };
      for await (const batch of topic.batches(options)) {
        expect(batch.recordCount).toBe(1);
        break;
      }
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    }
  });
});
