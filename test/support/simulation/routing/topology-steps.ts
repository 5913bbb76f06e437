/** Steps of the program that change which exchanges, topics, queues and bindings there are. */
import { ConflictError, OffsetOutOfRangeError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { EXCHANGE_TYPES } from '../../../../src/routing/binding.ts';
import type { BindOptions } from '../../../../src/routing/exchange-options.ts';
import { DURABILITY_LEVELS } from '../../../../src/log/log-options.ts';
import { turns } from '../../log-fixture.ts';
import { pick } from '../plan.ts';
import type { ModelBinding, RoutingModel } from './routing-model.ts';
import type { RoutingPublishes } from './routing-publishes.ts';
import { REFUSED, type RoutingSession } from './routing-session.ts';

export interface Life {
  readonly session: RoutingSession;
  readonly publishes: RoutingPublishes;
}

const EXCHANGES_MAX = 5;
const TOPICS_MAX = 4;
const PARTITIONS_MAX = 4;
const LEASE_MS = 5000;
const PATTERNS = {
  direct: ['', 'a', 'b', 'a.b', 'x.b'],
  fanout: ['', 'any'],
  topic: ['#', 'a.#', '#.b', '*.b', 'a.b', 'a.*.c', '', '*', '#.#'],
  headers: [''],
  'consistent-hash': ['1', '2', '3'],
} as const;
const CONDITIONS = [null, { h: '1' }, { h: '2', k: null }, { 'x-match': 'any', h: '1', k: null }];

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

/** A name that nobody has; now and then one that somebody had. */
function newName({ session }: Life, kind: 'topic' | 'exchange'): string {
  const { world, store } = session;
  const listed = kind === 'topic' ? store.topics() : store.exchanges();
  const isFree = (name: string): boolean => listed.every((one) => one.name !== name);
  const free = [...world.usedNames[kind]].filter(isFree);
  const mayReuse = free.length > 0 && session.pendingModel === null && world.chance(0.5);
  return mayReuse ? pick(world.random, free) : `${kind === 'topic' ? 't' : 'e'}${world.nextId()}`;
}

function noteName({ session }: Life, kind: 'topic' | 'exchange', name: string): void {
  const { usedNames, reusedNames, tally } = session.world;
  if (session.isOver) return;
  if (usedNames[kind].has(name)) {
    reusedNames.add(name);
    tally.add(kind === 'topic' ? 'reusedTopicNames' : 'reusedExchangeNames');
  }
  usedNames[kind].add(name);
}

export async function createExchange(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { random, model } = world;
  if (model.exchanges.length >= EXCHANGES_MAX) return;
  const name = newName(life, 'exchange');
  const type = pick(random, EXCHANGE_TYPES);
  const hasAlternate = model.exchanges.length > 0 && world.chance(0.5);
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
  const act = async () => {
    try {
      await store.exchange(name, options);
    } catch (error) {
      // What the one before it took is not where it belongs yet, and somebody is slow.
      if (!(error instanceof ConflictError) || !world.usedNames.exchange.has(name)) throw error;
      return REFUSED;
    }
    noteName(life, 'exchange', name);
    return null;
  };
  await change(life, `create exchange ${name}, ${JSON.stringify(options)}`, { next, act });
}

export async function createTopic(life: Life): Promise<void> {
  const { session } = life;
  const { world, store } = session;
  const { random, oracle } = world;
  if (oracle.destinations.size >= TOPICS_MAX) return;
  const name = newName(life, 'topic');
  const isQueue = world.chance(0.4);
  const options = {
    partitions: pick(random, [1, 1, 2, 3]),
    durability: pick(random, DURABILITY_LEVELS),
    segmentBytesMax: 4096,
    retentionBytes: !isQueue && world.chance(0.2) ? 8192 : null,
  };
  world.narrate(`create ${isQueue ? 'queue' : 'topic'} ${name}, ${JSON.stringify(options)}`);
  if (isQueue) await store.queue(name, { ...options, ...queueConfig(session, name) });
  else await store.topic(name, options);
  noteName(life, 'topic', name);
  if (!session.isOver) session.knowAll();
}

/** Records die at their first failure; then they are kept, or an exchange gets them. */
function queueConfig({ world }: RoutingSession, name: string) {
  const { random, model, letterWays } = world;
  const hasWay = model.exchanges.length > 0 && world.chance(0.6);
  const exchange = hasWay ? pick(random, model.exchanges).name : null;
  letterWays.set(name, exchange);
  const deadLetter = exchange === null ? null : `exchange:${exchange}`;
  return { leaseMs: LEASE_MS, failuresMax: 1, deadLetter };
}

function destinationOf(session: RoutingSession, { kind, to }: ModelBinding) {
  if (kind === 'exchange') return { exchange: to };
  return session.isQueue(to) ? { queue: to } : { topic: to };
}

export async function bind(life: Life): Promise<void> {
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
  if (isKnown && world.chance(0.5)) return bindAgain(life, binding);
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
    const destination = destinationOf(session, binding);
    try {
      await handle.bind(destination, { pattern, headers }, from === null ? {} : { from });
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error; // Else retention was quicker.
      session.pendingBackfill = null;
      return REFUSED;
    }
    return null;
  };
  const what = `bind ${exchange.name} to ${kind} ${to} by ${JSON.stringify([pattern, headers])}`;
  await change(life, `${what} from ${from}`, { next: model.bound(binding), act });
}

