/**
 * Retention of a topic beside groups that come and go: what each of them needs is told by its positions and by
 * browsing, and what it lost by counting.
 */
import { deepStrictEqual, strictEqual } from 'node:assert/strict';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { Delivery, ShareGroup } from '../../src/index.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { UNFINISHED_POLICIES, type UnfinishedPolicy } from '../../src/topic/unfinished-options.ts';
import { AGE_MS, UnfinishedBench } from './unfinished-bench.ts';

/** Numbers from which all about a step follows. */
export interface UnfinishedDraw {
  readonly what: number;
  readonly one: number;
  readonly two: number;
}

interface Need {
  readonly unfinished: readonly number[];
  /** Of them. */
  readonly leased: ReadonlySet<number>;
}

const CONSUMERS = ['c1', 'c2'];
const SHARES = ['s1', 's2'];
/** A segment holds one record, so all but the last may go. */
const TOPIC = 't';
const ARCHIVE = 'late';

export class UnfinishedModel {
  readonly bench = new UnfinishedBench();
  /** What happened, and how often: for whoever wants to know that it does. */
  readonly seen: Record<string, number> = {};
  policy: UnfinishedPolicy = 'skip';
  #topic: StoreTopic<string> | null = null;
  /** Of consumer groups that are there. */
  readonly #positions = new Map<string, number>();
  /** Share groups that are there, and their deliveries. */
  readonly #shares = new Map<string, ShareGroup<string>>();
  readonly #deliveries = new Map<string, Delivery<string>[]>();
  /** As `countText` without the count. */
  readonly #counts = new Map<string, number>();
  /** `group offset`, of each copy that is to be there. */
  readonly #copies: string[] = [];
  #startOffset = 0;
  #endOffset = 0;

  async begin(): Promise<void> {
    await this.bench.begin();
    await this.bench.here.topic(ARCHIVE);
    this.#topic = await this.bench.topic(TOPIC, { retentionMs: null, unfinished: 'skip' });
    // From where the rare is near: something is leased.
    await this.#append(6);
    await this.#share('s1');
    await this.#acquire(0, 2);
  }

  async step({ what, one, two }: UnfinishedDraw): Promise<void> {
    const steps = [
      () => this.#append(1 + (one % 4)),
      () => this.#append(1 + (one % 4)),
      () => this.#commit(pick(CONSUMERS, one), two),
      () => this.#share(pick(SHARES, one)),
      () => this.#acquire(one, two),
      () => this.#acquire(one, two),
      () => this.#settle(one, two),
      () => this.#settle(one, two),
      () => this.#setPolicy(pick(UNFINISHED_POLICIES, one)),
      () => this.#retain(one % 2 === 0 ? 'age' : 'size'),
      () => this.#retain(one % 2 === 0 ? 'age' : 'size'),
      () => this.#retain(one % 2 === 0 ? 'age' : 'size'),
      () => this.#deleteBefore(two),
      () => this.#deleteGroup(one),
      () => this.#reopen(one % 3 === 0),
    ];
    await pick(steps, what)();
    await this.#check();
  }

  async end(): Promise<void> {
    await this.bench.again();
    await this.#check();
    deepStrictEqual((await this.#copiesThere()).toSorted(), this.#copies.toSorted(), 'copies');
    await this.bench.here.close();
  }

  get #here(): StoreTopic<string> {
    return present(this.#topic, 'begun');
  }

  #note(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  async #append(count: number): Promise<void> {
    await this.bench.append(TOPIC, count);
    this.#endOffset += count;
  }

  /** Makes the group, if need be; forth or back. */
  async #commit(group: string, two: number): Promise<void> {
    const span = this.#endOffset - this.#startOffset;
    const offset = this.#startOffset + (two % (span + 1));
    const positions = [{ partition: 0, offset }];
    await this.#here.resetGroup(group, { positions }, { dryRun: false });
    this.#positions.set(group, offset);
  }

