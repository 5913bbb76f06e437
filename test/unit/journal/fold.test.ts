import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import { BadEntryError } from '../../../src/journal/entry-bytes.ts';
import { list, struct, text, uint, type ValueOf } from '../../../src/journal/entry-fields.ts';
import { EntryRegistry, entryType, type ReadEntry } from '../../../src/journal/entry-type.ts';
import {
  begins,
  changes,
  ends,
  Fold,
  type Reducer,
  type StateCopy,
} from '../../../src/journal/fold.ts';
import { thrownBy } from '../../support/log-fixture.ts';
import { partOf } from '../../support/state-parts.ts';

const opened = entryType({ kind: 1, name: 'opened', fields: { account: text, cents: uint } });
const moved = entryType({ kind: 2, name: 'moved', fields: { from: text, to: text, cents: uint } });
const closed = entryType({ kind: 3, name: 'closed', fields: { account: text } });
const registry = new EntryRegistry([closed, opened, moved]);

const accountState = struct({ cents: uint, history: list(uint) });
type Account = ValueOf<typeof accountState>;

const account: Reducer<Account> = {
  name: 'account',
  state: accountState,
  rules: [
    begins(opened, {
      id: (entry) => entry.account,
      begin: ({ cents }) => ({ cents, history: [] }),
    }),
    changes(moved, {
      id: ({ from, to }) => [from, to],
      apply: (state: Account, { cents }) => ({ ...state, history: [...state.history, cents] }),
    }),
    ends(closed, { id: (entry) => entry.account }),
  ],
};

const read = (bytes: Uint8Array): ReadEntry => registry.decode(bytes);
const open = (name: string, cents = 0) => read(registry.encode(opened, { account: name, cents }));
const move = (from: string, to: string, cents: number) =>
  read(registry.encode(moved, { from, to, cents }));
const close = (name: string) => read(registry.encode(closed, { account: name }));

function folded(entries: readonly ReadEntry[], fold = new Fold([account])): Fold {
  entries.forEach((entry, offset) => fold.apply(entry, offset));
  return fold;
}

describe('Fold', () => {
  test('keeps an instance per id, from its first entry to its last', () => {
    const fold = folded([open('a', 5), open('b'), move('a', 'b', 3), close('b')]);
    expect(fold.ids(account)).toEqual(['a']);
    expect(fold.get(account, 'a')).toEqual({ cents: 5, history: [3] });
    expect(fold.get(account, 'b')).toBeNull();
  });

  test.each<[string, ReadEntry, string]>([
    ['begins one that is there', open('a', 9), 'account a is there already'],
    ['ends one that is not there', close('b'), 'account b is not there'],
  ])('says of an entry that %s why it changes nothing', (_name, entry, why) => {
    const fold = folded([open('a', 5)]);
    const before = fold.hash();
    expect(fold.apply(entry, 1)).toBe(why);
    expect(fold.hash()).toBe(before);
    expect(fold.apply(close('a'), 2)).toBeNull();
  });

  test('a view shows an instance as it is, whatever became of it meanwhile', () => {
    const fold = new Fold([account]);
    const view = fold.view(account, 'a');
    expect(view.state).toBeNull();
    fold.apply(open('a', 5), 0);
    expect(view.state).toEqual({ cents: 5, history: [] });
    fold.apply(open('b'), 1);
    fold.apply(move('a', 'b', 3), 2);
    expect(view.state).toEqual({ cents: 5, history: [3] });
    fold.apply(close('a'), 3);
    expect(view.state).toBeNull();
    fold.apply(open('a', 7), 4);
    expect(view.state?.cents).toBe(7);
    fold.replace(account, { id: 'a', from: 5 }, { cents: 8, history: [] });
    expect(view.state?.cents).toBe(8);
    fold.clear();
    expect(view.state).toBeNull();
    const copies = [...folded([open('a', 9)]).copies(() => 1)].map(partOf);
    for (const part of copies) fold.restore(part, 1);
    expect(view.state?.cents).toBe(9);
  });

  test('an entry for two instances changes the one that is there', () => {
    const fold = folded([open('a', 5)]);
    expect(fold.apply(move('a', 'gone', 3), 1)).toBe('account gone is not there');
    expect(fold.get(account, 'a')?.history).toEqual([3]);
  });

  test('the hash tells states apart, and not the order in which instances began', () => {
    const one = folded([open('a', 1), open('b', 2)]);
    expect(folded([open('b', 2), open('a', 1)]).hash()).toBe(one.hash());
    expect(folded([open('a', 2), open('b', 1)]).hash()).not.toBe(one.hash());
    expect(folded([open('a', 1)]).hash()).not.toBe(one.hash());
  });
});

/** A history that no rule refuses: names that are open are moved and closed, others opened. */
const histories = fc
  .array(
    fc.record({ one: fc.nat({ max: 5 }), two: fc.nat({ max: 5 }), what: fc.nat({ max: 9 }) }),
    {
      maxLength: 60,
    },
  )
  .map((steps) => {
    const there = new Set<string>();
    return steps.map(({ one, two, what }) => {
      const [a, b] = [`n${one}`, `n${two}`];
      if (!there.has(a)) {
        there.add(a);
        return open(a, what);
      }
      if (what === 0) {
        there.delete(a);
        return close(a);
      }
      return move(a, there.has(b) ? b : a, what);
    });
  });

/** Also entries that do not fit. */
const anyHistories = fc.array(
  fc
    .record({ one: fc.nat({ max: 3 }), two: fc.nat({ max: 3 }), what: fc.nat({ max: 9 }) })
    .map(({ one, two, what }) => {
      if (what < 3) return open(`n${one}`, what);
      return what < 6 ? close(`n${one}`) : move(`n${one}`, `n${two}`, what);
    }),
  { maxLength: 60 },
);

describe.each([
  ['of entries that fit', histories],
  ['of any entries', anyHistories],
])('a snapshot %s', (_name, someHistories) => {
  test('taken part by part while entries go on, and folded on, is the same state', () => {
    fc.assert(
      fc.property(someHistories, fc.nat(), fc.nat({ max: 4 }), (history, start, gap) => {
        const begin = start % (history.length + 1);
        const fold = folded(history.slice(0, begin));
        const copies: StateCopy[] = [];
        let applied = begin;
        for (const copy of fold.copies(() => applied)) {
          copies.push(copy);
          for (let n = 0; n < gap && applied < history.length; n++) {
            fold.apply(history[applied] as ReadEntry, applied++);
          }
        }
        const end = applied;
        for (; applied < history.length; applied++)
          fold.apply(history[applied] as ReadEntry, applied);

        const rebuilt = new Fold([account]);
        for (const copy of copies) rebuilt.restore(partOf(copy), end);
        for (let at = begin; at < history.length; at++) rebuilt.apply(history[at] as ReadEntry, at);
        expect(rebuilt.hash()).toBe(fold.hash());
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a snapshot', () => {
  test('a part of an unknown reducer, or cut short, is refused', () => {
    const [copy] = folded([open('a', 5)]).copies(() => 1);
    const part = partOf(present(copy, 'an instance'));
    const fold = new Fold([account]);
    const strange = { ...part, reducer: 'other' };
    expect(thrownBy(() => fold.restore(strange, 1))).toBeInstanceOf(BadEntryError);
    const short = { ...part, state: part.state.subarray(1) };
    expect(thrownBy(() => fold.restore(short, 1))).toBeInstanceOf(BadEntryError);
  });
});
