/** A store with exchanges on a disk that can fail, and what became of what was published there. */
import { utf8 } from '../../src/codec/codec.ts';
import type { Exchange } from '../../src/routing/exchange.ts';
import type { ExchangeOptions } from '../../src/routing/exchange-options.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';
import { present } from '../../src/core/assert.ts';
import { StoreDisk } from './store-disk.ts';

export class RoutingDisk {
  readonly disk: StoreDisk;
  #store: Store | null = null;

  private constructor(disk: StoreDisk) {
    this.disk = disk;
  }

  static async make(): Promise<RoutingDisk> {
    const made = new RoutingDisk(await StoreDisk.make());
    await made.open();
    return made;
  }

  get store(): Store {
    return present(this.#store, 'the store is open');
  }

  /** @throws as `openStore` */
  async open(options: StoreOptions = {}): Promise<void> {
    this.#store = await this.run(this.disk.open(options));
  }

  /** @throws as `Store.close` */
  async close(): Promise<void> {
    await this.run(this.store.close());
    this.#store = null;
  }

  /** Waits for `work`; time moves when nothing else does. @throws as `work` */
  async run<T>(work: Promise<T>): Promise<T> {
    const outcome = await this.disk.drive(work);
    if (outcome.status === 'done') return outcome.value;
    throw outcome.status === 'failed' ? outcome.error : new Error('the disk has crashed');
  }

  exchange(name: string, options: ExchangeOptions = {}): Promise<Exchange<string>> {
    return this.run(this.store.exchange(name, { codec: utf8, ...options }));
  }

  /** Topics by these names, each bound to the exchange with `#`. */
  async bound(exchange: Exchange<string>, ...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.run(this.store.topic(name));
      await this.run(exchange.bind(name, { pattern: '#' }));
    }
  }

  /** Publishes each value by itself, so that each is a batch of the source. */
  async publishEach(exchange: Exchange<string>, values: readonly string[]): Promise<void> {
    for (const value of values) await this.run(exchange.publish(value, { routingKey: 'key' }));
  }

  /** Waits until all that was published is in all destinations. */
  async settle(exchange: Exchange<string>): Promise<void> {
    await this.run(exchange.publish('settle', { routingKey: 'key', confirm: 'routed' }));
  }

  /** What readers of a topic see of it now. */
  values(name: string): Promise<(string | null)[]> {
    return this.run(valuesOf(this.store, name));
  }

  /** Waits until readers of a topic see so many records. @throws Error when time alone does not help */
  async until(isThere: () => boolean | Promise<boolean>): Promise<void> {
    for (let step = 0; step < 500; step++) {
      if (await isThere()) return;
      await this.step(50);
    }
    throw new Error('it did not come to that');
  }

  /** Time moves by so much, and what follows from it happens. */
  async step(deltaMs: number): Promise<void> {
    this.disk.clock.advance(deltaMs);
    await this.turns(20);
  }

  /** Turns of the event loop. */
  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      await new Promise((resolve) => void setImmediate(resolve));
    }
  }

  /** The log files of a topic: for rules of faults. */
  filesOf(name: string): RegExp {
    return new RegExp(`/topics/${encodeURIComponent(name)}-[^/]*/[0-9]+/[0-9]+[.]log$`);
  }
}

export async function valuesOf(store: Store, name: string): Promise<(string | null)[]> {
  const topic = await store.topic(name, { codec: utf8 });
  const values: (string | null)[] = [];
  for await (const batch of topic.batches()) for (const record of batch) values.push(record.value);
  return values;
}

export function numbered(count: number, prefix = 'value'): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix} ${at}`);
}
