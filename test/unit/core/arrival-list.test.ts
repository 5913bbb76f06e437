import { describe, expect, test } from 'vitest';
import { ArrivalList } from '../../../src/core/arrival-list.ts';

interface Item {
  readonly name: string;
}

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name): Item => ({ name })) as [
  Item,
  Item,
  Item,
  Item,
];

function listOf(...items: readonly Item[]): ArrivalList<Item> {
  const list = new ArrivalList<Item>();
  for (const item of items) list.add(item);
  return list;
}

/** What is met when `change` happens at the second one. */
function metWhen(change: (list: ArrivalList<Item>) => void): string[] {
  const list = listOf(a, b, c);
  const met: string[] = [];
  for (const item of list) {
    met.push(item.name);
    if (item === b) change(list);
  }
  return met;
}

describe('an arrival list', () => {
  test('has its items in the order in which they came', () => {
    const list = listOf(b, a, c);
    list.delete(a);
    list.add(a);
    expect([...list]).toEqual([b, c, a]);
    expect(list.size).toBe(3);
    expect([list.has(a), list.has(d)]).toEqual([true, false]);
  });

  test('takes the deletion of what it does not have for done', () => {
    const list = listOf(a);
    list.delete(b);
    list.delete(a);
    list.delete(a);
    expect([...list]).toEqual([]);
  });

  test('gives all away at once, and has what comes then', () => {
    const list = listOf(a, b);
    const taken = list.takeAll();
    list.add(c);
    expect([taken, [...list], list.size]).toEqual([[a, b], [c], 1]);
  });

  test.each<[string, (list: ArrivalList<Item>) => void, string[]]>([
    ['the one it is at goes', (list) => list.delete(b), ['a', 'b', 'c']],
    ['one before it goes', (list) => list.delete(a), ['a', 'b', 'c']],
    ['one behind it goes', (list) => list.delete(c), ['a', 'b']],
    ['one comes', (list) => list.add(d), ['a', 'b', 'c', 'd']],
    ['all are taken, and one comes', (list) => [list.takeAll(), list.add(d)], ['a', 'b', 'd']],
    ['all go', (list) => [a, b, c].forEach((item) => list.delete(item)), ['a', 'b']],
  ])('when %s while it is iterated, each of the others is met once', (_, change, met) => {
    expect(metWhen(change)).toEqual(met);
  });

  test('is iterated by two at a time, and by one that stops early', () => {
    const list = listOf(a, b, c);
    const pairs: string[] = [];
    for (const one of list) {
      for (const other of list) {
        pairs.push(one.name + other.name);
        if (other === b) break;
      }
      if (one === a) list.delete(a);
    }
    expect(pairs).toEqual(['aa', 'ab', 'bb', 'cb']);
  });
});
