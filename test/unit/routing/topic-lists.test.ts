import { expect, test } from 'vitest';
import { TopicLists } from '../../../src/routing/topic-lists.ts';

test('lists of the same topics are one list', () => {
  const lists = new TopicLists();
  const first = lists.of([1, 2, 3]);
  expect(lists.of([1, 2, 3])).toBe(first);
  expect(lists.of([])).toBe(lists.of([]));
});

test('others are themselves, however many there are', () => {
  const lists = new TopicLists();
  for (let n = 0; n < 20_000; n++) {
    const list = [n, n + 1 + (n % 7)];
    expect(lists.of(list)).toEqual([n, n + 1 + (n % 7)]);
  }
  expect(lists.of([1, 2])).not.toBe(lists.of([1, 2, 3]));
  expect(lists.of([2, 1])).toEqual([2, 1]);
});
