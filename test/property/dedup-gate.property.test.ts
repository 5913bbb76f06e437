/**
 * Records with ids against a list of what was stored: through windows, keys, batches, callers at once,
 * transactions that have ids of each other, full disks, kills, reopenings and other windows.
 */
import { ok, rejects, strictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { ManualClock } from '../../src/core/clock.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import type { TopicAppendBatchResult } from '../../src/topic/topic-results.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { StoreDisk } from '../support/store-disk.ts';
import { STORE_PATH } from '../support/store-fixture.ts';

const PARTITIONS = 2;
const TOPICS = ['t', 'u'] as const;
const ROOM_BYTES = 2 ** 40;
/** So much longer than its window a record may count. */
const LONGER = 1 + 1 / 256;

interface Sent {
  /** Null = it is known by its content. */
  readonly id: number | null;
  readonly key: number;
  readonly content: number;
}

/** Records for one partition of a topic. */
interface AppendPlan {
  readonly topic: number;
  readonly records: readonly Sent[];
  readonly partition: number;
}

type CallPlan =
  | (AppendPlan & { readonly as: 'append' })
  | {
      readonly as: 'transaction';
      readonly appends: readonly AppendPlan[];
      readonly isAborted: boolean;
    };

type Step =
  | { readonly do: 'send'; readonly calls: readonly CallPlan[] }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'window'; readonly ms: number }
  | { readonly do: 'disk'; readonly isFull: boolean }
  | { readonly do: 'reopen' | 'kill' };

const sent: fc.Arbitrary<Sent> = fc.record({
  id: fc.option(fc.nat({ max: 5 })),
  key: fc.nat({ max: 1 }),
  content: fc.nat({ max: 3 }),
});
const appendParts = {
  topic: fc.nat({ max: TOPICS.length - 1 }),
  records: fc.array(sent, { minLength: 1, maxLength: 4 }),
  partition: fc.nat({ max: PARTITIONS - 1 }),
};
const call: fc.Arbitrary<CallPlan> = fc.oneof(
  fc.record({ as: fc.constant('append' as const), ...appendParts }),
  fc.record({
    as: fc.constant('transaction' as const),
    appends: fc.array(fc.record(appendParts), { minLength: 1, maxLength: 3 }),
    isAborted: fc.integer({ min: 0, max: 7 }).map((one) => one === 0),
  }),
);
const windowOf = fc.constantFrom(1000, 5000, 60_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      calls: fc.array(call, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(10, 999, 1001, 5100, 61_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('window' as const), ms: windowOf }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('disk' as const), isFull: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('reopen' as const, 'kill' as const) }) },
);

interface Options {
  readonly dedupBy: 'id' | 'content';
  readonly dedupScope: 'topic' | 'key';
  readonly durability: 'os' | 'sync';
}

/** A record of which it was said that it is stored. */
interface Stored {
  readonly identity: string | null;
  readonly timeMs: number;
}

/** What is known of one topic. */
class TopicModel {
  readonly #topic: StoreTopic<string>;
  readonly #clock: ManualClock;
  readonly #options: Options;
  /** By place. */
  readonly #stored: Map<string, Stored>;
  readonly #windowMs: () => number;

  constructor(
    topic: StoreTopic<string>,
    parts: {
      readonly clock: ManualClock;
      readonly options: Options;
      readonly stored: Map<string, Stored>;
      readonly windowMs: () => number;
    },
  ) {
    this.#topic = topic;
    this.#clock = parts.clock;
    this.#options = parts.options;
    this.#stored = parts.stored;
    this.#windowMs = parts.windowMs;
  }

  get topic(): StoreTopic<string> {
    return this.#topic;
  }

  /** What somebody was told of records for a partition. */
  async hear(
    { records, partition }: AppendPlan,
    { placements, duplicates, recordCount }: TopicAppendBatchResult,
  ): Promise<void> {
    const twins = new Map(duplicates.map((one) => [one.index, one]));
    let next = placements[0]?.baseOffset ?? -1;
    const timeMs = this.#clock.now();
    for (const [at, record] of records.entries()) {
      if (twins.has(at)) continue;
      this.#enter(`${partition}/${next++}`, { identity: this.#identity(record), timeMs });
    }
    for (const [at, twin] of twins) {
      const record = records[at];
      ok(record !== undefined);
      await this.#checkTwin(`${twin.partition}/${twin.offset}`, this.#identity(record));
    }
    strictEqual(recordCount + twins.size, records.length);
  }

