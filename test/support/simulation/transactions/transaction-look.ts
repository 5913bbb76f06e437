/** What a store that was just opened holds of the deeds of all lives. */
import type { FoundDeeds } from './deed-oracle.ts';
import { readLog } from './transaction-reader.ts';
import { GROUP, type TextTopic, type TransactionSession } from './transaction-session.ts';
import { idOf } from './transaction-world.ts';

/** Waits until all that was published is copied. */
export async function lookAtDeeds(session: TransactionSession): Promise<FoundDeeds> {
  const { world, handles, logs } = session;
  const settle = world.oracle.begin();
  const id = world.nextId();
  const record = world.oracle.brings(settle, id, 'exchange:events/0');
  const { offset } = await handles.events.publish(`#${id};`, { confirm: 'routed' });
  record.offset = offset;
  world.oracle.answered(settle);
  const records = new Map<number, { place: string; offset: number }>();
  for (const [place, open] of logs) {
    if (world.oracle.isGone(place)) continue;
    for (const [number, at] of await readLog(open)) {
      const other = records.get(number);
      if (other !== undefined) {
        const places = `${other.place} at ${other.offset}, ${place} at ${at}`;
        world.fault('A4', `#${number} is there twice: ${places}`);
      }
      records.set(number, { place, offset: at });
    }
  }
  return {
    records,
    unsettled: await unsettledIn(session),
    positions: await positionsIn(session),
    copies: await copiesIn(handles.copies),
  };
}

async function unsettledIn({ handles }: TransactionSession): Promise<ReadonlySet<number>> {
  const unsettled = new Set<number>();
  for (const queue of handles.queues) {
    for await (const { record } of queue.browse()) unsettled.add(idOf(record.value) ?? -1);
  }
  return unsettled;
}

async function positionsIn({
  store,
  handles,
}: TransactionSession): Promise<FoundDeeds['positions']> {
  const positions = new Map<number, { number: number; offset: number }>();
  if (!store.groups().some(({ topic, name }) => topic === 'orders' && name === GROUP)) {
    return positions;
  }
  const { partitions } = await handles.orders.describeGroup(GROUP);
  for (const { partition, committedOffset, metadata } of partitions) {
    if (committedOffset === null) continue;
    positions.set(partition, { number: Number(metadata), offset: committedOffset });
  }
  return positions;
}

async function copiesIn(copies: TextTopic): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  for await (const { value } of copies.records()) {
    const id = idOf(value) ?? -1;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}
