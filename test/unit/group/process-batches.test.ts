/** `process`: each batch with the position behind it and what the handler adds, or nothing of it. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { GroupOptions } from '../../../src/group/group-options.ts';
import type { ProcessHandler } from '../../../src/group/process-batches.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreBench } from '../../support/store-fixture.ts';

const POLL_MS = 1000;

/** A topic with records `0` to `3`, each a batch, and one for what comes of them. */
async function setup(partitions = 1) {
  const bench = new StoreBench();
  const store = await bench.open();
  onTestFinished(() => store.close().catch(() => undefined));
  const input = await store.topic('input', { codec: utf8, partitions });
  const output = await store.topic('output', { codec: utf8 });
  for (let at = 0; at < 4; at++) {
    await input.append({ value: `${at}` }, { partition: at % partitions });
  }
  const join = (options: GroupOptions = {}) =>
    input.consumerGroup('g', { pollMsMax: POLL_MS, ...options });
  const copy: ProcessHandler<string> = (batch, { tx }) => {
    for (const { value } of batch) tx.append(output, { value: `of ${value}` });
  };
  return { bench, store, output, join, copy };
}

async function valuesOf(topic: StoreTopic<string>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of topic.records()) values.push(value ?? '');
  return values.toSorted();
}

const ALL = ['of 0', 'of 1', 'of 2', 'of 3'];

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turns(1);
}

describe('process', () => {
  test('commits each batch with what comes of it, and ends with the member', async () => {
    const { output, join, copy } = await setup();
    const member = await join();
    const seen: (number | null)[] = [];
    const done = member.process((batch, context) => {
      seen.push(member.committed(0)?.offset ?? null);
      expect(context.signal).toBe(context.tx.signal);
      return copy(batch, context);
    });
    await until(() => member.committed(0)?.offset === 4);
    await turns(5);
    expect(seen).toEqual([null, 1, 2, 3]);
    expect(await valuesOf(output)).toEqual(ALL);
    await member.close();
    await done;
    await member.process(() => expect.unreachable());
  });

  test('hands the batch out again whose handler threw, when it is called again', async () => {
    const { output, join, copy } = await setup();
    const member = await join();
    const handled: number[] = [];
    const handler: ProcessHandler<string> = (batch, context) => {
      copy(batch, context);
      handled.push(batch.baseOffset);
      if (batch.baseOffset === 1 && handled.length < 4) throw new Error('no luck');
    };
    await expect(member.process(handler)).rejects.toThrow('no luck');
    expect(await valuesOf(output)).toEqual(['of 0']);
    expect(member.committed(0)).toMatchObject({ offset: 1 });
    await expect(member.process(handler)).rejects.toThrow('no luck');
    const done = member.process(handler);
    await until(() => member.committed(0)?.offset === 4);
    expect(handled).toEqual([0, 1, 1, 1, 2, 3]);
    expect(await valuesOf(output)).toEqual(ALL);
    await member.close();
    await done;
  });

  test('goes on with what it owns when a partition was lost: nothing is there twice', async () => {
    const { bench, output, join, copy } = await setup(2);
    const slow = await join();
    let release = (): void => undefined;
    let calls = 0;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const done = [
      slow.process(async (batch, context) => {
        if (++calls === 1) await held;
        await copy(batch, context);
      }),
    ];
    await until(() => calls === 1);
    bench.clock.advance(POLL_MS); // It is taken for dead.
    const quick = await join();
    done.push(quick.process(copy));
    await until(() => [0, 1].every((partition) => quick.committed(partition)?.offset === 2));
    release();
    await until(() => slow.assignment.length === 1 && quick.assignment.length === 1);
    expect(calls).toBe(1);
    expect(await valuesOf(output)).toEqual(ALL);
    await Promise.all([slow.close(), quick.close()]);
    await Promise.all(done);
  });

  test('ends when the member, or the store, is closed while the handler runs', async () => {
    for (const closesStore of [false, true]) {
      const { bench, store, join, copy } = await setup();
      const member = await join();
      let release = (): void => undefined;
      let calls = 0;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const done = member.process(async (batch, context) => {
        copy(batch, context);
        calls++;
        await held;
      });
      await until(() => calls === 1);
      await (closesStore ? store : member).close();
      release();
      await done;
      expect(calls).toBe(1);
      const again = closesStore ? await bench.open() : store;
      const topic = await again.topic('output', { codec: utf8 });
      expect(await valuesOf(topic)).toEqual([]);
      await again.close();
    }
  });

  test('abandons a batch at its time, or by a signal, and tells the handler', async () => {
    const { bench, output, join, copy } = await setup();
    const member = await join();
    const told: unknown[] = [];
    let calls = 0;
    const never: ProcessHandler<string> = (batch, { tx, signal }) => {
      copy(batch, { tx, signal });
      signal.addEventListener('abort', () => told.push(signal.reason));
      calls++;
      return new Promise(() => undefined);
    };
    const late = member.process(never, { timeoutMs: 100 });
    late.catch(() => undefined);
    await until(() => calls === 1);
    bench.clock.advance(100);
    await expect(late).rejects.toMatchObject({ details: { state: 'timed-out' } });
    const controller = new AbortController();
    const aborted = member.process(never, { signal: controller.signal });
    aborted.catch(() => undefined);
    await until(() => calls === 2);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    expect(told).toMatchObject([{ details: { state: 'timed-out' } }, reason]);
    expect(member.committed(0)).toBeNull();
    expect(await valuesOf(output)).toEqual([]);
  });

  test('is refused with another `autoCommit`, a second time at once, and by its arguments', async () => {
    const { join, copy } = await setup();
    const other = await join({ autoCommit: 'after' });
    await expect(other.process(copy)).rejects.toThrow("'never'");
    const member = await join();
    const done = member.process(copy);
    await turns(1);
    await expect(member.process(copy)).rejects.toThrow('read once at a time');
    await expect(member.process(copy, { timeoutMs: 0 })).rejects.toThrow(RangeError);
    // @ts-expect-error -- a handler is needed
    await expect(member.process()).rejects.toThrow('handler');
    // @ts-expect-error -- there is no such option
    await expect(member.process(copy, { timeout: 5 })).rejects.toThrow('timeout');
    await Promise.all([member.close(), other.close()]);
    await done;
  });
});
