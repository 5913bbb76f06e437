/** Steps of the program that leave the topology alone: what goes from logs, and who takes from them. */
import { ClosedError, ConflictError, NotFoundError } from '../../../../src/core/errors.ts';
import { LeaseLostError } from '../../../../src/core/ownership-errors.ts';
import { NotRebuildableError } from '../../../../src/core/routing-errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { pick } from '../plan.ts';
import { valueOf } from './log-ledger.ts';
import type { Destination } from './routing-oracle.ts';
import type { RoutingSession } from './routing-session.ts';
import type { Life } from './topology-steps.ts';

const TAKEN_MAX = 40;
const SETTLED_MS = 31_000;
const PRUNE_MS = 62_000;

/** Records that were not routed stand among those that were. */
export async function appendBeside({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { random } = world;
  if (!world.chance(0.5)) return;
  const destination = pick(random, session.destinations);
  const { name, plain, ledgers } = destination;
  const id = world.nextId();
  plain.add(id);
  const partition = randomBelow(random, ledgers.length);
  const topic = await store.topic(name, { create: false });
  if (partition >= topic.partitionCount) return;
  world.narrate(`append #${id} to ${name}/${partition}`);
  const appending = topic.append({ value: valueOf(id, 10) }, { partition });
  void session.follow(unlessGone(session, destination, appending), () => undefined);
}

export async function trimDestination({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { random } = world;
  const destination = pick(random, session.destinations);
  const { name, ledgers } = destination;
  if (session.isQueue(name)) return; // What is settled goes by itself.
  const partition = randomBelow(random, ledgers.length);
  await session.look('before a trim');
  const ledger = ledgers[partition];
  if (session.isOver || ledger === undefined) return;
  const offset = ledger.start + randomBelow(random, ledger.end - ledger.start + 1);
  world.narrate(`trim ${name}/${partition} to ${offset}`);
  const topic = await store.topic(name, { create: false });
  const trimming = topic.deleteBefore({ partition, offset }).catch((error: unknown) => {
    // Where something failed, the journal may not say of it what it must before it goes.
    if (!(error instanceof ConflictError && session.hasMishap)) throw error;
  });
  const trimmed = unlessGone(session, destination, trimming);
  void session.follow(trimmed, () => world.tally.add('trims'));
}

export async function trimSource({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { random, oracle } = world;
  const { name, isGone, ledger } = pick(random, [...oracle.sources.values()]);
  if (isGone) return;
  await session.look('before a trim of a source');
  if (session.isOver || isGone) return;
  const offset = ledger.start + randomBelow(random, ledger.end - ledger.start + 1);
  world.narrate(`trim the source of ${name} to ${offset}`);
  const topic = await store.topic(`exchange:${name}`, { create: false });
  const trimming = topic.deleteBefore({ partition: 0, offset }).catch((error: unknown) => {
    if (!(error instanceof ConflictError)) throw error;
    world.tally.add('heldSources');
  });
  const trimmed = session.follow(trimming, () => world.tally.add('sourceTrims'));
  session.trimming = Promise.all([session.trimming, trimmed]).then(() => undefined);
  // In a while nothing is left that needs the topology of back then.
  if (world.chance(0.25)) await session.wait(PRUNE_MS);
}

/** A consumer takes what a queue has, and handles it, or fails. */
export async function consume({ session }: Life): Promise<void> {
  const { world } = session;
  const queues = session.destinations.filter(({ name }) => session.isQueue(name));
  if (queues.length === 0) return;
  const destination = pick(world.random, queues);
  const failureOdds = pick(world.random, [0, 0.2, 0.5]);
  await session.follow(unlessGone(session, destination, take(session, destination)), (taken) => {
    world.narrate(`took ${taken?.length ?? 0} of ${destination.name}`);
    for (const delivery of taken ?? []) {
      const isFailed = world.chance(failureOdds);
      const settling = isFailed ? delivery.release({ failed: true }) : delivery.ack();
      void session.follow(unlessGone(session, destination, settling), () => {
        world.tally.add('settled');
      });
    }
  });
  // In a while segments of which all is settled go.
  if (world.chance(0.25)) await session.wait(SETTLED_MS);
}

async function take(session: RoutingSession, destination: Destination) {
  const { world } = session;
  const queue = await session.queueOf(destination);
  const deliveries = await queue.acquire({ max: TAKEN_MAX });
  world.tally.add('deliveries', deliveries.length);
  await session.look('a delivery');
  for (const { partition, offset, record } of session.isOver ? [] : deliveries) {
    const ledger = destination.ledgers[partition];
    const seen = ledger?.records.get(offset)?.id;
    if (ledger === undefined || offset < ledger.start || seen === world.letters.identify(record)) {
      continue;
    }
    world.fault('delivery', `${destination.name}/${partition} handed out ${offset}, not #${seen}`);
  }
  return deliveries;
}

/** Null = the destination was deleted meanwhile, or a lease ran out. */
async function unlessGone<T>(
  { goneTopicIds }: RoutingSession,
  { topicId }: Destination,
  answer: Promise<T>,
): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    const isGone = error instanceof ClosedError || error instanceof NotFoundError;
    if (error instanceof LeaseLostError || (isGone && goneTopicIds.has(topicId))) return null;
    throw error;
  }
}

/** A destination is let off what is on its way to it. */
export async function detach({ session, publishes }: Life): Promise<void> {
  const { world, store } = session;
  const { model, random, oracle } = world;
  const bindings = model.bindings.filter(({ kind }) => kind === 'topic');
  const { exchange: name, to } = bindings.length > 0 ? pick(random, bindings) : {};
  const source = [...oracle.sources.values()].find((one) => one.name === name && !one.isGone);
  const destination = session.destinations.find((one) => one.name === to);
  if (source === undefined || destination === undefined || name === undefined) return;
  // One that takes nothing is behind: then there is something that it can be let off.
  const path = new RegExp(`/topics/${destination.name}-[^/]*/[0-9]+/[0-9]+[.]log$`);
  if (world.chance(0.6)) session.cramp(path, 1 + randomBelow(random, 8));
  for (let left = randomBelow(random, 4); left > 0; left--) await publishes.batch();
  await session.wait(pick(random, [20, 300, 1500]));
  const { exchangeId } = source;
  const handle = await store.exchange(name, { create: false });
  if (session.isOver || session.goneTopicIds.has(destination.topicId)) return;
  const letOff = oracle.letOffs.begin(exchangeId, destination.topicId);
  world.narrate(`let ${destination.name} off by ${name}`);
  const ended = (count: number | null): void => {
    const { opened } = store.exchangeCatalog.sources.of(exchangeId) ?? {};
    letOff.end(opened?.endOffset ?? Number.POSITIVE_INFINITY, count);
  };
  const answer = unlessGone(session, destination, handle.detach({ topic: destination.name }));
  void session.follow(
    answer.catch((error: unknown) => {
      ended(null);
      throw error;
    }),
    (count) => {
      ended(count);
      world.narrate(`${destination.name} was let off ${count} records`);
      world.tally.add('detaches');
      world.tally.add('skippedRecords', count ?? 0);
    },
  );
}

/** Nothing is damaged: nothing is made again. */
export async function rebuildSound({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { model, random } = world;
  const bindings = model.bindings.filter(({ kind }) => kind === 'topic');
  if (bindings.length === 0 || session.hasMishap || session.pendingModel !== null) return;
  const { exchange, to } = pick(random, bindings);
  const destination = session.destinations.find(({ name }) => name === to);
  if (destination === undefined) return;
  const handle = await store.exchange(exchange, { create: false });
  if (session.isOver) return;
  world.narrate(`rebuild ${to} by ${exchange}`);
  const rebuilding = handle.rebuild({ topic: to }, { dryRun: world.chance(0.5) });
  try {
    const report = await unlessGone(session, destination, rebuilding);
    if (session.isOver || session.hasMishap) return;
    const damaged = (report?.partitions ?? []).filter(({ isDamaged }) => isDamaged);
    if (damaged.length > 0) world.fault('rebuild', `a false alarm: ${JSON.stringify(report)}`);
    world.tally.add('soundRebuilds');
  } catch (error) {
    if (!(error instanceof NotRebuildableError)) throw error;
    world.narrate(String(error));
    world.tally.add('refusedRebuilds');
  }
}
