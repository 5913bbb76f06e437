/** A program that publishes while a binding gets the past, and what must be true wherever it stops. */
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { CrashPoint } from '../call-gate.ts';
import type { Outcome } from '../drive.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { valueOf } from '../simulation/routing/log-ledger.ts';
import type { ModelBinding } from '../simulation/routing/routing-model.ts';
import { checkOpened } from '../simulation/routing/opened-check.ts';
import { RoutingSession, type Answered } from '../simulation/routing/routing-session.ts';
import { RoutingWorld } from '../simulation/routing/routing-world.ts';
import { Tally } from '../simulation/tally.ts';
import { prepareStore } from '../store-disk.ts';
import { scheduleOf } from './crash-run.ts';

export interface RoutingSetting {
  readonly name: string;
  /** Of the destination that gets the past. */
  readonly durability: DurabilityLevel;
  /** Whether a binding asks for the past, while records are published. */
  readonly hasBackfill: boolean;
  /** Whether others of the same destination do as well, of which one is taken away at once. */
  readonly overlaps: boolean;
  /** Whether destinations forget theirs meanwhile. */
  readonly trims: boolean;
  /** As of `scheduleOf`. */
  readonly seed: number;
}

const KEYS = ['a.b', 'b', 'a.c', 'b.b'];
const LIVE: ModelBinding = bindingTo('live', 'a.#');
const PAST: ModelBinding = bindingTo('past', '*.b');
const CUT: ModelBinding = bindingTo('past', 'a.#');
const ALL: ModelBinding = bindingTo('past', '#');

function bindingTo(to: string, pattern: string): ModelBinding {
  return { exchange: 'e', kind: 'topic', to, pattern, headers: null };
}

export class RoutingProgram {
  readonly world: RoutingWorld;
  readonly #setting: RoutingSetting;
  readonly #answered = new Map<number, Answered>();
  #session: RoutingSession | null = null;
  #exchange: Exchange<Uint8Array> | null = null;
  /** Calls of the file system before anything is published. */
  openingCalls = 0;

  constructor(setting: RoutingSetting, crashAt: CrashPoint | null) {
    this.#setting = setting;
    this.world = new RoutingWorld(1, new Tally(), () => undefined);
    const { seed } = setting;
    const random = new SeededRandom(seed);
    this.world.fileSystem = new FaultyFileSystem({ random, schedule: scheduleOf(seed), crashAt });
  }

  run(): Promise<Outcome<void>> {
    return this.world.drive(this.#run());
  }

  /** Opens what a crash left, and waits for everything that is due. @returns what is wrong */
  async check(image: FaultyFileSystem, isPowerCut: boolean): Promise<readonly string[]> {
    const { world } = this;
    if (isPowerCut) {
      for (const [id, { isSynced }] of this.#answered) if (!isSynced) this.#answered.delete(id);
    }
    world.clock = new ManualClock(world.clock.now());
    world.fileSystem = image;
    const outcome = await world.drive(this.#reopen());
    if (outcome.status === 'failed') throw outcome.error;
    return world.complaints();
  }

  async #reopen(): Promise<void> {
    const store = await this.world.open();
    const session = new RoutingSession(this.world, store);
    await store.exchangeCatalog.reconcile();
    await checkOpened(session, this.#session, this.#answered);
    await session.quiet('after a crash');
    await store.close();
  }

  async #run(): Promise<void> {
    const { world } = this;
    await prepareStore(world.fileSystem);
    const session = await this.#open();
    this.openingCalls = world.fileSystem.callCount;
    for (let left = 3; left > 0; left--) this.#publish(session, 'os');
    await this.#batch(session);
    if (this.#setting.hasBackfill) this.#bindPasts(session);
    for (let left = 6; left > 0; left--) this.#publish(session, left % 2 === 0 ? 'sync' : 'os');
    await this.#batch(session);
    await session.settle();
    await session.wait(1100); // A mark is written.
    if (this.#setting.trims) await this.#trim(session);
    await this.#batch(session);
    await session.settle();
    await session.quiet('without a crash');
    await session.store.close();
  }

  async #open(): Promise<RoutingSession> {
    const { world } = this;
    const store = await world.open();
    const session = new RoutingSession(world, store);
    this.#session = session;
    const { durability } = this.#setting;
    await store.topic('live', { segmentBytesMax: 4096 });
    await store.topic('past', { segmentBytesMax: 4096, durability, partitions: 2 });
    const plan = { name: 'e', alternate: null, isInternal: false, isAutoDelete: false };
    await session.change('create', world.model.with({ ...plan, type: 'topic' }), async () => {
      this.#exchange = await store.exchange('e', { type: 'topic' });
    });
    await session.change('bind', world.model.bound(LIVE), () => this.#bind(LIVE));
    session.knowAll();
    return session;
  }

  #bindPasts(session: RoutingSession): void {
    const run = async (): Promise<void> => {
      if (!this.#setting.overlaps) return this.#bindPast(session, PAST);
      await this.#bindPast(session, CUT);
      const unbound = this.world.model.unbound(CUT);
      await session.change('unbind', unbound, async () => {
        await this.#exchange?.unbind(CUT.to, { pattern: CUT.pattern });
      });
      for (const binding of [PAST, ALL]) await this.#bindPast(session, binding);
    };
    void session.follow(run(), () => undefined);
  }

  async #bindPast(session: RoutingSession, binding: ModelBinding): Promise<void> {
    const { world } = this;
    const { now } = world.oracle.timeline;
    const knownIds = new Set(now.bindings.map(({ bindingId }) => bindingId));
    await session.change('bind the past', world.model.bound(binding), () => {
      session.pendingBackfill = { from: 'earliest', knownIds };
      return this.#bind(binding, { from: 'earliest' });
    });
  }

  async #bind({ to, pattern }: ModelBinding, options = {}): Promise<void> {
    await this.#exchange?.bind(to, { pattern }, options);
  }

  async #trim(session: RoutingSession): Promise<void> {
    await session.look('before a trim');
    for (const { name, ledgers } of this.world.oracle.destinations.values()) {
      const topic = await session.store.topic(name, { create: false });
      for (const [partition, { end }] of ledgers.entries()) {
        await topic.deleteBefore({ partition, offset: end });
      }
    }
  }

  #publish(session: RoutingSession, durability: DurabilityLevel): void {
    const { id, routingKey, value } = this.#draw();
    const answer = this.#exchange?.publish(value, { routingKey, durability });
    if (answer === undefined) return;
    void session.follow(answer, ({ offset, durability: reached }) =>
      this.#told(id, offset, reached === 'sync'),
    );
  }

  async #batch(session: RoutingSession): Promise<void> {
    const records = [this.#draw(), this.#draw(), this.#draw()];
    const answer = this.#exchange?.publishBatch(records);
    if (answer === undefined) return;
    await session.follow(answer, ({ baseOffset }) => {
      for (const [at, { id }] of records.entries()) this.#told(id, baseOffset + at, true);
    });
  }

  #draw() {
    const { world } = this;
    const id = world.nextId();
    const routingKey = KEYS[id % KEYS.length] ?? '';
    world.oracle.published.set(id, { id, routingKey, key: null, headers: null });
    return { id, routingKey, value: valueOf(id, id % 5 === 0 ? 600 : 0) };
  }

  #told(id: number, offset: number, isSynced: boolean): void {
    const [source] = this.world.oracle.sources.values();
    const exchangeId = source?.exchangeId ?? 0;
    this.#answered.set(id, { exchangeId, offset, destinations: [], isSynced });
  }
}
