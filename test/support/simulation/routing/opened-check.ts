/** What a store that was opened again owes: all that was answered, and nothing that was not asked. */
import type { Answered, RoutingSession } from './routing-session.ts';

/** @param last  the session before; null = what became of its changes is known */
export async function checkOpened(
  session: RoutingSession,
  last: RoutingSession | null,
  answered: ReadonlyMap<number, Answered>,
): Promise<void> {
  const { world } = session;
  // A deletion that was begun goes on by itself, bindings after the topic.
  if (last !== null && last.goneTopicIds.size > 0) await session.wait(1000);
  session.adopt(last, await session.sourceStarts(), 'after an opening');
  const { pendingModel = null, goneTopicIds } = last ?? {};
  // Where that failed the next opening does it, if this one fails.
  if (pendingModel !== null && (goneTopicIds?.size ?? 0) > 0) {
    world.oracle.timeline.asked(pendingModel.lines);
  }
  if (world.complaints().length > 0) return;
  await session.look('after an opening', true);
  if (session.isOver) return;
  for (const { exchangeId, ledger } of world.oracle.sources.values()) {
    world.oracle.letOffs.reopened(exchangeId, ledger.end);
  }
  for (const [id, { exchangeId, offset, isSynced }] of answered) {
    const source = world.oracle.sources.get(exchangeId);
    if (source === undefined || source.isGone || !isSynced) continue;
    const found = source.ledger.records.get(offset)?.id;
    const isUnseen = found === undefined && offset < source.ledger.start; // It was deleted before.
    if (found === id || isUnseen) continue;
    world.fault('A1', `#${id} was answered at ${offset} of ${source.name}; there is #${found}`);
  }
}
