/** How a worker ends. */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';

import { ManualClock, type Timer } from '../../../src/core/clock.ts';
import { ClosedError, DiskFullError, FailedError } from '../../../src/core/errors.ts';
import { work, type Worker } from '../../../src/queue/worker.ts';
import { aborted, FakeQueue, quiet, type FakeDelivery } from '../../support/fake-queue.ts';

const forever = (): Promise<never> => new Promise(() => undefined);

/** What has become of a promise so far. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = 'pending';
  const settled = (): void => void (state = 'settled');
  promise.then(settled, settled);
  await quiet();
  return state;
}

class VigilClock extends ManualClock {
  vigils = 0;

  keepAlive(): Timer {
    this.vigils++;
    let isHeld = true;
    return {
      cancel: () => {
        if (isHeld) this.vigils--;
        isHeld = false;
      },
    };
  }
}

describe('drain', () => {
  test('takes nothing more, and waits for handlers and for what they settle', async () => {
    const queue = new FakeQueue();
    const ends: (() => void)[] = [];
    queue.sendMany(3);
    const worker = work(queue, () => new Promise<void>((resolve) => ends.push(resolve)), {
      concurrency: 2,
    });
    await quiet();
    const draining = worker.drain();
    ends[0]?.();
    expect(await stateOf(draining)).toBe('pending');
    expect(queue.states()).toEqual(['acked', 'leased', 'ready']);
    let open: () => void = () => undefined;
    queue.gate = new Promise((resolve) => (open = resolve));
    ends[1]?.();
    expect(await stateOf(draining)).toBe('pending');
    expect(await stateOf(worker.done)).toBe('pending');
    open();
    expect(await draining).toBe(0);
    await worker.done;
    expect(queue.states()).toEqual(['acked', 'acked', 'ready']);
    expect(queue.acquires).toHaveLength(1);
    expect(await worker.drain()).toBe(0);
    worker.resume();
    await quiet();
    expect(queue.acquires).toHaveLength(1);
  });

  test('of a worker that waits ends at once', async () => {
    const queue = new FakeQueue();
    const worker = work(queue, () => undefined);
    await quiet();
    expect(await worker.drain()).toBe(0);
    expect(queue.clock.pendingTimerCount).toBe(0);
  });

  test('of a worker that waits for a queue that fails ends at once', async () => {
    const queue = new FakeQueue();
    const details = { path: 'p', operation: 'write', position: 0, errno: 'ENOSPC' };
    queue.refuse('acquire', new DiskFullError(details), 100);
    const worker = work(queue, () => undefined);
    await quiet();
    expect(await worker.drain()).toBe(0);
    expect(queue.clock.pendingTimerCount).toBe(0);
  });

  test('of a worker that is paused ends it', async () => {
    const queue = new FakeQueue();
    const worker = work(queue, () => undefined);
    worker.pause();
    await quiet();
    expect(await worker.drain()).toBe(0);
    await worker.done;
  });

  test('abandons what takes longer than its patience, without a failure', async () => {
    const queue = new FakeQueue();
    const reasons: unknown[] = [];
    let late: () => void = () => undefined;
    queue.sendMany(2);
    const worker = work(
      queue,
      async ({ value }, { signal }) => {
        if (value === 'v0') reasons.push(await aborted(signal));
        else await new Promise<void>((resolve) => (late = resolve));
        throw new Error('of no interest');
      },
      { concurrency: 2, name: 'mailer' },
    );
    await quiet();
    const draining = worker.drain({ timeoutMs: 1000 });
    queue.clock.advance(999);
    expect(await stateOf(draining)).toBe('pending');
    queue.clock.advance(1);
    expect(await draining).toBe(2);
    expect(reasons).toEqual([expect.any(ClosedError)]);
    expect(queue.states()).toEqual(['ready', 'ready']);
    expect(queue.records[0]).toMatchObject({ attempts: 1, failures: 0 });
    late();
    await quiet();
    expect(queue.records.map(({ failures }) => failures)).toEqual([0, 0]);
    expect(worker.stats()).toMatchObject({ abandoned: 2, failed: 0, handled: 0, running: 0 });
    await worker.done;
  });

  test('needs no patience for what ends in time', async () => {
    const queue = new FakeQueue();
    let end: () => void = () => undefined;
    queue.send('a');
    const worker = work(queue, () => new Promise<void>((resolve) => (end = resolve)));
    await quiet();
    const draining = worker.drain({ timeoutMs: 1000 });
    end();
    expect(await draining).toBe(0);
    expect(queue.clock.pendingTimerCount).toBe(0);
  });

  test('gives up settlements that are tried again and again', async () => {
    const queue = new FakeQueue();
    const details = { path: 'p', operation: 'write', position: 0, errno: 'ENOSPC' };
    queue.refuse('ackAll', new DiskFullError(details), 1e6);
    queue.send('a');
    const worker = work(queue, () => undefined);
    await quiet();
    const draining = worker.drain({ timeoutMs: 10_000 });
    for (let second = 0; second < 9; second++) {
      queue.clock.advance(1000);
      await quiet();
    }
    expect(await stateOf(draining)).toBe('pending');
    queue.clock.advance(1000);
    expect(await draining).toBe(1);
    expect(worker.stats()).toMatchObject({ abandoned: 1, handled: 0, settling: 0 });
  });

  test.each([[-1], [1.5], ['1'], [Number.NaN]])('refuses %s as its patience', async (timeoutMs) => {
    const worker = work(new FakeQueue(), () => undefined);
    const given = { timeoutMs } as { timeoutMs: number };
    await expect(worker.drain(given)).rejects.toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
    await worker.close();
  });
});

describe('a handler that drains its own worker', () => {
  /** Runs a handler that can reach its worker. */
  function start(
    handler: (worker: Worker, delivery: FakeDelivery) => unknown,
    concurrency: number,
  ) {
    const queue = new FakeQueue();
    queue.sendMany(4);
    const worker: Worker<FakeDelivery> = work(
      queue,
      (delivery) => handler(worker as unknown as Worker, delivery),
      { concurrency },
    );
    return { queue, worker };
  }

  test('does not wait for itself', async () => {
    const results: unknown[] = [];
    const { queue, worker } = start(async (own) => results.push(await own.drain()), 1);
    await worker.done;
    expect(results).toEqual([0]);
    expect(queue.states()).toEqual(['acked', 'ready', 'ready', 'ready']);
    expect(worker.stats()).toMatchObject({ handled: 1, abandoned: 0 });
  });

  test('waits for the others, and they may be handled', async () => {
    const ended: string[] = [];
    let end: () => void = () => undefined;
    const { queue, worker } = start(async (own, { value }) => {
      if (value === 'v0') await new Promise<void>((resolve) => (end = resolve));
      else await own.drain();
      ended.push(value);
    }, 2);
    const outer = worker.done;
    expect(await stateOf(outer)).toBe('pending');
    expect(ended).toEqual([]);
    end();
    await outer;
    expect(ended).toEqual(['v0', 'v1']);
    expect(queue.states()).toEqual(['acked', 'acked', 'ready', 'ready']);
  });

  test('is waited for by others that drain', async () => {
    let end: () => void = () => undefined;
    const { queue, worker } = start(async (own) => {
      await own.drain();
      await new Promise<void>((resolve) => (end = resolve));
    }, 1);
    await quiet();
    const outer = worker.drain();
    expect(await stateOf(outer)).toBe('pending');
    end();
    expect(await outer).toBe(0);
    expect(queue.states()[0]).toBe('acked');
  });

  test('with close abandons the others, and is acked itself', async () => {
    const { queue, worker } = start(async (own, { value }) => {
      if (value === 'v0') await forever();
      if (value === 'v1') await own.close();
    }, 2);
    await worker.done;
    expect(queue.states()).toEqual(['ready', 'acked', 'ready', 'ready']);
    expect(worker.stats()).toMatchObject({ handled: 1, abandoned: 1 });
  });

  test('after it has waited for something waits for itself, as long as its patience', async () => {
    const results: unknown[] = [];
    const { queue, worker } = start(async (own) => {
      await Promise.resolve();
      results.push(await own.drain({ timeoutMs: 1000 }));
    }, 1);
    await quiet();
    expect(results).toEqual([]);
    queue.clock.advance(1000);
    await worker.done;
    await quiet();
    expect(results).toEqual([1]);
    expect(queue.records[0]).toMatchObject({ state: 'ready', failures: 0 });
  });

  test('gives back what was acquired with it and no handler had', async () => {
    const { queue, worker } = start((own) => void own.drain(), 4);
    await worker.done;
    expect(queue.states()).toEqual(['acked', 'ready', 'ready', 'ready']);
    expect(queue.records.map(({ attempts }) => attempts)).toEqual([1, 0, 0, 0]);
  });
});

