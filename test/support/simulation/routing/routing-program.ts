/** The program of one life of a store that routes: a random script over a session. */
import { ConflictError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { EXCHANGE_TYPES } from '../../../../src/routing/binding.ts';
import { DURABILITY_LEVELS } from '../../../../src/log/log-options.ts';
import { turns } from '../../log-fixture.ts';
import { pick } from '../plan.ts';
import { valueOf } from './log-ledger.ts';
import type { ModelBinding, RoutingModel } from './routing-model.ts';
import type { RoutingPublishes } from './routing-publishes.ts';
import type { RoutingSession } from './routing-session.ts';

interface Life {
  readonly session: RoutingSession;
  readonly publishes: RoutingPublishes;
}

type Step = (life: Life) => void | Promise<void>;

const EXCHANGES_MAX = 5;
const TOPICS_MAX = 4;
const PARTITIONS_MAX = 4;
const PATTERNS = {
  direct: ['', 'a', 'b', 'a.b', 'x.b'],
  fanout: ['', 'any'],
  topic: ['#', 'a.#', '#.b', '*.b', 'a.b', 'a.*.c', '', '*', '#.#'],
  headers: [''],
  'consistent-hash': ['1', '2', '3'],
} as const;
const CONDITIONS = [null, { h: '1' }, { h: '2', k: null }, { 'x-match': 'any', h: '1', k: null }];

const STEPS: readonly (readonly [number, Step])[] = [
  [14, ({ publishes }) => publishes.one()],
  [7, ({ publishes }) => publishes.batch()],
  [2, appendBeside],
  [6, bind],
  [3, unbind],
  [2, createExchange],
  [2, createTopic],
  [0.5, deleteExchange],
  [0.5, deleteTopic],
  [1, grow],
  [1, alter],
  [2, trimDestination],
  [2, trimSource],
  [3, ({ session }) => session.look('in between')],
  [3, advance],
  [1, resize],
  [2, settleShortly],
];

export async function runRoutingProgram(
  session: RoutingSession,
  publishes: RoutingPublishes,
): Promise<void> {
  const { world } = session;
  const life = { session, publishes };
  for (let left = 5 + randomBelow(world.random, 3 * world.plan.stepCount); left > 0; left--) {
    if (session.isOver) return;
    try {
      await pickStep(life)(life);
    } catch (error) {
      session.explain(error);
    }
    if (world.chance(0.3)) await turns(1 + randomBelow(world.random, 4));
  }
  session.resizeDisk(null);
}

function pickStep({ session }: Life): Step {
  const { world } = session;
  const { exchanges } = world.model;
  if (exchanges.length === 0) return createExchange;
  if (session.destinations.length === 0) return createTopic;
  const total = STEPS.reduce((sum, [weight]) => sum + weight, 0);
  let left = world.random.next() * total;
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  return bind;
}

/** A change, with publishes on their way that it overtakes, or that overtake it. */
async function change(life: Life, what: string, how: Change): Promise<boolean> {
  const { session, publishes } = life;
  const { world } = session;
  if (world.chance(0.5)) await publishes.one();
  const changing = session.change(what, how.next, how.act);
  while (world.chance(0.4)) {
    await turns(randomBelow(world.random, 3));
    await publishes.one();
  }
  const isAnswered = await changing;
  if (isAnswered && !session.isOver) session.knowAll();
  return isAnswered;
}

interface Change {
  readonly next: RoutingModel;
  readonly act: () => Promise<unknown>;
}

async function createExchange(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { random, model } = world;
  if (model.exchanges.length >= EXCHANGES_MAX) return;
  const name = `e${world.nextId()}`;
  const type = pick(random, EXCHANGE_TYPES);
  const hasAlternate = model.exchanges.length > 0 && world.chance(0.3);
  const alternate = hasAlternate ? pick(random, model.exchanges).name : null;
  const isInternal = world.chance(0.15);
  const isAutoDelete = world.chance(0.15);
  const source = {
    durability: pick(random, DURABILITY_LEVELS),
    segmentBytesMax: 4096,
    retentionBytes: world.chance(0.1) ? 8192 : null,
  };
  const next = model.with({ name, type, alternate, isInternal, isAutoDelete });
  const options = { type, alternate, internal: isInternal, autoDelete: isAutoDelete, source };
  const act = () => store.exchange(name, options);
  await change(life, `create exchange ${name}, ${JSON.stringify(options)}`, { next, act });
}

async function createTopic({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { random, oracle } = world;
  if (oracle.destinations.size >= TOPICS_MAX) return;
  const name = `t${world.nextId()}`;
  const options = {
    partitions: pick(random, [1, 1, 2, 3]),
    durability: pick(random, DURABILITY_LEVELS),
    segmentBytesMax: 4096,
    retentionBytes: world.chance(0.2) ? 8192 : null,
  };
  world.narrate(`create topic ${name}, ${JSON.stringify(options)}`);
  await store.topic(name, options);
  if (!session.isOver) session.knowAll();
}

async function bind(life: Life): Promise<void> {
  const { session } = life;
  const { world, store } = session;
  const { random, model, oracle } = world;
  const exchange = pick(random, model.exchanges);
  const isToExchange = world.chance(0.3);
  const names = session.destinations.map(({ name }) => name);
  const to = isToExchange ? pick(random, model.exchanges).name : pick(random, names);
  const kind = isToExchange ? 'exchange' : 'topic';
  const pattern = pick<string>(random, PATTERNS[exchange.type]);
  const headers = exchange.type === 'headers' ? pick(random, CONDITIONS) : null;
  const binding: ModelBinding = { exchange: exchange.name, kind, to, pattern, headers };
  const isKnown = model.has(binding);
  const wantsPast = !isKnown && world.chance(0.5) && session.pendingModel === null;
  if (wantsPast) await session.trimming; // Else nobody knows where the past begins.
  if (wantsPast) await session.look('before a backfill');
  if (session.isOver) return;
  const from = wantsPast ? pickFrom(session, exchange.name) : null;
  const knownIds = new Set(oracle.timeline.now.bindings.map(({ bindingId }) => bindingId));
  const pending = from === null ? null : { from, knownIds };
  const act = async () => {
    session.pendingBackfill = pending;
    const handle = await store.exchange(exchange.name, { create: false });
    const destination = kind === 'topic' ? { topic: to } : { exchange: to };
    await handle.bind(destination, { pattern, headers }, from === null ? {} : { from });
  };
  const what = `bind ${exchange.name} to ${kind} ${to} by ${JSON.stringify([pattern, headers])}`;
  await change(life, `${what} from ${from}`, { next: model.bound(binding), act });
}

function pickFrom({ world }: RoutingSession, name: string): 'earliest' | number {
  const source = [...world.oracle.sources.values()].find((one) => one.name === name);
  if (source === undefined || world.chance(0.6)) return 'earliest';
  const { start, end } = source.ledger;
  return start + randomBelow(world.random, end - start + 1);
}

async function unbind(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { random, model } = world;
  if (model.bindings.length === 0) return;
  const binding = pick(random, model.bindings);
  const next = model.unbound(binding);
  const goes = next.exchanges.length < model.exchanges.length;
  if (goes && !(await mayDelete(life))) return;
  const act = async () => {
    const { exchange, kind, to, pattern, headers } = binding;
    const handle = await store.exchange(exchange, { create: false });
    const destination = kind === 'topic' ? { topic: to } : { exchange: to };
    const isUnbound = await handle.unbind(destination, { pattern, headers });
    if (!isUnbound) world.fault('unbind', `there was no ${JSON.stringify(binding)}`);
  };
  const what = `unbind ${JSON.stringify(binding)}`;
  if (goes) await life.session.change(what, next, act);
  else await change(life, what, { next, act });
  if (!life.session.isOver && life.session.pendingModel === null) life.session.knowAll();
}

/** What goes with an exchange must be known before: nothing may be on its way into it. */
async function mayDelete({ session }: Life): Promise<boolean> {
  if (session.pendingModel !== null || !(await session.settle(5)) || session.isOver) return false;
  await session.look('before a deletion');
  if (!session.isOver) session.giveUpUnseen();
  return !session.isOver;
}

async function deleteExchange(life: Life): Promise<void> {
  const { session } = life;
  const { world, store } = session;
  const { name } = pick(world.random, world.model.exchanges);
  if (!(await mayDelete(life))) return;
  const next = world.model.withoutExchange(name);
  await session.change(`delete exchange ${name}`, next, () => store.deleteExchange(name));
  if (session.isOver || session.pendingModel !== null) return;
  world.tally.add('deletedExchanges');
  session.knowAll();
}

async function deleteTopic(life: Life): Promise<void> {
  const { session } = life;
  const { world, store } = session;
  const { model, random } = world;
  const { name, topicId } = pick(random, session.destinations);
  const next = model.withoutTopic(name);
  if (next.exchanges.length < model.exchanges.length && !(await mayDelete(life))) return;
  if (session.pendingModel !== null) return;
  session.goneTopicIds.add(topicId);
  await session.change(`delete topic ${name}`, next, () => store.deleteTopic(name));
  world.tally.add('deletedTopics');
  if (!session.isOver && session.pendingModel === null) session.knowAll();
}

async function grow(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { name, ledgers } = pick(world.random, life.session.destinations);
  if (ledgers.length >= PARTITIONS_MAX) return;
  const total = ledgers.length + 1;
  const act = () => store.addPartitions(name, total);
  await change(life, `give ${name} ${total} partitions`, { next: world.model, act });
}

async function alter(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { random, model } = world;
  const exchange = pick(random, model.exchanges);
  const alternate = world.chance(0.4) ? null : pick(random, model.exchanges).name;
  const act = () => store.exchangeCatalog.setAlternate(exchange.name, alternate);
  const next = model.with({ ...exchange, alternate });
  await change(life, `have ${exchange.name} send the rest to ${alternate}`, { next, act });
}

/** Records that were not routed stand among those that were. */
async function appendBeside({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { random } = world;
  if (!world.chance(0.5)) return;
  const { name, plain, ledgers } = pick(random, session.destinations);
  const id = world.nextId();
  plain.add(id);
  const partition = randomBelow(random, ledgers.length);
  const topic = await store.topic(name, { create: false });
  if (partition >= topic.partitionCount) return;
  world.narrate(`append #${id} to ${name}/${partition}`);
  void session.follow(topic.append({ value: valueOf(id, 10) }, { partition }), () => undefined);
}

async function trimDestination({ session }: Life): Promise<void> {
  const { world, store } = session;
  const { random } = world;
  const { name, ledgers } = pick(random, session.destinations);
  const partition = randomBelow(random, ledgers.length);
  await session.look('before a trim');
  const ledger = ledgers[partition];
  if (session.isOver || ledger === undefined) return;
  const offset = ledger.start + randomBelow(random, ledger.end - ledger.start + 1);
  world.narrate(`trim ${name}/${partition} to ${offset}`);
  const topic = await store.topic(name, { create: false });
  const trimming = topic.deleteBefore({ partition, offset }).catch((error: unknown) => {
    // What the journal does not say of it cannot go.
    if (!(error instanceof ConflictError) || !session.hasMishap) throw error;
  });
  void session.follow(trimming, () => world.tally.add('trims'));
}

async function trimSource({ session }: Life): Promise<void> {
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
  session.trimming = session.follow(trimming, () => world.tally.add('sourceTrims'));
}

async function advance({ session }: Life): Promise<void> {
  const { world } = session;
  await session.wait(pick(world.random, [20, 300, 1500, 6000]));
}

async function settleShortly({ session }: Life): Promise<void> {
  await session.settle(2);
}

function resize({ session }: Life): void {
  const { fullDiskBytes } = session.world.plan;
  if (fullDiskBytes === null) return;
  session.resizeDisk(session.isDiskLimited ? null : fullDiskBytes);
}
