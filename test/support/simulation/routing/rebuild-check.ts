/** On a copy of the disk: a destination that is damaged is made again as it was, or left as it is. */
import { CorruptLogError } from '../../../../src/core/errors.ts';
import { NotRebuildableError } from '../../../../src/core/routing-errors.ts';
import type { Store } from '../../../../src/store/store.ts';
import { damageBatches, logPath } from '../../rebuilds.ts';
import { describeError } from '../describe-error.ts';
import { pick } from '../plan.ts';
import { LogLedger } from './log-ledger.ts';
import type { Destination } from './routing-oracle.ts';
import type { RoutingWorld } from './routing-world.ts';

/** A log that can be damaged: all that it ever had is there. */
interface Place {
  readonly exchange: string;
  readonly destination: Destination;
  readonly partition: number;
  readonly ledger: LogLedger;
}

/** Everything is closed and projected. Leaves the disk and its oracle as they are. */
export async function checkRebuild(world: RoutingWorld): Promise<void> {
  const all = placesOf(world);
  const likely = all.filter(({ ledger }) => hasOneInput(ledger));
  const places = likely.length > 0 ? likely : all;
  if (places.length === 0) return;
  const place = pick(world.random, places);
  const { fileSystem } = world;
  world.fileSystem = fileSystem.killImage();
  world.injector.isOn = false;
  try {
    const outcome = await world.drive(check(world, place));
    if (outcome.status === 'failed') world.fault('rebuild', describeError(outcome.error));
  } finally {
    world.fileSystem = fileSystem;
  }
}

function placesOf({ model, oracle }: RoutingWorld): readonly Place[] {
  return model.bindings.flatMap(({ exchange, kind, to }) => {
    const destination = [...oracle.destinations.values()].find(({ name }) => name === to);
    if (kind !== 'topic' || destination === undefined) return [];
    return [...destination.ledgers.entries()]
      .filter(([, { end, start }]) => end > 1 && start === 0)
      .map(([partition, ledger]) => ({ exchange, destination, partition, ledger }));
  });
}

function hasOneInput({ records }: LogLedger): boolean {
  const inputs = [...records.values()].map(({ batch: { from } }) =>
    from === null ? 'an append' : `${from.exchangeId}/${from.stream}`,
  );
  return new Set(inputs).size === 1;
}

async function check(world: RoutingWorld, place: Place): Promise<void> {
  const { destination, partition } = place;
  const { name } = destination;
  const before = await world.open(true);
  const path = logPath(before, name, partition);
  await before.close();
  await damageBatches(world.fileSystem, path, [0]);
  const store = await world.open(true);
  try {
    await rebuild(world, store, place);
  } catch (error) {
    if (!(error instanceof NotRebuildableError)) throw error;
    world.narrate(String(error));
    world.tally.add('refusedRebuilds');
  } finally {
    await store.close();
  }
}

async function rebuild(
  world: RoutingWorld,
  store: Store,
  { exchange, destination: { name }, partition, ledger }: Place,
): Promise<void> {
  world.narrate(`damage ${name}/${partition}, and rebuild it by ${exchange}`);
  const handle = await store.exchange(exchange, { create: false });
  await handle.rebuild({ topic: name }, { dryRun: false });
  const topic = await store.topic(name, { create: false });
  const found = new LogLedger(`rebuilt ${name}/${partition}`, world.letters.identify);
  try {
    await topic.partitions.at(partition).use((log) => found.look(log, true));
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    world.fault('rebuild', `${found.name} is damaged still: ${error.message}`);
    return;
  }
  const [one, other] = [contentOf(found), contentOf(ledger)];
  if (one !== other) world.fault('rebuild', `${found.name} holds ${one}, once ${other}`);
  world.tally.add('rebuilds');
}

function contentOf({ inOrder, end }: LogLedger): string {
  return `${inOrder.map(({ offset, id }) => `#${id} at ${offset}`).join()} to ${end}`;
}
