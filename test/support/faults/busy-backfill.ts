/**
 * Bindings get the past while publishers publish as fast as they can: each again as soon as it is
 * answered, until the last backfill has ended. Few calls of the file system, for all of them are to be
 * crash points: publishes that are on their way together share a write and a sync.
 */
import { SeededRandom } from '../../../src/core/random.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { Outcome } from '../drive.ts';
import type { Call } from '../fault-plan.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import type { Published } from '../simulation/routing/routing-oracle.ts';
import type { RoutingModel, ModelBinding } from '../simulation/routing/routing-model.ts';
import type { Answered, RoutingSession } from '../simulation/routing/routing-session.ts';
import { scheduleOf } from './crash-run.ts';
import type { StopOptions } from './routing-crashes.ts';
import { RoutingLife } from './routing-life.ts';
import { bindingTo } from './routing-program.ts';

export interface BusySetting {
  readonly name: string;
  /** Of the destination that gets the past. */
  readonly durability: DurabilityLevel;
  /** Whether there are records beside that are answered before they are synced. */
  readonly hasUnsynced: boolean;
  /** They ask for the past, one after the other. */
  readonly bindings: readonly ModelBinding[];
  /** Time that passes whenever the first publisher was answered. */
  readonly roundMs: number;
  /** As of `scheduleOf`; not 0: then nothing would happen in between two calls. */
  readonly seed: number;
}

/** Each a batch of its own, so that a backfill takes several steps. */
const PAST_COUNT = 64;
/** Their publishes come together, and share a write and a sync. */
const PUBLISHERS = 4;
/** So many say that the publishers would never stop. */
const PUBLISHES_MAX = 2000;

/** What came by the second is not given once more; nothing has come by the third. */
const EARLIER: readonly ModelBinding[] = [
  bindingTo('live', 'a.#'),
  bindingTo('past', 'b.b'),
  { ...bindingTo('past', 'a.#'), exchange: 'other' },
];

/** A closed store, of which all is on the disk. */
export interface PastStore {
  readonly fileSystem: FaultyFileSystem;
  readonly model: RoutingModel;
  readonly published: ReadonlyMap<number, Published>;
  readonly answered: ReadonlyMap<number, Answered>;
}

/** @throws Error when something is wrong already */
export async function preparePast(durability: DurabilityLevel): Promise<PastStore> {
  const life = new RoutingLife(1);
  const { world, answered } = life;
  world.fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const outcome = await world.drive(publishPast(life, durability));
  if (outcome.status === 'failed') throw outcome.error;
  if (world.complaints().length > 0) throw new Error(world.complaints().join('; '));
  const { fileSystem, model, oracle } = world;
  return { fileSystem, model, published: oracle.published, answered };
}

async function publishPast(life: RoutingLife, durability: DurabilityLevel): Promise<void> {
  await life.prepare();
  const session = await life.openStore();
  const { store } = session;
  await store.topic('live', { segmentBytesMax: 4096 });
  await store.topic('past', { segmentBytesMax: 4096, durability, partitions: 2 });
  await life.openExchange(session, 'other');
  await life.openExchange(session, 'e');
  for (const binding of EARLIER) await life.bind(session, binding);
  for (let left = PAST_COUNT; left > 0; left--) await publishOne(life);
  await session.quiet('the past');
  await store.close();
}

async function publishOne(
  life: RoutingLife,
  confirm: 'logged' | 'routed' = 'logged',
): Promise<void> {
  const { id, routingKey, value } = life.draw(() => 0);
  const { offset } = await life.exchange.publish(value, { routingKey, confirm });
  life.told(id, offset, true);
}

/** A call of the file system, and how many publishes were asked for and answered before it. */
export interface BusyCall extends Call {
  readonly askedCount: number;
  readonly answeredCount: number;
}

