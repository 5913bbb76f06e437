/** How a store ends. */
import { storeClosed } from '../topic/topic-home.ts';
import type { RemoteConsumers } from './remote-consumers.ts';
import type { StoreParts } from './store-parts.ts';
import type { StoreUpkeep } from './store-upkeep.ts';

/** What a store makes itself, and ends. */
interface OwnParts {
  readonly remoteConsumers: RemoteConsumers;
  readonly upkeep: StoreUpkeep;
}

/** Ends everything in a store, the lock of its directory last. @throws the first failure, then */
export async function closeStore(parts: StoreParts, own: OwnParts): Promise<void> {
  const { lock, home, control, journal, runs, committer, topics, groups, shareGroups } = parts;
  const { clock, signals } = parts.topicHome;
  // In this order, each also when the one before failed; the first failure is thrown.
  const steps = [
    // Before: who waits for records is answered then. And an archive has groups do something.
    () => Promise.all([own.remoteConsumers.close(), parts.archive.close()]),
    () => control.close(),
    () => groups.close(),
    () => shareGroups.close(),
    () => parts.producers.close(),
    () => parts.transactions.close(storeClosed(parts.topicHome)), // What handlers began was ended by then.
    () => Promise.all([committer.idle(), parts.routing.exchanges.idle()]),
    async () => home?.reserve?.close(),
    () => parts.routing.projector.close(),
    () => own.upkeep.close(),
    () => topics.close(),
    () => runs.idle(),
    () => journal.close(),
    async () => lock?.release(),
  ];
  const startMs = clock.monotonic();
  const failures: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => failures.push(error));
  signals.events.emit('closed', { durationMs: clock.monotonic() - startMs });
  if (failures.length > 0) throw failures[0];
}
