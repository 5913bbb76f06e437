/** Commands that begin transactions, and bring things into them. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';

import { present } from '../../../src/core/assert.ts';
import { ConflictError, TooLargeError } from '../../../src/core/errors.ts';
import { MIB } from '../../../src/core/limits.ts';
import { thrownBy } from '../log-fixture.ts';
import { batchAnswer, producedAnswer, publishAnswer, sendAnswer } from './answers.ts';
import { PUBLISHED } from './model.ts';
import { acquireAll, sendSome } from './plain-commands.ts';
import { begin, command, commandOn, count, OPEN_MAX, whichOpen } from './transaction-command.ts';
import { DAY_MS, QUEUES, type Pair, type TransactionWorld } from './transaction-world.ts';
import { ID_KINDS, nextSequence, plainCall, type Answer, type ModelCall } from './wanted.ts';

/** Of `orders`, at most. */
export const PARTITIONS_MAX = 4;

const partition = fc.nat(PARTITIONS_MAX - 1);
const ids = fc.constantFrom(...ID_KINDS, 'stored' as const);
const total = fc.integer({ min: 1, max: 3 });
/** Some roll a segment. */
const paddingBytes = fc.constantFrom(0, 0, 0, 1500);

/** So many positions, or bytes, are too many. */
const POSITIONS = 10_001;
const LARGE = 'x'.repeat(MIB - 1024);
const LARGE_TOTAL = 9;

/** Does the same in both worlds. */
function add({ wanted, real }: Pair, call: ModelCall, answer: () => Answer | null): void {
  wanted.calls.push(call);
  real.answers.push(answer);
}

export const beginCommand = fc
  .record({ timeoutMs: fc.constantFrom(2000, DAY_MS), isRouted: fc.boolean() })
  .map((how) =>
    command(`begin ${JSON.stringify(how)}`, async (world) => {
      if (world.model.open.length < OPEN_MAX) await begin(world, how);
    }),
  );

export const appendCommand = fc
  .record({ at: whichOpen, partition, total, paddingBytes, ids })
  .map((drawn) =>
    commandOn(`append ${JSON.stringify(drawn)}`, drawn.at, ({ model, handles }, pair) => {
      const { orders } = handles;
      const to = drawn.partition % orders.partitionCount;
      const what = `${'x'.repeat(drawn.paddingBytes)} record`;
      const values = Array.from({ length: drawn.total }, () => model.nextText(what));
      const own = model.idsFor(drawn.ids, 'orders', drawn.total);
      const records = values.map((value, index) => ({ value, dedupId: own?.[index] }));
      const added = pair.real.tx.append(orders, records, { partition: to });
      const call = { ...plainCall(`orders ${to}`, values), ids: own };
      add(pair, call, batchAnswer('orders', added));
    }),
  );

/** To a topic that syncs nothing by itself. */
export function appendToAudit({ model, handles }: TransactionWorld, pair: Pair): void {
  const value = model.nextText('audit');
  const added = pair.real.tx.append(handles.audit, { value });
  add(pair, plainCall(model.auditPlace, [value]), batchAnswer('audit', added));
}

export const auditCommand = whichOpen.map((at) => commandOn('audit', at, appendToAudit));

/** What tells that it is there, and in which order. */
export function appendMark({ handles }: TransactionWorld, pair: Pair): string {
  const value = `mark ${pair.wanted.number}`;
  const added = pair.real.tx.append(handles.orders, { value }, { partition: 0 });
  add(pair, plainCall('orders 0', [value]), batchAnswer('orders', added));
  return value;
}

export const sendCommand = fc
  .record({ at: whichOpen, queue: fc.constantFrom(...QUEUES), ids })
  .map((drawn) =>
    commandOn(`send ${JSON.stringify(drawn)}`, drawn.at, ({ model, handles }, pair) => {
      const value = model.nextText('sent');
      const own = model.idsFor(drawn.ids, drawn.queue, 1);
      const added = pair.real.tx.send(handles.queues[drawn.queue], value, { dedupId: own?.[0] });
      const call = { ...plainCall(`${drawn.queue} 0`, [value]), ids: own };
      add(pair, call, sendAnswer(drawn.queue, added));
    }),
  );

export const publishCommand = fc.record({ at: whichOpen, ids }).map((drawn) =>
  commandOn(`publish ${JSON.stringify(drawn)}`, drawn.at, ({ model, handles }, pair) => {
    const value = model.nextText('event');
    const own = model.idsFor(drawn.ids, 'exchange:events', 1);
    const options = { mandatory: true, dedupId: own?.[0] };
    const added = pair.real.tx.publish(handles.events, value, options);
    add(
      pair,
      { ...plainCall(PUBLISHED, [value]), ids: own },
      publishAnswer('exchange:events', added),
    );
  }),
);