export class BusyBackfill {
  readonly life = new RoutingLife(2);
  readonly calls: BusyCall[] = [];
  /** Calls before the publishers begin... */
  openingCalls = 0;
  /** ...before the last backfill has ended... */
  backfillCalls = 0;
  /** ...and before all that was published has come to its destinations. */
  publishingCalls = 0;
  readonly #setting: BusySetting;
  #askedCount = 0;
  #answeredCount = 0;
  #areBound = false;
  #isStopped = false;

  constructor(setting: BusySetting, past: PastStore, stop: StopOptions = {}) {
    this.#setting = setting;
    const { world, answered } = this.life;
    const { seed } = setting;
    const next = { random: new SeededRandom(seed), schedule: scheduleOf(seed), ...stop };
    const trace = (_number: number, call: Call) => this.#called(call);
    world.fileSystem = past.fileSystem.killImage({ inFlight: 'none' }, { ...next, trace });
    world.model = past.model;
    for (const [id, published] of past.published) {
      world.nextId();
      world.oracle.published.set(id, published);
    }
    for (const [id, answer] of past.answered) answered.set(id, answer);
  }

  run(): Promise<Outcome<void>> {
    return this.life.world.drive(this.#run());
  }

  async #run(): Promise<void> {
    const { life } = this;
    const { world } = life;
    const session = await this.#open();
    this.openingCalls = world.fileSystem.callCount;
    const publishers = Array.from({ length: PUBLISHERS }, (_, at) =>
      session.follow(this.#publish(session, at), () => undefined),
    );
    for (const binding of this.#setting.bindings) await life.bindPast(session, binding);
    this.#areBound = true;
    await Promise.all(publishers);
    await this.#routed();
    this.publishingCalls = world.fileSystem.callCount;
    await session.quiet('without a crash');
    await session.store.close();
  }

  /** All logs are open, but for one into which nothing was written so far. */
  async #open(): Promise<RoutingSession> {
    const { life } = this;
    const { world } = life;
    const session = await life.openStore();
    world.oracle.timeline.asked(world.model.lines);
    world.oracle.timeline.adopt(session.store, 'an opening', true);
    await life.openExchange(session, 'e');
    await this.#routed();
    return session;
  }

  /** One record for each destination is published, and waited for. */
  async #routed(): Promise<void> {
    for (let left = 4; left > 0; left--) await publishOne(this.life, 'routed');
  }

  /** Between an answer and the next publish nothing else happens. */
  async #publish(session: RoutingSession, at: number): Promise<void> {
    const { life } = this;
    const { exchange } = life;
    while (!this.#isStopped) {
      if (at === 0 && this.#setting.hasUnsynced) this.#publishBeside();
      const { id, routingKey, value } = life.draw(() => 0);
      this.#askedCount += 1;
      const { offset } = await exchange.publish(value, { routingKey });
      this.#answeredCount += 1;
      if (session.isOver) return;
      life.told(id, offset, true);
      if (at === 0) life.world.clock.advance(this.#setting.roundMs);
      if (this.#askedCount >= PUBLISHES_MAX) throw new Error('the backfill does not end');
      if (this.#isStopped || !this.#areBound || backfillCount(session) > 0) continue;
      this.#isStopped = true;
      this.backfillCalls = session.world.fileSystem.callCount;
    }
  }

  /** A record that is answered before it is synced: nobody waits for it. */
  #publishBeside(): void {
    const { life } = this;
    const { id, routingKey, value } = life.draw(() => 0);
    const answer = life.exchange.publish(value, { routingKey, durability: 'os' });
    void life.session.follow(answer, ({ offset }) => life.told(id, offset, false));
  }

  #called(call: Call): void {
    this.calls.push({ ...call, askedCount: this.#askedCount, answeredCount: this.#answeredCount });
  }
}

/** How many have not ended. */
function backfillCount({ store }: RoutingSession): number {
  const ids = store.exchanges().map(({ exchangeId }) => exchangeId);
  const streams = ids.flatMap((id) => store.projector.streamsOf(id));
  return streams.filter(({ bindingId }) => bindingId !== null).length;
}
