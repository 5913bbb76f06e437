/** The checkers of share groups themselves: each must object to what breaks a promise. */
import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../src/core/clock.ts';
import { JournalOrder } from '../support/simulation/store/queues/journal-order.ts';
import { LoopTime } from '../support/simulation/store/queues/loop-time.ts';
import { ShareLedger } from '../support/simulation/store/queues/share-ledger.ts';

function bench() {
  const faults: string[] = [];
  const order = new JournalOrder();
  const fault = (promise: string, what: string) => void faults.push(`${promise}: ${what}`);
  const ledger = new ShareLedger({ id: 'q/queue', topic: 'q', group: 'queue', order, fault });
  let tokenCount = 0;
  const hand = (attempt: number, changes: { token?: string; nowMs?: number } = {}) => {
    const token = `${tokenCount++}`;
    const holder = { isRunning: true };
    const handed = { partition: 0, offset: 0, attempt, failures: 0, nowMs: 1000, token };
    const fate = ledger.handedOver({ ...handed, ...changes }, holder);
    return { fate, holder };
  };
  return { faults, order, ledger, hand };
}

describe('the oracle of a share group', () => {
  test('is content with a record that comes back until it is acknowledged', () => {
    const { faults, hand } = bench();
    const first = hand(1);
    first.holder.isRunning = false;
    first.fate.releasing(null).answered(false);
    const second = hand(2);
    second.fate.ending('acked').answered(true);
    expect(second.fate.is('acked')).toBe(true);
    expect(faults).toEqual([]);
  });

  test('objects when what was acknowledged is handed out again, also behind a power cut', () => {
    const { faults, hand, ledger } = bench();
    hand(1).fate.ending('acked').answered(true);
    ledger.restarted(true);
    hand(2);
    expect(faults).toEqual(['A7: q/queue 0/0: handed out, though it is acked']);
  });

  test('knows that a power cut takes back what was not synced, and a kill does not', () => {
    const lost = bench();
    lost.hand(1).fate.ending('acked').answered(false);
    lost.ledger.restarted(true);
    lost.hand(1);
    expect(lost.faults).toEqual([]);
    const kept = bench();
    kept.hand(1).fate.ending('acked').answered(false);
    kept.ledger.restarted(false);
    kept.hand(2);
    expect(kept.faults.join()).toMatch(/^A7: /);
  });

  test('objects to an attempt that is not counted, as far as it must be', () => {
    const { faults, order, hand, ledger } = bench();
    hand(1);
    ledger.restarted(false);
    hand(1);
    expect(faults).toEqual(['attempts: q/queue 0/0: attempt 1 after attempt 1']);
    order.synced(order.last);
    ledger.restarted(true);
    hand(1);
    expect(faults).toHaveLength(2);
  });

  test('objects to two holders, and to a token that was there before', () => {
    const { faults, hand } = bench();
    hand(1, { token: 'one' });
    hand(2, { token: 'one' });
    expect(faults).toEqual([
      'A8: q/queue 0/0: two hold it',
      'token: q/queue 0/0: one was given out before',
    ]);
  });

  test('objects to a delay that is cut short, and to a death of which there is no trace', () => {
    const { faults, hand } = bench();
    const { fate, holder } = hand(1);
    holder.isRunning = false;
    fate.releasing(2000).answered(false);
    hand(2, { nowMs: 1999 }).fate.ending('dead').answered(true);
    fate.notFound('dead');
    expect(faults).toEqual([
      'delay: q/queue 0/0: handed out at 1999, due at 2000',
      'A8: q/queue 0/0: it is not dead, as was answered',
    ]);
  });

  test('objects to a purge that settled less than there was', () => {
    const { faults, ledger } = bench();
    ledger.purging([3], [3]).answered(2);
    expect(faults).toEqual(['purge: q/queue: 2, not 3 to 3']);
  });
});

test('the time of a lease stands still while the event loop does', () => {
  const clock = new ManualClock();
  const time = new LoopTime();
  const begin = time.now(clock);
  clock.advance(70);
  expect(time.since(clock, begin)).toEqual({ minMs: 70, maxMs: 70 });
  time.stall(clock, 5000);
  expect(time.since(clock, begin)).toEqual({ minMs: 70, maxMs: 120 });
});
