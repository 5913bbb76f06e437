/** A program that publishes while a binding gets the past, and what must be true wherever it stops. */
import { SeededRandom } from '../../../src/core/random.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { Outcome } from '../drive.ts';
import type { Call } from '../fault-plan.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import type { ModelBinding } from '../simulation/routing/routing-model.ts';
import type { RoutingSession } from '../simulation/routing/routing-session.ts';
import { scheduleOf } from './crash-run.ts';
import type { StopOptions } from './routing-crashes.ts';
import { RoutingLife } from './routing-life.ts';

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

const LIVE: ModelBinding = bindingTo('live', 'a.#');
const PAST: ModelBinding = bindingTo('past', '*.b');
const CUT: ModelBinding = bindingTo('past', 'a.#');
const ALL: ModelBinding = bindingTo('past', '#');

/** A binding of the exchange of the program. */
export function bindingTo(to: string, pattern: string): ModelBinding {
  return { exchange: 'e', kind: 'topic', to, pattern, headers: null };
}

export class RoutingProgram {
  readonly life = new RoutingLife(1);
  readonly calls: Call[] = [];
  readonly #setting: RoutingSetting;
  /** Calls of the file system before anything is published. */
  openingCalls = 0;

  constructor(setting: RoutingSetting, stop: StopOptions = {}) {
    this.#setting = setting;
    const { seed } = setting;
    const random = new SeededRandom(seed);
    const trace = (_number: number, call: Call) => void this.calls.push(call);
    const options = { random, schedule: scheduleOf(seed), trace, ...stop };
    this.life.world.fileSystem = new FaultyFileSystem(options);
  }

  run(): Promise<Outcome<void>> {
    return this.life.world.drive(this.#run());
  }

  async #run(): Promise<void> {
    const { fileSystem } = this.life.world;
    await this.life.prepare();
    const session = await this.#open();
    this.openingCalls = fileSystem.callCount;
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
    const session = await this.life.openStore();
    const { store } = session;
    const { durability } = this.#setting;
    await store.topic('live', { segmentBytesMax: 4096 });
    await store.topic('past', { segmentBytesMax: 4096, durability, partitions: 2 });
    await this.life.openExchange(session, 'e');
    await this.life.bind(session, LIVE);
    return session;
  }

  #bindPasts(session: RoutingSession): void {
    const { life } = this;
    const run = async (): Promise<void> => {
      if (!this.#setting.overlaps) return life.bindPast(session, PAST);
      await life.bindPast(session, CUT);
      const unbound = life.world.model.unbound(CUT);
      await session.change('unbind', unbound, async () => {
        await life.exchange.unbind(CUT.to, { pattern: CUT.pattern });
      });
      for (const binding of [PAST, ALL]) await life.bindPast(session, binding);
    };
    void session.follow(run(), () => undefined);
  }

  async #trim(session: RoutingSession): Promise<void> {
    await session.look('before a trim');
    for (const { name, ledgers } of this.life.world.oracle.destinations.values()) {
      const topic = await session.store.topic(name, { create: false });
      for (const [partition, { end }] of ledgers.entries()) {
        await topic.deleteBefore({ partition, offset: end });
      }
    }
  }

  #publish(session: RoutingSession, durability: DurabilityLevel): void {
    const { life } = this;
    const { id, routingKey, value } = this.#draw();
    const answer = life.exchange.publish(value, { routingKey, durability });
    void session.follow(answer, ({ offset, durability: reached }) =>
      life.told(id, offset, reached === 'sync'),
    );
  }

  async #batch(session: RoutingSession): Promise<void> {
    const { life } = this;
    const records = [this.#draw(), this.#draw(), this.#draw()];
    await session.follow(life.exchange.publishBatch(records), ({ baseOffset }) => {
      for (const [at, { id }] of records.entries()) life.told(id, baseOffset + at, true);
    });
  }

  /** Logs have several segments. */
  #draw() {
    return this.life.draw((id) => (id % 5 === 0 ? 600 : 0));
  }
}