  /** What is there is what was said, and nothing besides. */
  async end(): Promise<void> {
    let count = 0;
    for await (const { partition, offset } of this.#topic.records()) {
      ok(this.#stored.has(`${partition}/${offset}`), 'it was said to be stored');
      count++;
    }
    strictEqual(count, this.#stored.size);
  }

  /** Everything equal that is there was stored longer ago than the window is. */
  #enter(place: string, stored: Stored): void {
    ok(!this.#stored.has(place), `${place} is given once`);
    if (stored.identity !== null) {
      for (const [other, { identity, timeMs }] of this.#stored) {
        if (identity !== stored.identity) continue;
        const ageMs = stored.timeMs - timeMs;
        ok(ageMs >= this.#windowMs(), `${place} equals ${other}, which is ${ageMs} ms old`);
      }
    }
    this.#stored.set(place, stored);
  }

  /** One that another call of this step brought may be said a moment later. */
  async #checkTwin(place: string, identity: string | null): Promise<void> {
    for (let left = 20; left > 0 && !this.#stored.has(place); left--) {
      await new Promise(setImmediate);
    }
    const stored = this.#stored.get(place);
    ok(stored !== undefined, `${place} was said to be stored`);
    ok(identity !== null);
    strictEqual(stored.identity, identity);
    const ageMs = this.#clock.now() - stored.timeMs;
    ok(ageMs <= this.#windowMs() * LONGER, `${place} is ${ageMs} ms old`);
  }

  /** Null = nothing equals it. */
  #identity({ id, key, content }: Sent): string | null {
    const { dedupBy, dedupScope } = this.#options;
    if (id === null && dedupBy === 'id') return null;
    const scope = dedupScope === 'key' ? `${key}` : '';
    return id === null ? `content ${content} ${scope}` : `id ${id} ${scope}`;
  }
}

class Run {
  readonly #disk: StoreDisk;
  readonly #options: Options;
  readonly #stored = TOPICS.map(() => new Map<string, Stored>());
  #store!: Store;
  #models: readonly TopicModel[] = [];
  #windowMs = 1000;

  constructor(disk: StoreDisk, options: Options) {
    this.#disk = disk;
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#store = await this.#disk.open();
    const { clock } = this.#disk;
    const windowMs = () => this.#windowMs;
    const topicOptions = { codec: utf8, partitions: PARTITIONS, dedupWindowMs: this.#windowMs };
    const models: TopicModel[] = [];
    for (const [at, name] of TOPICS.entries()) {
      const topic = await this.#store.topic(name, { ...topicOptions, ...this.#options });
      const stored = present(this.#stored[at], 'one for each');
      models.push(new TopicModel(topic, { clock, options: this.#options, stored, windowMs }));
    }
    this.#models = models;
  }

  async take(next: Step): Promise<void> {
    const { clock, fileSystem } = this.#disk;
    if (next.do === 'send') await Promise.all(next.calls.map((one) => this.#send(one)));
    else if (next.do === 'wait') clock.advance(next.ms);
    else if (next.do === 'disk') {
      fileSystem.capacityBytes = ROOM_BYTES;
      const { freeBytes } = await fileSystem.space(STORE_PATH);
      if (next.isFull) fileSystem.capacityBytes -= freeBytes;
      clock.advance(1001); // Each log asks the disk again.
    } else {
      fileSystem.capacityBytes = ROOM_BYTES;
      clock.advance(1001);
      if (next.do === 'window') {
        this.#windowMs = next.ms;
        const altered = { dedupWindowMs: next.ms };
        for (const name of TOPICS) await this.#store.alterTopic(name, altered);
      } else {
        if (next.do === 'kill') this.#disk.kill();
        else await this.#store.close();
        await this.open();
      }
    }
  }

  async end(): Promise<void> {
    for (const model of this.#models) await model.end();
    this.#disk.fileSystem.capacityBytes = ROOM_BYTES;
    await this.#store.close();
  }

  async #send(plan: CallPlan): Promise<void> {
    try {
      if (plan.as === 'append') {
        const { topic } = this.#modelOf(plan);
        const { partition } = plan;
        const result = await topic.appendBatch(inputsOf(plan), { partition });
        await this.#modelOf(plan).hear(plan, result);
      } else await this.#commit(plan);
    } catch (error) {
      ok(error instanceof Error);
      if ('code' in error && error.code === 'ERR_VARVE_DISK_FULL') return;
      throw error;
    }
  }

  async #commit({ appends, isAborted }: CallPlan & { as: 'transaction' }): Promise<void> {
    const abandoned = new Error('abandoned');
    const all = this.#store.transaction((tx) => {
      const committed = appends.map((plan) => {
        const { partition } = plan;
        return tx.append(this.#modelOf(plan).topic, inputsOf(plan), { partition });
      });
      if (isAborted) throw abandoned;
      return committed;
    });
    if (isAborted) return rejects(all, abandoned);
    // Told at once: other calls may name what they brought.
    const results = (await all).map(({ result }) => present(result, 'it is committed'));
    const told = appends.map((plan, at) =>
      this.#modelOf(plan).hear(plan, present(results[at], 'one for each')),
    );
    await Promise.all(told);
  }

  #modelOf({ topic }: AppendPlan): TopicModel {
    return present(this.#models[topic], 'below the count');
  }
}

function inputsOf({ records }: AppendPlan) {
  return records.map(({ id, key, content }) => ({
    value: `content ${content}`,
    key: `key ${key}`,
    dedupId: id === null ? undefined : `id ${id}`,
  }));
}

test('each id is stored once in its window, and every duplicate has its record', async () => {
  const options: fc.Arbitrary<Options> = fc.record({
    dedupBy: fc.constantFrom('id' as const, 'content' as const),
    dedupScope: fc.constantFrom('topic' as const, 'key' as const),
    durability: fc.constantFrom('os' as const, 'sync' as const),
  });
  const steps = fc.array(step, { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(options, steps, async (chosen, taken) => {
      const run = new Run(await StoreDisk.make(), chosen);
      await run.open();
      for (const next of taken) await run.take(next);
      await run.end();
    }),
    asyncPropertyOptions(),
  );
});