describe('close', () => {
  test('abandons what runs, settles what has ended, and may be called again', async () => {
    const queue = new FakeQueue();
    queue.sendMany(2);
    let open: () => void = () => undefined;
    queue.gate = new Promise((resolve) => (open = resolve));
    const worker = work(queue, ({ value }) => (value === 'v0' ? undefined : forever()), {
      concurrency: 2,
    });
    await quiet();
    const closing = worker.close();
    expect(await stateOf(closing)).toBe('pending');
    open();
    await closing;
    await worker.close();
    expect(queue.states()).toEqual(['acked', 'ready']);
    expect(worker.stats()).toMatchObject({ handled: 1, abandoned: 1 });
  });

  test('comes with the end of a scope', async () => {
    const queue = new FakeQueue();
    queue.send('a');
    let ended: Promise<void> | null = null;
    {
      await using worker = work(queue, forever);
      ended = worker.done;
      await quiet();
    }
    expect(await stateOf(ended)).toBe('settled');
    expect(queue.states()).toEqual(['ready']);
  });

  test('what arrives from an acquire that did not heed its signal is given back', async () => {
    const queue = new FakeQueue();
    queue.send('a');
    const acquire = queue.acquire.bind(queue);
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    queue.acquire = async ({ max = 1 }) => {
      await gate;
      return acquire({ max });
    };
    const worker = work(queue, forever);
    await quiet();
    const closing = worker.close();
    open();
    await closing;
    expect(queue.records[0]).toMatchObject({ state: 'ready', attempts: 0 });
  });
});

