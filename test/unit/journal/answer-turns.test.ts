/** When commits that are done are answered: not before those who wait are on their way. */
import { expect, test } from 'vitest';

import { nextTurn } from '../../../src/core/clock.ts';
import { AnswerTurns } from '../../../src/journal/answer-turns.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => from + at);

test('a group is answered at once when nobody waits for the disk', () => {
  const answered: number[] = [];
  const answers = new AnswerTurns<number>((one) => answered.push(one));
  answers.add([1, 2, 3], false);
  expect(answered).toEqual([1, 2, 3]);
});

test('while others wait, those who are done are answered in a later turn, in their order', async () => {
  const answered: number[] = [];
  const answers = new AnswerTurns<number>((one) => answered.push(one));
  answers.add([1, 2], true);
  await Promise.resolve();
  expect(answered).toEqual([]);
  answers.add([3], false); // Not before those that were there first.
  expect(answered).toEqual([]);
  await nextTurn();
  expect(answered).toEqual([1, 2, 3]);
});

test('a large group is answered turn by turn, and its end can be waited for', async () => {
  const answered: number[] = [];
  const answers = new AnswerTurns<number>((one) => answered.push(one));
  answers.add(numbers(0, 200), false);
  expect(answered).toEqual(numbers(0, 64));
  await nextTurn();
  expect(answered).toEqual(numbers(0, 128));
  answers.add([200], true);
  await answers.idle();
  expect(answered).toEqual(numbers(0, 201));
});

test('one that is answered may bring more', async () => {
  const answered: number[] = [];
  const answers: AnswerTurns<number> = new AnswerTurns<number>((one) => {
    answered.push(one);
    if (one < 3) answers.add([one + 1], false);
  });
  answers.add([1], false);
  await answers.idle();
  expect(answered).toEqual([1, 2, 3]);
});
