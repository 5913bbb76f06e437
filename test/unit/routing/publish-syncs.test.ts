/** What publishing costs the disk: syncs, counted call by call. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Store } from '../../../src/store/store.ts';
import { numbered } from '../../support/routing-disk.ts';
import { StoreDisk } from '../../support/store-disk.ts';

const SOURCE = 'exchange:events';

/** An exchange with topics bound to it, at rest; and what is synced from then on. */
class Counted {
  readonly disk: StoreDisk;
  readonly store: Store;
  readonly events: Exchange<string>;
  readonly #synced: string[];

  private constructor(disk: StoreDisk, life: [Store, Exchange<string>], synced: string[]) {
    this.disk = disk;
    [this.store, this.events] = life;
    this.#synced = synced;
  }

  static async make(topics: readonly string[]): Promise<Counted> {
    const synced: string[] = [];
    const disk = await StoreDisk.make({
      trace: (_number, { operation, path }) => {
        if (operation === 'datasync') synced.push(decodeURIComponent(path));
      },
    });
    const open = async (): Promise<[Store, Exchange<string>]> => {
      const store = await disk.open();
      const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
      for (const name of topics) {
        await store.topic(name);
        await events.bind(name);
      }
      await events.publish('opens all logs', { confirm: 'routed' });
      return [store, events];
    };
    const made = new Counted(disk, await done(disk, open()), synced);
    await made.rest();
    return made;
  }

  /** Until nothing is left to be done, marks and checkpoints neither. */
  async rest(): Promise<void> {
    for (let second = 0; second < 3; second++) {
      this.disk.clock.advance(1000);
      for (let turn = 0; turn < 30; turn++) await new Promise((next) => void setImmediate(next));
    }
    this.#synced.length = 0;
  }

  /** Runs `work`. @returns the topics of the logs that were synced by the time it resolved */
  async synced(work: () => Promise<unknown>): Promise<readonly string[]> {
    this.#synced.length = 0;
    const names = await done(
      this.disk,
      work().then(() =>
        this.#synced.map((path) => /topics\/(.*)-[^-/]*\//u.exec(path)?.[1] ?? path),
      ),
    );
    return names;
  }

  close(): Promise<void> {
    return done(this.disk, this.store.close());
  }
}

async function done<T>(disk: StoreDisk, work: Promise<T>): Promise<T> {
  const outcome = await disk.drive(work);
  if (outcome.status === 'done') return outcome.value;
  throw outcome.status === 'failed' ? outcome.error : new Error('it crashed');
}

describe('a publish at sync', () => {
  test.each([0, 1, 50])('is one sync until it is answered, with %i destinations', async (count) => {
    const topics = numbered(count, 'topic');
    const counted = await Counted.make(topics);
    const { events } = counted;
    expect(await counted.synced(() => events.publish('one'))).toEqual([SOURCE]);
    await counted.rest();
    const many = numbered(1000).map((value) => ({ value }));
    expect(await counted.synced(() => events.publishBatch(many))).toEqual([SOURCE]);
    await counted.rest();
    const destinations = await done(counted.disk, events.stats());
    expect(destinations.destinations.map(({ position }) => position)).toEqual(
      topics.map(() => 1002),
    );
    await counted.close();
  });

  test('shares its sync with all that are called in the same turn', async () => {
    const counted = await Counted.make(['one', 'two']);
    const { events } = counted;
    const synced = await counted.synced(() =>
      Promise.all(numbered(1000).map((value) => events.publish(value))),
    );
    // Whoever comes while the first sync runs waits for the second.
    const ofSource = synced.filter((name) => name === SOURCE);
    expect(ofSource.length).toBeGreaterThan(0);
    expect(ofSource.length).toBeLessThanOrEqual(3);
    await counted.close();
  });

  test('is one more in each destination, when it is to be routed', async () => {
    const topics = ['one', 'three', 'two'];
    const counted = await Counted.make(topics);
    const { events } = counted;
    const synced = await counted.synced(() => events.publish('x', { confirm: 'routed' }));
    expect(synced[0]).toBe(SOURCE);
    expect(synced.toSorted()).toEqual([SOURCE, ...topics]);
    await counted.close();
  });
});
