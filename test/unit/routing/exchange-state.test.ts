import { describe, expect, test } from 'vitest';

import { EntryRegistry, type EntryType } from '../../../src/journal/entry-type.ts';
import { Fold } from '../../../src/journal/fold.ts';
import {
  bindingAdded,
  bindingRemoved,
  exchangeAltered,
  exchangeCreated,
  exchangeDeleted,
  ROUTING_ENTRY_TYPES,
  topologyPruned,
} from '../../../src/routing/exchange-entries.ts';
import {
  alternateAt,
  exchanges,
  isThere,
  topologyVersion,
  versionOf,
  type ExchangeState,
} from '../../../src/routing/exchange-state.ts';

const registry = new EntryRegistry(ROUTING_ENTRY_TYPES);

/** A fold, and what was journaled so far: entries go through their bytes. */
class Told {
  readonly fold = new Fold([exchanges, topologyVersion]);
  #offset = 0;

  tell<E>(type: EntryType<E>, entry: E): string | null {
    const read = registry.decode(registry.encode(type, entry));
    return this.fold.apply(read, this.#offset++);
  }

  create(exchangeId: number, version: number, alternateId: number | null = null): string | null {
    return this.tell(exchangeCreated, {
      exchangeId,
      version,
      timeMs: 10 * version,
      name: `exchange ${exchangeId}`,
      type: 'topic',
      topicId: 1000 + exchangeId,
      isInternal: false,
      isAutoDelete: true,
      alternateId,
    });
  }

  bind(exchangeId: number, version: number, bindingId: number): string | null {
    return this.tell(bindingAdded, {
      exchangeId,
      version,
      timeMs: 10 * version,
      bindingId,
      target: { kind: 'topic', id: 2000 },
      routingKey: 'a.#',
      headers: {
        match: 'any',
        conditions: [
          { name: 'there', value: null },
          { name: 'value', value: new Uint8Array([1, 2]) },
        ],
      },
    });
  }

  state(exchangeId: number): ExchangeState | null {
    return this.fold.get(exchanges, String(exchangeId));
  }

  /** Ids of the bindings that were there in a version. */
  boundAt(exchangeId: number, version: number): number[] {
    const bindings = this.state(exchangeId)?.bindings ?? new Map();
    return [...bindings].flatMap(([id, binding]) => (isThere(binding, version) ? [id] : []));
  }
}

describe('the state of exchanges', () => {
  test('has each binding in the versions between its two changes', () => {
    const told = new Told();
    expect(versionOf(told.fold)).toBe(0);
    told.create(1, 1);
    told.bind(1, 2, 70);
    told.bind(1, 3, 71);
    told.tell(bindingRemoved, { exchangeId: 1, version: 4, timeMs: 40, bindingId: 70 });
    told.bind(1, 5, 72);
    expect(versionOf(told.fold)).toBe(5);
    expect([1, 2, 3, 4, 5].map((version) => told.boundAt(1, version))).toEqual([
      [],
      [70],
      [70, 71],
      [71],
      [71, 72],
    ]);
    expect(told.state(1)).toMatchObject({ name: 'exchange 1', topicId: 1001, isAutoDelete: true });
    expect(told.state(1)?.bindings.get(72)).toMatchObject({ routingKey: 'a.#', timeMs: 50 });
  });

  test('knows the alternate exchange of each version', () => {
    const told = new Told();
    told.create(1, 3, 9);
    told.tell(exchangeAltered, { exchangeId: 1, version: 5, timeMs: 50, alternateId: null });
    told.tell(exchangeAltered, { exchangeId: 1, version: 8, timeMs: 80, alternateId: 7 });
    const state = told.state(1);
    const alternates = [3, 4, 5, 7, 8, 99].map((version) => state && alternateAt(state, version));
    expect(alternates).toEqual([9, 9, null, null, 7, 7]);
  });

  test('keeps what was deleted, with its bindings, for the versions before', () => {
    const told = new Told();
    told.create(1, 1);
    told.bind(1, 2, 70);
    told.tell(bindingRemoved, { exchangeId: 1, version: 3, timeMs: 30, bindingId: 70 });
    told.bind(1, 4, 71);
    told.tell(exchangeDeleted, { exchangeId: 1, version: 6, timeMs: 60 });
    expect(told.state(1)?.toVersion).toBe(6);
    expect([2, 3, 5, 6].map((version) => told.boundAt(1, version))).toEqual([[70], [], [71], []]);
  });

  test('forgets what no version needs any more', () => {
    const told = new Told();
    told.create(1, 1, 5);
    told.create(2, 2);
    told.bind(1, 3, 70);
    told.bind(1, 4, 71);
    told.tell(exchangeAltered, { exchangeId: 1, version: 5, timeMs: 50, alternateId: 6 });
    told.tell(bindingRemoved, { exchangeId: 1, version: 6, timeMs: 60, bindingId: 70 });
    told.tell(exchangeDeleted, { exchangeId: 2, version: 7, timeMs: 70 });
    const prune = (belowVersion: number) =>
      told.tell(topologyPruned, {
        exchangeIds: [1, 2],
        belowVersion,
        topicIds: [],
        leftTopicIds: [],
      });
    expect(prune(5)).toBeNull();
    expect([...(told.state(1)?.bindings.keys() ?? [])]).toEqual([70, 71]);
    expect(told.state(1)?.alternates).toEqual([{ fromVersion: 5, alternateId: 6 }]);
    expect(told.state(2)?.toVersion).toBe(7);
    expect(prune(7)).toBeNull();
    expect([...(told.state(1)?.bindings.keys() ?? [])]).toEqual([71]);
    expect(told.state(2)).toBeNull();
    expect(versionOf(told.fold)).toBe(7);
  });

  test('takes an entry that does not fit for one', () => {
    const told = new Told();
    expect(told.bind(1, 1, 70)).toContain('exchange 1');
    expect(told.create(1, 2)).toBeNull();
    expect(told.create(1, 3)).toContain('exchange 1');
    expect(told.bind(1, 4, 70)).toBeNull();
    expect(told.bind(1, 5, 70)).toBeNull(); // The same one, said twice.
    expect(told.state(1)?.bindings.get(70)?.fromVersion).toBe(4);
    told.tell(bindingRemoved, { exchangeId: 1, version: 6, timeMs: 60, bindingId: 71 });
    expect(told.boundAt(1, 6)).toEqual([70]);
  });

  test('comes back from a snapshot as it was', () => {
    const told = new Told();
    told.create(1, 1, 2);
    told.bind(1, 2, 70);
    told.bind(1, 3, 71);
    told.tell(bindingRemoved, { exchangeId: 1, version: 4, timeMs: 40, bindingId: 70 });
    const other = new Fold([exchanges, topologyVersion]);
    for (const { pieces, ...part } of told.fold.copies(() => 4)) {
      const read: Uint8Array[] = [];
      for (let step = pieces.next(); ; step = pieces.next()) {
        read.push(new Uint8Array(step.value));
        if (step.done === true) break;
      }
      other.restore({ ...part, state: new Uint8Array(Buffer.concat(read)) }, 4);
    }
    expect(other.hash()).toBe(told.fold.hash());
    expect(versionOf(other)).toBe(4);
  });
});
