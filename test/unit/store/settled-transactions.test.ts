/** Records that an open transaction acks, in segments of a queue that are rewritten meanwhile. */
import { describe, expect, test } from 'vitest';

import type { Delivery } from '../../../src/queue/delivery.ts';
import { turns } from '../../support/log-fixture.ts';
import {
  COUNT,
  DAY_MS,
  LOOK_MS,
  SEALED,
  SettledQueue,
  valueAt,
} from '../../support/settled-queue.ts';

const PERIOD = 50;
/** Of each period: the first stays leased, those behind it are acked in a transaction, all others at once. */
const LAST_IN_TRANSACTION = 9;

const isIn = (offset: number) => {
  const place = offset % PERIOD;
  return place > 0 && place <= LAST_IN_TRANSACTION;
};
const isLeased = (offset: number) => offset % PERIOD === 0;
const offsets = Array.from({ length: SEALED }, (_, at) => at);

/** A transaction that has acked, and waits for how it is to end. */
class OpenTransaction {
  #end: (isAborted: boolean) => void = () => {};
  readonly #running: Promise<void>;

  constructor({ store }: SettledQueue, deliveries: readonly Delivery<string>[]) {
    const ending = new Promise<boolean>((resolve) => {
      this.#end = resolve;
    });
    this.#running = store.transaction(
      async (transaction) => {
        transaction.ack(deliveries);
        if (await ending) transaction.abort();
      },
      { timeoutMs: DAY_MS / 4 },
    );
  }

  async commit(): Promise<void> {
    this.#end(false);
    await this.#running;
  }

  async abort(): Promise<void> {
    this.#end(true);
    await expect(this.#running).rejects.toMatchObject({ code: 'ERR_VARVE_TRANSACTION_ENDED' });
  }
}

/** A queue of which all is acked but what is leased, and what an open transaction acks. */
async function setup() {
  const fixture = new SettledQueue();
  await fixture.open({ durability: 'os' });
  const all = await fixture.fill();
  await fixture.queue.topic.sync();
  const inside = all.filter(({ offset }) => isIn(offset));
  const transaction = new OpenTransaction(fixture, inside);
  await turns(5);
  expect(fixture.store.transactions().open).toMatchObject([{ ackCount: inside.length }]);
  await fixture.queue.ackAll(all.filter(({ offset }) => !isIn(offset) && !isLeased(offset)));
  return { fixture, inside, transaction };
}

describe('records that an open transaction acks', () => {
  test('stay where all around them goes, and are delivered again when it is aborted', async () => {
    const { fixture, inside, transaction } = await setup();
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(4);
    const wanted = offsets.filter((at) => isIn(at) || isLeased(at));
    expect(await fixture.left()).toEqual(wanted);
    await transaction.abort();
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(4);
    for (const delivery of inside) await delivery.release();
    await fixture.reopen();
    expect(await fixture.left()).toEqual(wanted);
    const again = await fixture.queue.acquire({ max: COUNT });
    const found = again.filter(({ offset }) => isIn(offset));
    expect(found.map(({ offset }) => offset)).toEqual(inside.map(({ offset }) => offset));
    for (const { offset, value } of found) expect(value).toBe(valueAt(offset));
    await fixture.store.close();
  });

  test('go with the next rewriting when it is committed', async () => {
    const { fixture, transaction } = await setup();
    await fixture.look();
    await transaction.commit();
    expect(await fixture.left()).toEqual(offsets.filter((at) => isIn(at) || isLeased(at)));
    await fixture.look();
    expect(fixture.rewrittenCount).toBe(8);
    expect(await fixture.left()).toEqual(offsets.filter(isLeased));
    await fixture.store.close();
  });

  test('stay until it is durable that it is committed', async () => {
    const { fixture, transaction } = await setup();
    await fixture.look();
    fixture.syncs.hold();
    const committing = transaction.commit();
    await turns(20);
    fixture.bench.clock.advance(LOOK_MS);
    await turns(200);
    expect(fixture.syncs.waiting).not.toEqual([]);
    expect(fixture.rewrittenCount).toBe(4);
    expect(await fixture.left()).toEqual(offsets.filter((at) => isIn(at) || isLeased(at)));
    fixture.syncs.release();
    await committing;
    await fixture.look();
    expect(await fixture.left()).toEqual(offsets.filter(isLeased));
    await fixture.store.close();
  });
});
