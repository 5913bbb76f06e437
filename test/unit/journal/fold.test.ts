import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { BadEntryError } from '../../../src/journal/entry-bytes.ts';
import { list, struct, text, uint, type ValueOf } from '../../../src/journal/entry-fields.ts';
import { EntryRegistry, entryType, type ReadEntry } from '../../../src/journal/entry-type.ts';
import {
  begins,
  changes,
  ends,
  Fold,
  type Reducer,
  type StatePart,
} from '../../../src/journal/fold.ts';
import { thrownBy } from '../../support/log-fixture.ts';

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

  test.each<[string, ReadEntry[]]>([
    ['begins one that is there', [open('a'), open('a')]],
    ['changes one that is not there', [close('a')]],
  ])('refuses an entry that %s', (_name, entries) => {
    expect(thrownBy(() => folded(entries))).toBeInstanceOf(BadEntryError);
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

describe('a snapshot', () => {
  test('taken part by part while entries go on, and folded on, is the same state', () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat({ max: 4 }), (history, start, gap) => {
        const begin = start % (history.length + 1);
        const fold = folded(history.slice(0, begin));
        const parts: StatePart[] = [];
        let applied = begin;
        for (const part of fold.parts(() => applied)) {
          parts.push(part);
          for (let n = 0; n < gap && applied < history.length; n++) {
            fold.apply(history[applied] as ReadEntry, applied++);
          }
        }
        const end = applied;
        for (; applied < history.length; applied++)
          fold.apply(history[applied] as ReadEntry, applied);

        const rebuilt = new Fold([account]);
        for (const part of parts) rebuilt.restore(part, end);
        for (let at = begin; at < history.length; at++) rebuilt.apply(history[at] as ReadEntry, at);
        expect(rebuilt.hash()).toBe(fold.hash());
      }),
      { numRuns: 1000 },
    );
  });

  test('a part of an unknown reducer, or cut short, is refused', () => {
    const [part] = folded([open('a', 5)]).parts(() => 1);
    if (part === undefined) throw new Error('there is a part');
    const fold = new Fold([account]);
    const strange = { ...part, reducer: 'other' };
    expect(thrownBy(() => fold.restore(strange, 1))).toBeInstanceOf(BadEntryError);
    const short = { ...part, state: part.state.subarray(1) };
    expect(thrownBy(() => fold.restore(short, 1))).toBeInstanceOf(BadEntryError);
  });
});
