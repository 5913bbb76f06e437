/** What the signal of a transaction tells of the positions that it commits. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { FencedError } from '../../../src/core/ownership-errors.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { Store } from '../../../src/store/store.ts';
import { holdJournal, next, POLL_MS, setup } from '../../support/group-transactions.ts';
import { turns } from '../../support/log-fixture.ts';

describe('the signal of a transaction', () => {
  /** Of a transaction that commits in one partition, and goes on until its signal was looked at. */
  function signalOf(store: Store, member: ConsumerGroup<string>, partition: number): AbortSignal {
    const signals: AbortSignal[] = [];
    const running = store.transaction((tx) => {
      signals.push(tx.signal);
      tx.commitOffset(member, { partition, offset: 1 });
      return new Promise<never>(() => undefined);
    });
    running.catch(() => undefined); // The store is closed under it.
    return present(signals[0], 'the action has begun');
  }

  test('is aborted when the member is taken for dead', async () => {
    const { bench, store, join } = await setup();
    const member = await join();
    await next(member);
    const signal = signalOf(store, member, 0);
    expect(signal.aborted).toBe(false);
    bench.clock.advance(POLL_MS);
    await turns(5);
    expect(signal.reason).toBeInstanceOf(FencedError);
    expect(signal.reason).toMatchObject({ details: { group: 'g', partition: 0 } });
  });

  test('is aborted when the member gives the partition up, or leaves, and for no other partition', async () => {
    const { store, join } = await setup(2);
    const member = await join();
    await next(member);
    const other = await join();
    const signals = [0, 1].map((partition) => signalOf(store, member, partition));
    await next(member);
    expect(member.assignment).toEqual([0]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
    const ofLeaver = signalOf(store, other, 1);
    await other.close();
    expect(ofLeaver.reason).toMatchObject({ code: 'ERR_VARVE_FENCED', details: { partition: 1 } });
    expect(signals[0]?.aborted).toBe(false);
  });

  test('is aborted for what is added when the first look at it is over, and not behind its end', async () => {
    const { bench, store, join } = await setup();
    const member = await join();
    const batch = await next(member);
    const signals: AbortSignal[] = [];
    await store.transaction((tx) => {
      signals.push(tx.signal);
      tx.commitOffset(member, batch);
    });
    const late = store.transaction(async (tx) => {
      signals.push(tx.signal);
      tx.commitOffset(member, batch);
      bench.clock.advance(POLL_MS);
      await turns(5);
      throw tx.signal.reason;
    });
    await expect(late).rejects.toThrow(FencedError);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
  });

  test('is aborted no more when the position is being committed: it counts, whoever owns it', async () => {
    const setting = await setup();
    const { bench, held, store, join } = setting;
    const member = await join();
    const batch = await next(member);
    const { inFront } = await holdJournal(setting);
    let signal: AbortSignal | null = null;
    const committing = store.transaction((tx) => {
      ({ signal } = tx);
      tx.commitOffset(member, batch);
    });
    await turns(20);
    bench.clock.advance(POLL_MS);
    await turns(20);
    held.release();
    await Promise.all([committing, inFront]);
    expect(signal).toMatchObject({ aborted: false });
    expect(member.committed(0)).toMatchObject({ offset: batch.nextOffset });
  });
});