describe('a signal', () => {
  test('drains the worker', async () => {
    const queue = new FakeQueue();
    const controller = new AbortController();
    let end: () => void = () => undefined;
    queue.sendMany(2);
    const worker = work(queue, () => new Promise<void>((resolve) => (end = resolve)), {
      signal: controller.signal,
    });
    await quiet();
    controller.abort();
    expect(await stateOf(worker.done)).toBe('pending');
    end();
    await worker.done;
    expect(queue.states()).toEqual(['acked', 'ready']);
  });

  test('is left alone by a worker that has ended', async () => {
    const { signal } = new AbortController();
    const worker = work(new FakeQueue(), () => undefined, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await worker.drain();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('that was aborted before lets it take nothing', async () => {
    const queue = new FakeQueue();
    queue.send('a');
    const worker = work(queue, () => undefined, { signal: AbortSignal.abort() });
    await worker.done;
    expect(queue.acquires).toEqual([]);
  });
});

describe('the end of the queue', () => {
  test('that was closed is no failure: done resolves, handlers are told', async () => {
    const queue = new FakeQueue();
    const told: unknown[] = [];
    const reasons: unknown[] = [];
    queue.send('a');
    const worker = work(
      queue,
      async (_delivery, { signal }) => void reasons.push(await aborted(signal)),
      { concurrency: 2, onError: (error) => told.push(error) },
    );
    await quiet();
    const closed = new ClosedError({ resource: 'queue', name: 'q' });
    queue.refuse('acquire', closed);
    queue.refuse('release', closed);
    queue.wake();
    await worker.done;
    await quiet();
    expect(told).toEqual([]);
    expect(reasons).toEqual([closed]);
    expect(worker.stats()).toMatchObject({ abandoned: 1, running: 0 });
  });

  test('that is found when something is settled ends the worker, and is told once', async () => {
    const queue = new FakeQueue();
    const failed = new FailedError({ path: 'p', indeterminate: false });
    const told: unknown[] = [];
    queue.refuse('ackAll', failed);
    queue.refuse('ack', failed, 3);
    queue.sendMany(3);
    const worker = work(queue, () => undefined, {
      concurrency: 3,
      onError: (error) => told.push(error),
    });
    await expect(worker.done).rejects.toBe(failed);
    expect(told).toEqual([failed]);
    expect(worker.stats()).toMatchObject({ handled: 0, settling: 0, running: 0 });
  });
});

describe('the process', () => {
  test.each([
    [true, 1],
    [false, 0],
  ])(
    'with keepsAlive %s is kept alive by %i vigils until the worker ends',
    async (keepsAlive, vigils) => {
      const clock = new VigilClock();
      const queue = new FakeQueue({ clock });
      const worker = work(queue, () => undefined, { keepsAlive });
      await quiet();
      expect(clock.vigils).toBe(vigils);
      expect(queue.acquires[0]?.keepsAlive).toBe(keepsAlive);
      await worker.drain();
      await worker.close();
      expect(clock.vigils).toBe(0);
    },
  );
});