/** One that is there is found again when it was made with a past, whichever is asked for. */
async function bindAgain({ session }: Life, binding: ModelBinding): Promise<void> {
  const { world, store } = session;
  if (session.pendingModel !== null) return;
  const { exchange, pattern, headers } = binding;
  const handle = await store.exchange(exchange, { create: false });
  const destination = destinationOf(session, binding);
  const ask = (options: BindOptions) => handle.bind(destination, { pattern, headers }, options);
  const { bindingId } = await ask({});
  const from = pick(world.random, ['earliest', 0, { last: 1 }] as const);
  world.narrate(`bind ${bindingId} once more, from ${JSON.stringify(from)}`);
  const again = await ask({ from }).catch((error: unknown) => {
    if (error instanceof ConflictError) return null;
    throw error;
  });
  const hasPast = world.oracle.backfills.some((one) => one.binding.bindingId === bindingId);
  const answer = again?.bindingId ?? null;
  if (session.isOver || answer === (hasPast ? bindingId : null)) return;
  world.fault('bind', `${bindingId} was asked for a past again: ${answer}, with one: ${hasPast}`);
}

function pickFrom({ world }: RoutingSession, name: string): 'earliest' | number {
  const source = [...world.oracle.sources.values()].find((one) => one.name === name && !one.isGone);
  if (source === undefined || world.chance(0.6)) return 'earliest';
  const { start, end } = source.ledger;
  return start + randomBelow(world.random, end - start + 1);
}

export async function unbind(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { random, model } = world;
  if (model.bindings.length === 0) return;
  const binding = pick(random, model.bindings);
  const next = model.unbound(binding);
  const goes = next.exchanges.length < model.exchanges.length;
  if (goes && !(await mayDelete(life))) return;
  const act = async () => {
    const { exchange, pattern, headers } = binding;
    const handle = await store.exchange(exchange, { create: false });
    const destination = destinationOf(life.session, binding);
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
  if (session.pendingModel !== null || !(await session.settleWithin(5)) || session.isOver)
    return false;
  await session.look('before a deletion');
  if (!session.isOver) session.giveUpUnseen();
  return !session.isOver;
}

export async function deleteExchange(life: Life): Promise<void> {
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

export async function deleteTopic(life: Life): Promise<void> {
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

export async function grow(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { name, ledgers } = pick(world.random, life.session.destinations);
  if (ledgers.length >= PARTITIONS_MAX) return;
  const total = ledgers.length + 1;
  const act = () => store.addPartitions(name, total);
  const isAnswered = await change(life, `give ${name} ${total} partitions`, {
    next: world.model,
    act,
  });
  if (isAnswered) world.tally.add('grownTopics');
}

export async function alter(life: Life): Promise<void> {
  const { world, store } = life.session;
  const { random, model } = world;
  const exchange = pick(random, model.exchanges);
  const alternate = world.chance(0.4) ? null : pick(random, model.exchanges).name;
  const act = () => store.exchangeCatalog.setAlternate(exchange.name, alternate);
  const next = model.with({ ...exchange, alternate });
  await change(life, `have ${exchange.name} send the rest to ${alternate}`, { next, act });
}