/** Goes on behind what is stored, and what it, or all, have collected; or sends some again, or leaves one out. */
export const produceCommand = fc
  .record({
    at: whichOpen,
    partition,
    total,
    again: fc.constantFrom(-1, -1, 0, 0, 1, 1, 2, 2),
    isBehindAll: fc.boolean(),
  })
  .map((drawn) =>
    commandOn(`produce ${JSON.stringify(drawn)}`, drawn.at, ({ model, handles }, pair) => {
      const { orders, producer } = handles;
      const before = drawn.isBehindAll ? model.open : [pair.wanted];
      const next = Math.max(model.copied, ...before.map(nextSequence));
      const sequence = Math.max(0, next - drawn.again);
      const to = drawn.partition % orders.partitionCount;
      const values = Array.from({ length: drawn.total }, (_, index) => `copy ${sequence + index}`);
      const options = { producer, sequence, partition: to };
      const records = values.map((value) => ({ value }));
      const added = pair.real.tx.append(orders, records, options);
      pair.wanted.producers.add(model.producer);
      const answer = producedAnswer(added, (index) => model.produced.get(sequence + index));
      add(pair, { ...plainCall(`orders ${to}`, values), sequence }, answer);
    }),
  );

/** Of both queues. */
export const ackCommand = fc
  .record({ at: whichOpen, total: fc.integer({ min: 1, max: 4 }) })
  .map((drawn) =>
    commandOn(`ack ${drawn.total}`, drawn.at, async (world, { wanted, real }) => {
      const { model, held } = world;
      if (model.leases.size === 0) {
        await sendSome(world);
        await acquireAll(world);
      }
      const spots = [...model.leases.keys()].toSorted(byOffset).slice(0, drawn.total);
      real.tx.ack(spots.map((spot) => present(held.get(spot), 'it is leased')));
      for (const spot of spots) {
        wanted.acks.add(spot);
        wanted.leases.add(present(model.leases.get(spot), 'it is leased'));
      }
    }),
  );

/** So that queues are mixed. */
function byOffset(one: string, other: string): number {
  const [first = 0, second = 0] = [one, other].map((spot) => Number(spot.split(' ')[2]));
  return first - second;
}

/** @param share  of the partition that is handled by then */
export function commitOffset({ model, handles }: TransactionWorld, pair: Pair, share: number) {
  const own = share < 0.5 ? 0 : 1;
  const offset = Math.floor(model.log(`orders ${own}`).length * share);
  const commit = () => pair.real.tx.commitOffset(handles.member, { partition: own, offset });
  if (model.isTaken(own, pair.wanted)) {
    const refused = thrownBy(commit);
    deepStrictEqual(refused instanceof ConflictError && refused.details.kind, 'position');
    count('partition taken');
    return;
  }
  commit();
  pair.wanted.positions.set(own, offset);
  pair.wanted.claims.set(own, model.member);
  pair.wanted.members.add(model.member);
}

export const commitOffsetCommand = fc
  .record({ at: whichOpen, share: fc.double({ min: 0, max: 0.999, noNaN: true }) })
  .map(({ at, share }) =>
    commandOn(`commitOffset ${share}`, at, (world, pair) => commitOffset(world, pair, share)),
  );

/** Of all that collect: the first one has the partition. */
export const commitOffsetsCommand = fc.double({ min: 0, max: 0.999, noNaN: true }).map((share) =>
  command(`commitOffset of all ${share}`, (world) => {
    for (const pair of world.pairs) commitOffset(world, pair, share);
    return Promise.resolve();
  }),
);

/** More than a transaction takes: nothing of it is added, and it goes on. */
export const overfillCommand = fc
  .record({ at: whichOpen, isBytes: fc.boolean() })
  .map(({ at, isBytes }) =>
    commandOn(isBytes ? 'overfill with bytes' : 'overfill', at, (world, { wanted, real }) => {
      const { store, member, orders } = world.handles;
      if (!isBytes && world.model.isTaken(0, wanted)) return;
      const before = store.transactions().open;
      const records = Array.from({ length: LARGE_TOTAL }, () => ({ value: LARGE }));
      const positions = Array.from({ length: POSITIONS }, () => ({ partition: 0, offset: 0 }));
      const refused = thrownBy(() => {
        if (isBytes) real.tx.append(orders, records, { partition: 0 });
        else real.tx.commitOffset(member, positions);
      });
      deepStrictEqual(refused instanceof TooLargeError && refused.details.what, 'transaction');
      deepStrictEqual(store.transactions().open, before, 'something was added');
      count('too large');
    }),
  );