  async #share(name: string): Promise<void> {
    const known = this.#shares.get(name);
    if (known !== undefined) return;
    // As long as no lease runs out by itself.
    const group = await this.#here.shareGroup(name, { leaseMs: 43_200_000, expiriesMax: null });
    this.#shares.set(name, group);
    this.#deliveries.set(name, []);
    this.#note('share group made');
  }

  async #acquire(one: number, two: number): Promise<void> {
    const [name, group] = pick([...this.#shares], one) ?? [];
    if (name === undefined || group === undefined) return;
    const deliveries = await group.acquire({ max: 1 + (two % 3) });
    this.#deliveries.get(name)?.push(...deliveries);
  }

  async #settle(one: number, two: number): Promise<void> {
    const [, deliveries] = pick([...this.#deliveries], one) ?? [];
    const delivery = deliveries?.splice(two % Math.max(1, deliveries.length), 1)[0];
    if (delivery === undefined) return;
    if (two % 4 === 0) await delivery.release();
    else if (two % 4 === 1) await delivery.release({ delayMs: 10 * AGE_MS });
    else if (two % 4 === 2)
      await delivery.reject('no'); // Dead and kept.
    else await delivery.ack();
  }

  async #setPolicy(policy: UnfinishedPolicy): Promise<void> {
    await this.bench.here.alterTopic(TOPIC, { unfinished: policy, archiveTo: ARCHIVE });
    this.policy = policy;
  }

  /** What each group needs between two offsets. */
  async #needs(from: number, to: number): Promise<ReadonlyMap<string, Need>> {
    const needs = new Map<string, Need>();
    for (const [group, position] of this.#positions) {
      const first = Math.max(from, position);
      const unfinished = range(first, Math.max(first, to));
      needs.set(`consumer ${group}`, { unfinished, leased: new Set() });
    }
    for (const group of this.#shares.keys()) {
      const unfinished: number[] = [];
      const leased = new Set<number>();
      for await (const { offset, state } of this.#here.browseShareGroup(group)) {
        if (offset < from || offset >= to || state === 'dead') continue;
        unfinished.push(offset);
        if (state === 'leased') leased.add(offset);
      }
      needs.set(`share ${group}`, { unfinished, leased });
    }
    return needs;
  }

  async #retain(reason: 'age' | 'size'): Promise<void> {
    const limit = Math.max(this.#startOffset, this.#endOffset - 1);
    const needs = await this.#needs(this.#startOffset, limit);
    const { store } = this.bench;
    this.bench.grow();
    const rule = reason === 'age' ? { retentionMs: AGE_MS } : { retentionBytes: 1 };
    await store?.alterTopic(TOPIC, rule);
    await this.bench.retain(TOPIC);
    await this.bench.here.archive.idle();
    await store?.alterTopic(TOPIC, { retentionMs: null, retentionBytes: null });
    let startOffset = limit;
    for (const [key, { unfinished, leased }] of needs) {
      if (this.policy === 'skip') this.#count(key, reason, 'skipped', unfinished.length);
      else if (this.policy === 'wait') startOffset = Math.min(startOffset, ...unfinished);
      else
        startOffset = Math.min(startOffset, ...this.#archived(key, reason, { unfinished, leased }));
    }
    if (startOffset < limit) this.#note(`${this.policy} holds`);
    if (startOffset > this.#startOffset) this.#note(`${this.policy} ${reason} goes`);
    this.#startOffset = startOffset;
  }

  /** @returns what is waited for */
  #archived(key: string, reason: string, { unfinished, leased }: Need): readonly number[] {
    const copied = unfinished.filter((offset) => !leased.has(offset));
    this.#count(key, reason, 'archived', copied.length);
    const [kind, group = ''] = key.split(' ');
    for (const offset of copied) this.#copies.push(`${group} ${offset}`);
    const last = copied.at(-1);
    if (kind === 'consumer' && last !== undefined) this.#positions.set(group, last + 1);
    return [...leased];
  }

  async #deleteBefore(two: number): Promise<void> {
    const span = this.#endOffset - this.#startOffset;
    const offset = this.#startOffset + (two % (span + 1));
    const needs = await this.#needs(this.#startOffset, offset);
    await this.#here.deleteBefore({ partition: 0, offset });
    for (const [key, { unfinished }] of needs)
      this.#count(key, 'asked', 'skipped', unfinished.length);
    if (offset > this.#startOffset) this.#note('deleted');
    this.#startOffset = offset;
  }

  #count(key: string, reason: string, outcome: string, count: number): void {
    if (count === 0) return;
    const what = `${key} ${reason} ${outcome}`;
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
    this.#note(outcome);
  }

  async #deleteGroup(one: number): Promise<void> {
    const consumer = pick([...this.#positions.keys()], one);
    if (one % 2 === 0 && consumer !== undefined) {
      await this.#here.deleteGroup(consumer);
      this.#positions.delete(consumer);
      return;
    }
    const [name, group] = pick([...this.#shares], one) ?? [];
    if (name === undefined || group === undefined) return;
    await group.close();
    await this.#here.deleteShareGroup(name);
    this.#shares.delete(name);
    this.#deliveries.delete(name);
  }

  /** What was leased comes back. */
  async #reopen(withSnapshot: boolean): Promise<void> {
    if (withSnapshot) await this.bench.here.snapshot();
    await this.bench.again();
    this.#topic = await this.bench.here.topic(TOPIC, { codec: utf8 });
    for (const name of this.#shares.keys()) {
      this.#shares.set(name, await this.#here.shareGroup(name));
      this.#deliveries.set(name, []);
    }
  }

  async #check(): Promise<void> {
    strictEqual(await this.bench.startOf(TOPIC), this.#startOffset, `start by ${this.policy}`);
    const counts = [...this.#counts].map(([what, count]) => `${what} ${count}`).toSorted();
    deepStrictEqual(this.bench.countsOf(TOPIC), counts, 'counts');
  }

  async #copiesThere(): Promise<readonly string[]> {
    const archive = await this.bench.here.topic(ARCHIVE);
    const copies: string[] = [];
    for await (const { headers } of archive.records()) {
      const text = (name: string) => Buffer.from(headers.get(name) ?? []).toString();
      copies.push(`${text('varve-death-group')} ${text('varve-death-offset')}`);
    }
    return copies;
  }
}

function pick<T>(from: readonly T[], draw: number): T;
function pick<T>(from: readonly T[], draw: number): T | undefined {
  return from[draw % Math.max(1, from.length)];
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}
